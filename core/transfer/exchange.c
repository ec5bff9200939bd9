/* core/transfer/exchange.c - one HTTP request and its answer (exchange.h).
 *
 * libcurl's own limits do not fit a body that is made while it is sent: its low-speed limit would end the
 * wait for an answer, and it has none for that wait. on_progress() does both. */
#include "core/transfer/exchange.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "core/base/clock.h"
#include "core/base/fault.h"
#include "core/base/http.h"
#include "core/base/mem.h"
#include "core/base/str.h"
#include "core/transfer/easy.h"
#include "core/transfer/redirect.h"
#include "core/transfer/tls.h"

#define ERROR_BODY_MAX 16384
#define HEAD_MAX 16384
#define BUFFER_SIZE 65536L

/* One request under way. */
struct run {
    const struct exchange_request *request;
    struct exchange_answer *answer;
    CURL *easy;
    curl_off_t moved;
    int64_t left;       /* of a source with a size */
    int64_t moved_at;   /* monotonic, as below */
    int64_t sent_at;    /* 0 = the request is not out yet, or the answer has begun */
    bool began, enough; /* the sink was told; the rest of the answer is of no interest */
    char error[CURL_ERROR_SIZE];
};

static int64_t now_ms(void)
{
    return clock_mono_ms(&clock_system);
}

void exchange_answer_done(struct exchange_answer *answer)
{
    free(answer->location);
    buf_done(&answer->head);
    buf_done(&answer->body);
    *answer = EXCHANGE_ANSWER_INIT;
}

static void note_sent(struct run *run)
{
    run->sent_at = run->moved_at = now_ms();
}

static size_t on_source(char *data, size_t size, size_t n, void *arg)
{
    struct run *run = arg;
    const struct outcome_source *source = run->request->source;
    size_t room = source->size >= 0 ? MIN(size * n, (size_t) run->left) : size * n;
    int64_t got = room > 0 ? source->read(source->arg, data, room) : 0;

    run->moved_at = now_ms();
    if (got < 0 || (got == 0 && source->size >= 0 && run->left > 0)) {
        run->answer->gave_up = true;
        return CURL_READFUNC_ABORT;
    }
    run->left -= got;
    run->answer->bytes += got;
    if (got == 0 || (source->size >= 0 && run->left == 0))
        note_sent(run);
    return (size_t) got;
}

static int on_connected(void *arg, char *ours, char *theirs, int our_port, int their_port)
{
    struct run *run = arg;

    (void) ours;
    (void) theirs;
    (void) our_port;
    (void) their_port;
    if (!run->request->source)
        note_sent(run);
    return CURL_PREREQFUNC_OK;
}

static bool is_success(const struct run *run)
{
    return run->answer->status >= 200 && run->answer->status < 300;
}

/* The status line, of which there may be more than one (100 Continue). */
static size_t on_header(char *data, size_t size, size_t n, void *arg)
{
    struct run *run = arg;
    size_t len = size * n, end = len;
    const char *space = memchr(data, ' ', len);
    long status = 0;

    run->sent_at = 0;
    run->moved_at = now_ms(); /* the wait for the answer was no silence */
    if (run->request->keep_head && run->answer->head.len < HEAD_MAX)
        buf_add(&run->answer->head, data, len);
    if (len <= 5 || strncmp(data, "HTTP/", 5) != 0 || !space)
        return len;
    while (end > 0 && (unsigned char) data[end - 1] <= ' ')
        end--;
    space++;
    (void) curl_easy_getinfo(run->easy, CURLINFO_RESPONSE_CODE, &status);
    run->answer->status = (int) status;
    (void) snprintf(run->answer->status_line, sizeof(run->answer->status_line), "%.*s",
                    (int) (data + end > space ? data + end - space : 0), space);
    return len;
}

static void copy_header(CURL *easy, const char *name, char *dst, size_t size)
{
    struct curl_header *header = NULL;

    if (curl_easy_header(easy, name, 0, CURLH_HEADER, -1, &header) == CURLHE_OK)
        (void) str_cut(dst, size, header->value);
}

