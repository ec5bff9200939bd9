/* core/supervisor/web_log.c - the end of a job's log, and what comes behind it, for who reads it on the status page.
 *
 * Read from the spool, which is masked, by the rule that GitLab gets it by: nothing before the worker has said whether
 * the log may show what is hidden otherwise; such a log GitLab shows to fewer people, so it is not shown here at all
 * (hardening.md M10). */
#include <inttypes.h>
#include <string.h>
#include <sys/stat.h>

#include "core/base/json.h"
#include "core/base/mem.h"
#include "core/base/str.h"
#include "core/supervisor/job_log.h"
#include "core/supervisor/web_page.h"

#define LOOK_EVERY_MS 250
#define TAIL_BYTES 65536
#define BEHIND_BYTES (1024 * 1024) /* who is further behind is brought to the end */
#define PIECE_BYTES 16384          /* written as JSON, it fits into a stream's room */

struct log_reader {
    struct web_logs *logs;
    struct log_reader *next;
    struct web_request *request;
    int64_t seq;
    int fd; /* of its own: the file may be gone before all is read; -1 = not open yet */
    int64_t offset, skipped; /* the second: not told yet */
    bool begun, ended;
};

struct web_logs {
    struct supervisor *supervisor;
    uv_timer_t timer; /* runs while somebody reads */
    struct log_reader *readers;
};

struct web_logs *web_logs_new(struct supervisor *supervisor)
{
    struct web_logs *logs = mem_zero(sizeof(*logs));

    if (!logs)
        return NULL;
    logs->supervisor = supervisor;
    (void) uv_timer_init(supervisor->loop, &logs->timer);
    logs->timer.data = logs;
    return logs;
}

static void on_timer_closed(uv_handle_t *handle)
{
    free(handle->data);
}

void web_logs_close(struct web_logs *logs)
{
    if (logs)
        uv_close((uv_handle_t *) &logs->timer, on_timer_closed);
}

static void send_event(struct log_reader *reader, const char *kind, const struct buf *data)
{
    autobuf struct buf event = BUF_INIT;

    buf_addf(&event, "id: %" PRId64 "\nevent: %s\ndata: %s\n\n", reader->offset, kind,
             buf_str(data));
    if (buf_error(&event) == 0)
        (void) web_send(reader->request, event.data, event.len);
}

static void end(struct log_reader *reader, const char *sentence)
{
    autobuf struct buf data = BUF_INIT;

    buf_add_str(&data, "{\"sentence\":");
    json_quote(&data, sentence, strlen(sentence));
    buf_add_char(&data, '}');
    send_event(reader, "end", &data);
    web_end(reader->request, 0, NULL);
    reader->ended = true;
}

/* What is far behind is skipped, up to the beginning of a line. */
static void catch_up(struct log_reader *reader)
{
    int64_t limit = reader->begun ? BEHIND_BYTES : TAIL_BYTES, from = reader->offset;
    char text[4096];
    struct stat st;
    ssize_t n;
    char *newline;

    reader->begun = true;
    if (fstat(reader->fd, &st) < 0 || st.st_size - reader->offset <= limit)
        return;
    reader->offset = st.st_size - TAIL_BYTES;
    n = pread(reader->fd, text, sizeof(text), reader->offset);
    newline = n > 0 ? memchr(text, '\n', (size_t) n) : NULL;
    if (newline)
        reader->offset += newline - text + 1;
    reader->skipped += reader->offset - from;
}

/* Without a character of which the rest has not come. */
static size_t whole_characters(const char *text, size_t len)
{
    for (size_t back = 1; back <= 3 && back < len; back++) {
        unsigned char c = (unsigned char) text[len - back];

        if (c >= 0xc0)
            return (c >= 0xf0 ? 4U : c >= 0xe0 ? 3U : 2U) > back ? len - back : len;
        if (c < 0x80)
            break;
    }
    return len;
}

/* True when there was anything. */
static bool send_text(struct log_reader *reader)
{
    autobuf struct buf data = BUF_INIT;
    char text[PIECE_BYTES];
    ssize_t n = pread(reader->fd, text, sizeof(text), reader->offset);
    size_t len = n > 0 ? whole_characters(text, (size_t) n) : 0;

    if (len == 0)
        return false;
    buf_add_str(&data, "{\"text\":");
    json_quote(&data, text, len);
    buf_addf(&data, ",\"skipped\":%" PRId64 "}", reader->skipped);
    reader->offset += (int64_t) len;
    reader->skipped = 0;
    send_event(reader, "text", &data);
    return true;
}

static void look(struct log_reader *reader)
{
    const struct job *job = job_find(reader->logs->supervisor, reader->seq);
    bool is_here = job && job->state < JOB_CLOSED;

    if (reader->ended || web_room(reader->request) < WEB_ROOM_MAX ||
        (job && job->state < JOB_RUNNING))
        return;
    if (job && job->debug_trace) {
        end(reader, "This job's log may show what is hidden otherwise (CI_DEBUG_TRACE): GitLab "
                    "shows it to those who "
                    "may read it.");
        return;
    }
    if (reader->fd < 0 && is_here)
        reader->fd = job_log_open(job);
    if (reader->fd >= 0) {
        catch_up(reader);
        if (send_text(reader))
            return;
    }
    if (!is_here)
        end(reader, "The job has ended; GitLab has its whole log.");
}

static void on_timer(uv_timer_t *timer)
{
    struct web_logs *logs = timer->data;

    for (struct log_reader *reader = logs->readers; reader; reader = reader->next)
        look(reader);
}

static void on_room(void *arg, struct web_request *request)
{
    (void) request;
    look(arg);
}

static void on_gone(void *arg, struct web_request *request)
{
    struct log_reader *reader = arg;
    struct web_logs *logs = reader->logs;

    (void) request;
    for (struct log_reader **at = &logs->readers; *at; at = &(*at)->next)
        if (*at == reader) {
            *at = reader->next;
            break;
        }
    if (!logs->readers)
        (void) uv_timer_stop(&logs->timer);
    if (reader->fd >= 0)
        (void) close(reader->fd);
    free(reader);
}

/* 0: at the beginning of what is shown. */
static int64_t offset_to_go_on(const struct web_request *request)
{
    int64_t offset = 0;
    char id[32];

    if (web_header(request, "last-event-id", id, sizeof(id)))
        (void) parse_i64(id, 0, INT64_MAX, &offset);
    return offset;
}

void web_logs_open(struct web_logs *logs, struct web_request *request)
{
    struct log_reader *reader;
    int64_t seq = 0;
    char text[32];

    if (!web_query(request, "seq", text, sizeof(text)) || parse_i64(text, 1, INT64_MAX, &seq) < 0 ||
        !job_find(logs->supervisor, seq)) {
        web_answer_text(request, 404, "no such job is here: it has ended, and GitLab has its log");
        return;
    }
    reader = mem_zero(sizeof(*reader));
    if (!reader) {
        web_answer_text(request, 503, "the manager is out of memory");
        return;
    }
    reader->logs = logs;
    reader->request = request;
    reader->seq = seq;
    reader->fd = -1;
    reader->offset = offset_to_go_on(request);
    reader->begun = reader->offset > 0;
    if (!web_stream(request, "text/event-stream", on_room)) {
        free(reader);
        return;
    }
    web_on_gone(request, on_gone, reader);
    reader->next = logs->readers;
    logs->readers = reader;
    if (!uv_is_active((uv_handle_t *) &logs->timer))
        (void) uv_timer_start(&logs->timer, on_timer, 0, LOOK_EVERY_MS);
}
