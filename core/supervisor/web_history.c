/* core/supervisor/web_history.c - how many jobs waited, what the instances did and what they cost: one sample a minute,
 * of the last day, for the status page's plots. Of one size, and gone with the process: the page says from when on
 * there are any. */
#include <inttypes.h>
#include <string.h>

#include "core/base/mem.h"
#include "core/base/str.h"
#include "core/supervisor/describe.h"
#include "core/supervisor/web_page.h"

#define SAMPLES (24 * 60)
#define SAMPLE_EVERY_MS 60000

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

struct web_history {
    struct sample samples[SAMPLES];
    size_t n, next; /* `next`: where the next one goes */
};

struct web_history *web_history_new(void)
{
    return mem_zero(sizeof(struct web_history));
}

void web_history_free(struct web_history *history)
{
    free(history);
}

int64_t web_history_last_ms(const struct web_history *history)
{
    return history->n > 0 ? history->samples[(history->next + SAMPLES - 1) % SAMPLES].at_ms : 0;
}

/* Between states, when it has no name of ours, it is being made or comes back. */
static size_t index_of(const char *condition)
{
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
    struct sample *sample = &history->samples[history->next];
    int64_t now = now_wall(supervisor);

    if (history->n > 0 && now - web_history_last_ms(history) < SAMPLE_EVERY_MS)
        return;
    *sample = (struct sample) { .at_ms = now };
    for (size_t i = 0; i < supervisor->n_groups; i++)
        count_group(supervisor->groups[i], sample);
    for (const struct job *job = supervisor->jobs; job; job = job->next)
        sample->counts[COUNT_WAITING] += job->state < JOB_ASSIGNED;
    history->next = (history->next + 1) % SAMPLES;
    history->n = MIN(history->n + 1, (size_t) SAMPLES);
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
    for (size_t i = 0; i < history->n; i++) {
        const struct sample *sample =
            &history->samples[(history->next + SAMPLES - history->n + i) % SAMPLES];

        if (sample->at_ms <= after_ms)
            continue;
        buf_add_str(out, first ? "" : ",");
        add_row(sample, out);
        first = false;
    }
    buf_add_str(out, "]}");
}