static void take_modified(struct run *run)
{
    char date[64] = "";

    copy_header(run->easy, "Last-Modified", date, sizeof(date));
    (void) http_parse_date(date, &run->answer->modified_s);
}

/* 0, 1 = the body is not wanted, negative. */
static int begin_sink(struct run *run)
{
    const struct outcome_sink *sink = run->request->sink;
    curl_off_t size = -1;

    if (run->began)
        return 0;
    run->began = true;
    if (!sink->begin)
        return 0;
    (void) curl_easy_getinfo(run->easy, CURLINFO_CONTENT_LENGTH_DOWNLOAD_T, &size);
    take_modified(run);
    return sink->begin(sink->arg, size, run->answer->modified_s);
}

static size_t on_error_body(struct run *run, const char *data, size_t len)
{
    size_t room = ERROR_BODY_MAX - MIN(run->answer->body.len, ERROR_BODY_MAX);

    buf_add(&run->answer->body, data, MIN(len, room));
    run->enough = len > room;
    return run->enough ? 0 : len;
}

static size_t on_body(char *data, size_t size, size_t n, void *arg)
{
    struct run *run = arg;
    const struct outcome_sink *sink = run->request->sink;
    int r;

    if (!sink || !is_success(run))
        return on_error_body(run, data, size * n);
    r = begin_sink(run);
    if (r == 0)
        r = sink->write(sink->arg, data, size * n);
    run->enough = r > 0;
    run->answer->gave_up = r < 0;
    if (r == 0)
        run->answer->bytes += (int64_t) (size * n);
    return r == 0 ? size * n : 0;
}

static int on_progress(void *arg, curl_off_t down_all, curl_off_t down, curl_off_t up_all,
                       curl_off_t up)
{
    struct run *run = arg;
    int64_t now = now_ms(), silence = fault_limit_ms("transfer_silence", EASY_SILENCE_MS),
            answer_within = run->request->response_timeout_ms;

    (void) down_all;
    (void) up_all;
    if (down + up != run->moved) {
        run->moved = down + up;
        run->moved_at = now;
    }
    if (run->sent_at != 0 && answer_within > 0 && now - run->sent_at > answer_within)
        (void) snprintf(run->answer->error, sizeof(run->answer->error),
                        "no answer within %" PRId64 " s", answer_within / 1000);
    else if (run->sent_at == 0 && now - run->moved_at > silence)
        (void) snprintf(run->answer->error, sizeof(run->answer->error),
                        "nothing came or went for %" PRId64 " s", silence / 1000);
    return *run->answer->error ? 1 : 0;
}

static void set_callbacks(struct run *run)
{
    CURL *easy = run->easy;

    (void) curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, run->error);
    (void) curl_easy_setopt(easy, CURLOPT_HEADERFUNCTION, on_header);
    (void) curl_easy_setopt(easy, CURLOPT_HEADERDATA, run);
    (void) curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, on_body);
    (void) curl_easy_setopt(easy, CURLOPT_WRITEDATA, run);
    (void) curl_easy_setopt(easy, CURLOPT_NOPROGRESS, 0L);
    (void) curl_easy_setopt(easy, CURLOPT_XFERINFOFUNCTION, on_progress);
    (void) curl_easy_setopt(easy, CURLOPT_XFERINFODATA, run);
    (void) curl_easy_setopt(easy, CURLOPT_PREREQFUNCTION, on_connected);
    (void) curl_easy_setopt(easy, CURLOPT_PREREQDATA, run);
}

static int set_form(struct run *run, curl_mime **ret)
{
    const struct outcome_source *source = run->request->source;
    curl_mime *form = curl_mime_init(run->easy);
    curl_mimepart *part = form ? curl_mime_addpart(form) : NULL;

    *ret = form;
    if (!part || curl_mime_name(part, "file") != CURLE_OK ||
        curl_mime_filename(part, run->request->file_name) != CURLE_OK ||
        curl_mime_type(part, "application/octet-stream") != CURLE_OK ||
        curl_mime_data_cb(part, source->size, on_source, NULL, NULL, run) != CURLE_OK ||
        curl_easy_setopt(run->easy, CURLOPT_MIMEPOST, form) != CURLE_OK)
        return -ENOMEM;
    return 0;
}

