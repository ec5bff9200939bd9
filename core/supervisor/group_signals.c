/* core/supervisor/group_signals.c - what the cloud says beside its lists: instances that it is going to
 * take, and growth that it accepted and does not deliver (sdk-abi.md 2, 9). And what jobs are told of
 * instances that go.
 *
 * The provider is asked before each list, so that nothing is put on an instance that goes; after a
 * failure only behind one, and never beside another call: a plugin that falls at this one takes with it
 * what waits, and the lists must go on. A signal is a plugin's word: one about what nobody knows, or one
 * that comes again, changes nothing. */
#include "core/supervisor/group_parts.h"

#include <flotilla/provider.h>
#include <inttypes.h>
#include <stdlib.h>

#include "core/base/json.h"
#include "core/base/str.h"

#define LOG_TOPIC "group"
#include "core/base/log.h"

#define SIGNALS_DEADLINE_MS 30000
#define NEWS_MS 10000 /* a time that moves by less is the same notice */

static void warn_jobs(struct group *group, const char *id, enum job_going going, int64_t at_ms)
{
    for (struct job *job = group->supervisor->jobs; job; job = job->next)
        if (job->group == group && job->state >= JOB_ASSIGNED && job->state < JOB_FINISHED &&
            str_eq(job->instance_id, id))
            job_instance_going(job, going, at_ms);
}

const char *group_loss_text(const struct fleet_instance *instance, enum fleet_reason reason)
{
    return instance->draining == REASON_INTERRUPTED ? "the cloud took it, as it had announced"
                                                    : fleet_reason_text(reason);
}

void group_instance_deleting(struct group *group, const struct fleet_instance *instance)
{
    if (instance->state != INSTANCE_DELETING || instance->removing)
        return;
    log_warning("instance %s of runner '%s' is deleted by the cloud: it gets no jobs any more",
                instance->id, group->runner->name);
    warn_jobs(group, instance->id, GOING_DELETING, 0);
}

struct signal {
    const char *instance, *text;
    int64_t code, at_ms; /* wall clock, 0 = now */
};

static void log_interruption(const struct group *group, const struct signal *signal)
{
    int64_t left_ms = signal->at_ms - clock_wall_ms(&clock_system);
    autobuf struct buf when = BUF_INIT;

    if (signal->at_ms == 0 || left_ms <= 0)
        buf_add_str(&when, "now");
    else {
        buf_add_str(&when, "in ");
        format_duration(&when, left_ms / 1000 * 1000);
    }
    log_warning("instance %s of runner '%s': the cloud takes it %s, it gets no jobs any more%s%s",
                signal->instance, group->runner->name, buf_str(&when), *signal->text ? ": " : "",
                signal->text);
}

static void take_interruption(struct group *group, const struct signal *signal)
{
    const struct fleet_instance *instance = fleet_find(group->fleet, signal->instance);
    bool known;

    if (!instance || instance->cause == CAUSE_FOREIGN)
        return;
    known = instance->draining == REASON_INTERRUPTED &&
            llabs(instance->interrupted_ms - signal->at_ms) < NEWS_MS;
    if (fleet_drain(group->fleet, signal->instance, REASON_INTERRUPTED, signal->at_ms) && !known)
        log_interruption(group, signal);
    warn_jobs(group, signal->instance, GOING_INTERRUPTED, signal->at_ms);
}

/* A failure that is over is told by its time, and counts once; without one it holds as long as it is
 * told. */
static void take_growth_failure(struct group *group, const struct signal *signal)
{
    const char *text = *signal->text ? signal->text : "the cloud says that growth fails";
    int64_t now_ms = clock_wall_ms(&clock_system), at_ms = MIN(signal->at_ms, now_ms);
    bool fresh;

    if (group->signals.growth_at_ms > now_ms)
        group->signals.growth_at_ms = 0; /* the clock was set back: nobody knows which was first */
    fresh = at_ms == 0 || at_ms > group->signals.growth_at_ms;
    group->signals.growth_at_ms = MAX(group->signals.growth_at_ms, at_ms);
    if (fresh)
        fleet_growth_failed(group->fleet, GROWTH_QUOTA, now_wall(group->supervisor), 0);
    if (str_cut(group->signals.growth, sizeof(group->signals.growth), text))
        log_error("increasing instances: runner '%s': %s", group->runner->name, text);
}

static bool read_signal(json_t *item, struct signal *ret)
{
    *ret = (struct signal) { .text = "" };
    return json_need_i64(item, "code", INT32_MIN, INT32_MAX, &ret->code, NULL) == 0 &&
           json_opt_i64(item, "at_ms", 0, INT64_MAX, &ret->at_ms, NULL) == 0 &&
           json_opt_str(item, "instance", &ret->instance, NULL) == 0 &&
           json_opt_str(item, "text", &ret->text, NULL) == 0;
}

static void take_signals(struct group *group, json_t *reply, bool complete)
{
    json_t *array = NULL;
    bool growth_fails = false;
    size_t n;

    (void) json_opt_array(reply, "signals", &array, NULL);
    n = array ? json_object_array_length(array) : 0;
    for (size_t i = 0; i < n; i++) {
        struct signal signal;

        if (!read_signal(json_object_array_get_idx(array, i), &signal))
            continue;
        if (signal.code == FLT_E_UNHEALTHY && signal.instance)
            take_interruption(group, &signal);
        else if (signal.code == FLT_E_QUOTA && !signal.instance && !growth_fails) {
            growth_fails = true;
            take_growth_failure(group, &signal);
        }
    }
    if (complete && !growth_fails)
        group->signals.growth[0] = '\0';
}

static void note_error(struct group *group, const char *message)
{
    if (str_cut(group->signals.error, sizeof(group->signals.error), message) && *message)
        log_error("runner '%s': asking for the cloud's signals: %s, retrying", group->runner->name,
                  message);
}

static void on_signals(void *arg, int code, const char *message, int64_t retry_after_ms,
                       json_t *reply)
{
    struct group *group = arg;
    bool answered = reply && (code == 0 || code == FLT_E_PARTIAL);
    int64_t pause;

    group->signals.busy = false;
    if (!group->provider)
        return; /* closed for good */
    note_error(group, code == 0 ? "" : message);
    if (answered)
        take_signals(group, reply, code == 0);
    group->signals.backoff_ms = answered ? 0 : group_back_off(group->signals.backoff_ms);
    group->signals.after_list = !answered;
    pause = answered ? group_list_interval(group) : group->signals.backoff_ms;
    group->signals.next_mono = now_mono(group->supervisor) + MAX(retry_after_ms, pause);
    supervisor_evaluate_soon(group->supervisor);
}

void group_start_signals(struct group *group)
{
    int64_t now = now_mono(group->supervisor);

    if (!group->signals.supported || group->signals.busy || group->signals.after_list ||
        group->list_busy || group->increase_busy || group->decrease_busy)
        return;
    if (!group->signals.backoff_ms)
        group->signals.next_mono = MIN(group->signals.next_mono, now + group_list_interval(group));
    if (now < group->signals.next_mono)
        return;
    group->signals.busy =
        group_call(group, json_frame("signals"), SIGNALS_DEADLINE_MS, on_signals, group) == 0;
}
