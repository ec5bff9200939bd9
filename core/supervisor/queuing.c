/* core/supervisor/queuing.c - see queuing.h. */
#include "core/supervisor/queuing.h"

#include <errno.h>
#include <string.h>

#include "core/base/mem.h"
#include "core/base/regex.h"
#include "core/base/str.h"
#include "core/fleet/schedule.h"

/* Counts are a few letters, "12" or "+Inf", and the event loop waits for the answer. */
#define RUNNING_MAX 64
#define STEPS_MAX 10000

struct limit {
    struct schedule schedule;
    struct regex *running; /* NULL = whatever it is */
    int64_t threshold_ms;
};
struct queuing {
    struct limit *items;
    size_t count;
};

static int compile(const struct config_queuing *given, struct limit *ret, struct error *err)
{
    struct error why = { 0 };
    int r = schedule_load(&ret->schedule, given->periods, given->n_periods, given->timezone,
                          period_parse_long, err);

    ret->threshold_ms = given->threshold_ms;
    if (r < 0 || str_empty(given->running))
        return r;
    r = regex_new(given->running, strlen(given->running), "", &ret->running, &why);
    return r < 0 ? error_set(err, r, "jobs_running_for_project is %s", why.message) : 0;
}

int queuing_new(const struct config_monitoring *monitoring, struct queuing **ret, struct error *err)
{
    auto_ptr(queuing_free) struct queuing *queuing = mem_zero(sizeof(*queuing));
    int r;

    if (queuing)
        queuing->items = mem_array(monitoring->n_queuing + 1, sizeof(*queuing->items));
    if (!queuing || !queuing->items)
        return error_set(err, -ENOMEM, "job_queuing_durations: out of memory");
    while (queuing->count < monitoring->n_queuing) {
        size_t i = queuing->count++; /* also when it fails: it is freed as far as it came */

        r = compile(&monitoring->queuing[i], &queuing->items[i], err);
        if (r < 0)
            return error_wrap(err, r, "job_queuing_durations[%zu]", i);
    }
    *ret = take_ptr(queuing);
    return 0;
}

void queuing_free(struct queuing *queuing)
{
    if (!queuing)
        return;
    for (size_t i = 0; i < queuing->count && queuing->items; i++) {
        schedule_done(&queuing->items[i].schedule);
        regex_free(queuing->items[i].running);
    }
    free(queuing->items);
    free(queuing);
}

/* Without periods a policy holds always; one of these never does, as with GitLab Runner. */
static bool holds(const struct limit *limit, int64_t now_s)
{
    return limit->schedule.n_periods > 0 && schedule_holds(&limit->schedule, now_s);
}

size_t queuing_at(const struct queuing *queuing, int64_t wall_ms)
{
    int64_t now_s = schedule_second(wall_ms);

    for (size_t i = queuing->count; i > 0; i--)
        if (holds(&queuing->items[i - 1], now_s))
            return i - 1;
    return QUEUING_NONE;
}

int queuing_exceeded(const struct queuing *queuing, int64_t wall_ms, double waited_s,
                     const char *running, struct error *err)
{
    size_t at = queuing_at(queuing, wall_ms);
    const struct limit *limit = at == QUEUING_NONE ? NULL : &queuing->items[at];
    int r = 1;

    if (!limit || limit->threshold_ms == 0 || waited_s * 1000 <= (double) limit->threshold_ms)
        return 0;
    if (limit->running && strlen(running) > RUNNING_MAX)
        r = error_set(err, -EINVAL, "a count of jobs is longer than %d bytes", RUNNING_MAX);
    else if (limit->running)
        r = regex_match(limit->running, running, STEPS_MAX, err);
    return r < 0 ? error_wrap(err, r, "jobs_running_for_project of job_queuing_durations[%zu]", at)
                 : r;
}
