/* core/supervisor/web_history.c - how many jobs waited, what the instances did and what they cost: one sample a minute,
 * of the last day, for the status page's plots. Of one size, in memory and in a file of the state directory, so that a
 * restart leaves a gap of as long as it takes. The numbers are shown and nothing is decided by them. */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <string.h>
#include <sys/stat.h>

#include "core/base/io.h"
#include "core/base/mem.h"
#include "core/base/str.h"
#include "core/supervisor/describe.h"
#include "core/supervisor/web_page.h"

#define LOG_TOPIC "web"
#include "core/base/log.h"

#define SAMPLES (24 * 60)
#define SAMPLE_EVERY_MS 60000
#define DAY_MS ((int64_t) SAMPLES * SAMPLE_EVERY_MS)
#define FILE_NAME "history"

enum {
    COUNT_WAITING,
    COUNT_BUSY,
    COUNT_READY,
    COUNT_CREATING,
    COUNT_DRAINING,
    COUNT_REMOVING,
    COUNT_UNHEALTHY,
    COUNTS
};
/* The states by the names that describe_condition() gives them. */
static const char *const names[COUNTS] = { "waiting",  "busy",     "ready",    "creating",
                                           "draining", "removing", "unhealthy" };

struct sample {
    int64_t at_ms, price_micros;
    uint32_t counts[COUNTS];
};

/* Each minute of a day has its place, in memory and in the file: a sample is written over the one of a day before. */
struct web_history {
    struct sample samples[SAMPLES];
    int64_t last_ms;
    int fd; /* -1 = they are kept in memory alone */
};

static size_t place_of(int64_t at_ms)
{
    return (size_t) (at_ms / SAMPLE_EVERY_MS) % SAMPLES;
}

/* What is there but of another size is of another version: then all begin anew. */
static int open_file(int dir_fd, size_t size)
{
    autoclose int fd = openat(dir_fd, FILE_NAME, O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
    struct stat st;

    if (fd < 0 || fstat(fd, &st) < 0)
        return -1;
    if (st.st_size != (off_t) size && (ftruncate(fd, 0) < 0 || ftruncate(fd, (off_t) size) < 0))
        return -1;
    return take_fd(&fd);
}

static void load(struct web_history *history, int64_t now_ms)
{
    if (io_pread(history->fd, history->samples, sizeof(history->samples), 0) !=
        (ssize_t) sizeof(history->samples))
        memset(history->samples, 0, sizeof(history->samples));
    for (size_t i = 0; i < SAMPLES; i++) {
        struct sample *sample = &history->samples[i];

        if (sample->at_ms > now_ms || sample->at_ms < 0 || place_of(sample->at_ms) != i)
            *sample = (struct sample) { 0 };
        history->last_ms = MAX(history->last_ms, sample->at_ms);
    }
}

struct web_history *web_history_new(int dir_fd, int64_t now_ms)
{
    struct web_history *history = mem_zero(sizeof(*history));

    if (!history)
        return NULL;
    history->fd = open_file(dir_fd, sizeof(history->samples));
    if (history->fd >= 0)
        load(history, now_ms);
    else
        log_warning("the status page's samples can't be kept in a file: %s, ignoring",
                    strerror(errno));
    return history;
}

void web_history_free(struct web_history *history)
{
    if (history && history->fd >= 0)
        (void) close(history->fd);
    free(history);
}

int64_t web_history_last_ms(const struct web_history *history)
{
    return history->last_ms;
}

/* What is held takes no new jobs, as what is draining. Between states, when it has no name of ours, it is being made or
 * comes back. */
static size_t index_of(const char *condition)
{
    if (str_eq(condition, "held"))
        return COUNT_DRAINING;
    for (size_t i = COUNT_BUSY; i < COUNTS; i++)
        if (str_eq(names[i], condition))
            return i;
    return COUNT_CREATING;
}

static void count_group(const struct group *group, struct sample *sample)
{
    sample->price_micros += describe_price_micros(group);
    for (size_t i = 0; i < fleet_instance_count(group->fleet); i++) {
        const struct fleet_instance *instance = fleet_instance_at(group->fleet, i);

        if (instance->cause != CAUSE_FOREIGN)
            sample->counts[index_of(describe_condition(instance))]++;
    }
}

void web_history_turn(struct web_history *history, const struct supervisor *supervisor)
{
    int64_t now = now_wall(supervisor);
    size_t place = place_of(now);
    struct sample *sample = &history->samples[place];

    if (now / SAMPLE_EVERY_MS == history->last_ms / SAMPLE_EVERY_MS)
        return;
    *sample = (struct sample) { .at_ms = now };
    for (size_t i = 0; i < supervisor->n_groups; i++)
        count_group(supervisor->groups[i], sample);
    for (const struct job *job = supervisor->jobs; job; job = job->next)
        sample->counts[COUNT_WAITING] += job->state < JOB_ASSIGNED;
    history->last_ms = now;
    /* One that does not fit on a full disk is missing after the next start, and nothing else is. */
    if (history->fd >= 0 &&
        io_pwrite(history->fd, sample, sizeof(*sample), (off_t) (place * sizeof(*sample))) !=
            (ssize_t) sizeof(*sample))
        log_debug("a sample of the status page could not be written");
}

static void add_row(const struct sample *sample, struct buf *out)
{
    buf_addf(out, "[%" PRId64, sample->at_ms);
    for (size_t i = 0; i < COUNTS; i++)
        buf_addf(out, ",%" PRIu32, sample->counts[i]);
    buf_addf(out, ",%" PRId64 "]", sample->price_micros);
}

void web_history_format(const struct web_history *history, int64_t after_ms, struct buf *out)
{
    bool first = true;

    buf_add_str(out, "{\"columns\":[\"at\"");
    for (size_t i = 0; i < COUNTS; i++)
        buf_addf(out, ",\"%s\"", names[i]);
    buf_add_str(out, ",\"price\"],\"rows\":[");
    for (size_t i = 1; i <= SAMPLES; i++) {
        const struct sample *sample = &history->samples[(place_of(history->last_ms) + i) % SAMPLES];

        if (sample->at_ms <= after_ms || sample->at_ms <= history->last_ms - DAY_MS)
            continue;
        buf_add_str(out, first ? "" : ",");
        add_row(sample, out);
        first = false;
    }
    buf_add_str(out, "]}");
}