static int set_body(struct run *run, curl_mime **form)
{
    const struct exchange_request *request = run->request;

    (void) curl_easy_setopt(run->easy, CURLOPT_NOBODY, (long) str_eq(request->method, "HEAD"));
    if (!request->source)
        return 0;
    run->left = request->source->size;
    if (request->file_name)
        return set_form(run, form);
    (void) curl_easy_setopt(run->easy, CURLOPT_UPLOAD, 1L);
    (void) curl_easy_setopt(run->easy, CURLOPT_READFUNCTION, on_source);
    (void) curl_easy_setopt(run->easy, CURLOPT_READDATA, run);
    (void) curl_easy_setopt(run->easy, CURLOPT_INFILESIZE_LARGE,
                            (curl_off_t) request->source->size);
    return 0;
}

static void set_options(struct run *run)
{
    const struct exchange_request *request = run->request;
    CURL *easy = run->easy;

    easy_set_common(easy, request->url);
    set_callbacks(run);
    (void) curl_easy_setopt(easy, CURLOPT_HTTPHEADER, request->headers);
    (void) curl_easy_setopt(easy, CURLOPT_HTTP_VERSION, (long) CURL_HTTP_VERSION_1_1);
    (void) curl_easy_setopt(easy, CURLOPT_BUFFERSIZE, BUFFER_SIZE);
    (void) curl_easy_setopt(easy, CURLOPT_UPLOAD_BUFFERSIZE, BUFFER_SIZE);
    (void) curl_easy_setopt(easy, CURLOPT_TIMEOUT_MS, (long) request->timeout_ms);
}

static void take_headers(struct run *run)
{
    struct exchange_answer *answer = run->answer;
    struct curl_header *location = NULL;

    take_modified(run);
    copy_header(run->easy, "X-Request-Id", answer->request_id, sizeof(answer->request_id));
    copy_header(run->easy, "Retry-After", answer->retry_after, sizeof(answer->retry_after));
    copy_header(run->easy, "RateLimit-ResetTime", answer->rate_limit_reset,
                sizeof(answer->rate_limit_reset));
    if (curl_easy_header(run->easy, "Location", 0, CURLH_HEADER, -1, &location) == CURLHE_OK)
        answer->location = mem_strdup(location->value);
}

/* What the answer is worth, now that libcurl is done with it. */
static void judge(struct run *run, CURLcode result)
{
    struct exchange_answer *answer = run->answer;

    take_headers(run);
    redirect_host(run->request->url, answer->host, sizeof(answer->host));
    if (result == CURLE_OK && run->request->sink && is_success(run))
        answer->gave_up = begin_sink(run) < 0; /* a body of no bytes */
    if (result == CURLE_OK || run->enough)
        return;
    answer->status = 0;
    if (!*answer->error)
        (void) str_cut(answer->error, sizeof(answer->error),
                       *run->error ? run->error : curl_easy_strerror(result));
}

static int perform(struct run *run, struct error *err)
{
    curl_mime *form = NULL;
    int r;

    set_options(run);
    r = tls_set(run->easy, run->request->tls, err);
    if (r == 0 && set_body(run, &form) < 0)
        r = error_set(err, -ENOMEM, "out of memory");
    run->moved_at = now_ms();
    if (r == 0)
        judge(run, curl_easy_perform(run->easy));
    (void) curl_easy_setopt(run->easy, CURLOPT_MIMEPOST, NULL);
    curl_mime_free(form);
    return r;
}

void exchange_once(const struct exchange_request *request, struct exchange_answer *answer)
{
    struct run run = { .request = request, .answer = answer, .easy = curl_easy_init() };
    struct error err = { 0 };

    exchange_answer_done(answer);
    if (!run.easy)
        (void) error_set(&err, -ENOMEM, "out of memory");
    else
        (void) perform(&run, &err);
    if (err.code < 0) {
        answer->gave_up = true; /* it would be the same the next time */
        (void) str_cut(answer->error, sizeof(answer->error), err.message);
    }
    curl_easy_cleanup(run.easy);
}
