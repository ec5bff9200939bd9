/* core/supervisor/group_probes.c - the ready gate and heartbeats of a group: one probe is a question to
 * the provider how to reach an instance, and a process of the spawner's that runs a command there
 * (probe_process.c; autoscaler.md 9).
 *
 * A probe ends in a verdict, or in none when it was not the instance that failed; then it is due again.
 * group_run_probes() begins what is due at each evaluation. What a verdict means for growth is in
 * group_boots.c. */
#include <flotilla/provider.h>
#include <inttypes.h>

#include "core/base/json.h"
#include "core/base/mem.h"
#include "core/base/str.h"
#include "core/supervisor/connector.h"
#include "core/supervisor/probe.h"
#include "core/supervisor/standby.h"
#include "core/supervisor/strangers.h"

#define LOG_TOPIC "group"
#include "core/base/log.h"

/* Of each kind in a group: gates that hang must not keep jobs from instances that are ready. */
#define AT_ONCE 32
#define GRACE_MS 15000 /* that a process may need beyond its own time before it is given up */
/* An instance that was ready is not waited for as one that boots. */
#define HEARTBEAT_MS 30000

static struct probe *find_probe(const struct group *group, const char *instance)
{
    struct probe *probe = group->probes;

    while (probe && !str_eq(probe->instance, instance))
        probe = probe->next;
    return probe;
}

struct probe *group_find_probe(const struct group *group, int64_t number)
{
    struct probe *probe = group->probes;

    while (probe && probe->number != number)
        probe = probe->next;
    return probe;
}

static size_t count_probes(const struct group *group, enum probe_kind kind)
{
    size_t n = 0;

    for (const struct probe *probe = group->probes; probe; probe = probe->next)
        n += probe->kind == kind;
    return n;
}

/* Its process sees the end of its link and ends. */
static void end_probe(struct probe *probe)
{
    struct probe **at = &probe->group->probes;

    while (*at != probe)
        at = &(*at)->next;
    *at = probe->next;
    channel_close(probe->channel);
    free(probe);
}

static void mark_ready(struct group *group, const struct fleet_instance *instance)
{
    fleet_mark_ready(group->fleet, instance->id, now_wall(group->supervisor));
    group_persist(group, instance, LIFE_PRESENT);
    group_boot_succeeded(group);
    supervisor_emit(group->supervisor, EVENT_INSTANCE_READY, group, instance->id, NULL, "");
}

static void fail_gate(struct group *group, const struct fleet_instance *instance, const char *why)
{
    autobuf struct buf text = BUF_INIT;

    buf_addf(&text, "%s: %s",
             str_empty(group_settings(group)->instance_ready_command) ? "ready check"
                                                                      : "ready command",
             why);
    log_warning("instance %s of runner '%s' is not ready: %s", instance->id, group->runner->name,
                buf_str(&text));
    if (instance->ready_ms == 0)
        group_boot_failed(group, buf_str(&text));
    group_mark_removing(group, instance->id,
                        instance->in_doubt ? REASON_UNHEALTHY : REASON_NOT_BOOTED);
}

static void note_heartbeat(struct group *group, const struct fleet_instance *instance, bool good,
                           const char *why)
{
    bool was_well = instance->failures == 0;
    bool replace = fleet_note_health(group->fleet, instance->id, good);

    if (!good)
        log_warning("instance %s of runner '%s': heartbeat failed (%u of %" PRId64
                    " in a row that replace it): %s",
                    instance->id, group->runner->name, instance->failures,
                    group_settings(group)->failure_threshold, why);
    else if (!was_well)
        log_notice("instance %s of runner '%s' is well again", instance->id, group->runner->name);
    if (replace)
        group_mark_removing(group, instance->id, REASON_UNHEALTHY);
}

void probe_conclude(struct probe *probe, enum verdict verdict, const char *why)
{
    struct group *group = probe->group;
    const struct fleet_instance *instance = fleet_find(group->fleet, probe->instance);
    bool gate = probe->kind == PROBE_GATE, good = verdict == VERDICT_GOOD;
    autobuf struct buf text = BUF_INIT;

    buf_add_str(&text, why); /* it may be the probe's own */
    end_probe(probe);
    if (!instance)
        return;
    fleet_heartbeat_ended(group->fleet, instance->id, good, now_wall(group->supervisor));
    if (verdict == VERDICT_NONE)
        log_info("instance %s of runner '%s': its probe came to nothing: %s", instance->id,
                 group->runner->name, buf_str(&text));
    else if (!gate)
        note_heartbeat(group, instance, good, buf_str(&text));
    else if (good) {
        log_info("instance %s of runner '%s' is ready", instance->id, group->runner->name);
        group_isolation_works(group);
        mark_ready(group, instance);
    } else
        fail_gate(group, instance, buf_str(&text));
    supervisor_evaluate_soon(group->supervisor);
}

void probe_try_again(struct probe *probe, int64_t pause_ms, enum verdict when_late, const char *why)
{
    int64_t now = now_mono(probe->group->supervisor);

    channel_close(probe->channel);
    probe->channel = NULL;
    (void) str_cut(probe->trouble, sizeof(probe->trouble), why);
    if (now >= probe->due_mono) {
        probe_conclude(probe, when_late, why);
        return;
    }
    probe->when_late = when_late;
    probe->again_at_mono = MIN(now + pause_ms, probe->due_mono);
}

/* The provider's part. */

struct answer_turn {
    struct group *group;
    int64_t number;
};

/* The gate's time begins when there is something to connect to. */
static void wait_for_way(struct probe *probe, int64_t pause_ms, const char *why)
{
    (void) str_cut(probe->trouble, sizeof(probe->trouble), why);
    probe->again_at_mono = now_mono(probe->group->supervisor) + pause_ms;
    probe->due_mono = probe->again_at_mono + probe->limit_ms;
}

static void take_not_yet(struct probe *probe, const struct connect_answer *answer)
{
    int64_t left_ms = probe->patience_mono - now_mono(probe->group->supervisor);

    if (left_ms <= 0) {
        probe_conclude(probe, VERDICT_BAD, answer->why);
        return;
    }
    if (!probe->waiting_told)
        log_info("instance %s of runner '%s': there is nothing to connect to yet: %s",
                 probe->instance, probe->group->runner->name, answer->why);
    probe->waiting_told = true;
    wait_for_way(probe, MIN(answer->pause_ms, left_ms), answer->why);
}

static void take_connect_answer(struct probe *probe, const struct connect_answer *answer)
{
    bool gate = probe->kind == PROBE_GATE;
    struct error err = { 0 };

    if (answer->kind == CONNECT_KNOWN) {
        if (probe_start_process(probe, answer->connect, &err) < 0)
            probe_try_again(probe, PROBE_AGAIN_MS, VERDICT_NONE, err.message);
    } else if (answer->kind == CONNECT_BAD)
        probe_conclude(probe, VERDICT_BAD, answer->why);
    else if (answer->kind == CONNECT_NOT_YET && gate)
        take_not_yet(probe, answer);
    else if (answer->kind != CONNECT_FAILED && gate) /* refused, for all instances */
        wait_for_way(probe, answer->pause_ms, answer->why);
    else
        probe_try_again(probe, answer->pause_ms,
                        answer->kind == CONNECT_NOT_YET ? VERDICT_BAD : VERDICT_NONE, answer->why);
}

static void on_connect_info(void *arg, int code, const char *message, int64_t retry_after_ms,
                            json_t *reply)
{
    autofree struct answer_turn *turn = arg;
    struct probe *probe = group_find_probe(turn->group, turn->number);
    struct connect_answer answer;

    if (!probe)
        return; /* its instance went meanwhile */
    group_read_connect(turn->group, code, message, retry_after_ms, reply, &answer);
    take_connect_answer(probe, &answer);
    json_object_put(answer.connect);
}

/* A negative answer means that `fn` frees nothing: it is not called. */
static void ask(struct probe *probe, const char *type, provider_reply_fn fn)
{
    struct answer_turn *turn = mem_zero(sizeof(*turn));

    probe->again_at_mono = 0;
    if (turn) {
        *turn = (struct answer_turn) { probe->group, probe->number };
        if (group_ask(probe->group, type, probe->instance, fn, turn) == 0)
            return;
    }
    free(turn);
    probe_try_again(probe, PROBE_AGAIN_MS, VERDICT_NONE, "the provider cannot be asked");
}

/* One that could not ask has no opinion: the connection decides. */
static void on_heartbeat(void *arg, int code, const char *message, int64_t retry_after_ms,
                         json_t *reply)
{
    autofree struct answer_turn *turn = arg;
    struct probe *probe = group_find_probe(turn->group, turn->number);

    (void) retry_after_ms;
    (void) reply;
    if (!probe)
        return;
    if (code == FLT_E_UNHEALTHY || code == FLT_E_NOT_FOUND)
        probe_conclude(probe, VERDICT_BAD, message);
    else
        ask(probe, "connect_info", on_connect_info);
}

static void start_probe(struct group *group, enum probe_kind kind, const char *instance)
{
    struct supervisor *supervisor = group->supervisor;
    int64_t limit = group_settings(group)->connector.timeout_ms;
    struct probe *probe = mem_zero(sizeof(*probe));

    if (!probe) {
        fleet_heartbeat_ended(group->fleet, instance, false, now_wall(supervisor));
        return; /* it is due again at the next evaluation */
    }
    if (kind == PROBE_HEARTBEAT)
        limit = MIN(limit, fault_limit_ms("heartbeat_limit", HEARTBEAT_MS));
    probe->group = group;
    probe->number = ++supervisor->last_probe;
    probe->kind = kind;
    probe->limit_ms = limit;
    probe->due_mono = now_mono(supervisor) + limit;
    probe->patience_mono =
        now_mono(supervisor) + connector_patience_ms(&group_settings(group)->connector);
    (void) str_copy(probe->instance, sizeof(probe->instance), instance);
    probe->next = group->probes;
    group->probes = probe;
    if (kind == PROBE_HEARTBEAT)
        ask(probe, "heartbeat", on_heartbeat);
    else
        ask(probe, "connect_info", on_connect_info);
}

/* What is due. */

bool group_is_gated(const struct group *group)
{
    return !str_empty(group_settings(group)->instance_ready_command) ||
           group_settings(group)->flags.set[FF_USE_FLEETING_ACQUIRE_HEARTBEATS] == 1 ||
           group_is_isolated(group);
}

static bool awaits_gate(const struct group *group, const struct fleet_instance *instance)
{
    return instance->draining == REASON_NONE &&
           (instance->cause != CAUSE_PREEXISTED || group_is_isolated(group));
}

/* Whose VMs are whose must be known by then. */
static bool may_be_judged(const struct group *group, const struct fleet_instance *instance)
{
    return !group_is_isolated(group) ||
           (!strangers_awaited(group->supervisor) && !job_may_make_vm_on(group, instance->id));
}

/* A job that runs on it proves as much as the gate would, but for VMs. */
void group_pass_ungated(struct group *group)
{
    const struct fleet_instance *next = fleet_next_unready(group->fleet, NULL), *instance;

    while ((instance = next)) {
        next = fleet_next_unready(group->fleet, instance);
        if (!group_is_gated(group) || (instance_busy(instance) > 0 && !group_is_isolated(group)))
            mark_ready(group, instance);
    }
}

/* A reload may have turned them off. */
static bool is_pointless(const struct probe *probe)
{
    const struct fleet_instance *instance = fleet_find(probe->group->fleet, probe->instance);

    return !group_is_gated(probe->group) || !instance || instance->removing ||
           instance->held_until_ms != 0 || instance->state != INSTANCE_RUNNING ||
           instance->ready == (probe->kind == PROBE_GATE);
}

static void give_up(struct probe *probe)
{
    fleet_heartbeat_ended(probe->group->fleet, probe->instance, false,
                          now_wall(probe->group->supervisor));
    end_probe(probe);
}

static void tick_probe(struct probe *probe)
{
    int64_t now = now_mono(probe->group->supervisor);

    if (is_pointless(probe)) {
        give_up(probe);
    } else if (probe->channel && now >= probe->due_mono + fault_limit_ms("probe_grace", GRACE_MS)) {
        probe_conclude(probe, VERDICT_BAD, "its probe did not end in time");
    } else if (probe->again_at_mono != 0 && now >= probe->again_at_mono) {
        if (now >= probe->due_mono)
            probe_conclude(probe, probe->when_late, probe->trouble);
        else
            ask(probe, "connect_info", on_connect_info);
    }
}

static void start_gates(struct group *group)
{
    const struct fleet_instance *instance = fleet_next_unready(group->fleet, NULL);
    size_t n = count_probes(group, PROBE_GATE);

    for (; instance && n < AT_ONCE; instance = fleet_next_unready(group->fleet, instance)) {
        if (!awaits_gate(group, instance) || !may_be_judged(group, instance) ||
            find_probe(group, instance->id))
            continue;
        start_probe(group, PROBE_GATE, instance->id);
        n++;
    }
}

static void start_heartbeats(struct group *group)
{
    const struct fleet_instance *instance;

    while (count_probes(group, PROBE_HEARTBEAT) < AT_ONCE &&
           (instance = fleet_next_heartbeat(group->fleet, now_wall(group->supervisor))))
        start_probe(group, PROBE_HEARTBEAT, instance->id);
}

void group_run_probes(struct group *group)
{
    struct probe *next;

    for (struct probe *probe = group->probes; probe; probe = next) {
        next = probe->next;
        tick_probe(probe);
    }
    group_pass_ungated(group); /* for what was left over when a reload took the gate away */
    if (!group_is_gated(group) || group->supervisor->descriptors_short)
        return;
    if (!group_isolation_waits(group))
        start_gates(group);
    start_heartbeats(group);
}

void group_restart_gates(struct group *group)
{
    struct probe *next;

    for (struct probe *probe = group->probes; probe; probe = next) {
        next = probe->next;
        if (probe->kind == PROBE_GATE)
            give_up(probe);
    }
}

void group_restart_gate(struct group *group, const char *instance)
{
    struct probe *probe = find_probe(group, instance);

    if (probe && probe->kind == PROBE_GATE)
        give_up(probe);
}

void group_end_probes(struct group *group)
{
    for (struct probe *probe = group->probes, *next; probe; probe = next) {
        next = probe->next;
        end_probe(probe);
    }
    standby_end_group(group);
}

void group_recheck(struct group *group)
{
    for (size_t i = 0; group_is_gated(group) && i < fleet_instance_count(group->fleet); i++) {
        const struct fleet_instance *instance = fleet_instance_at(group->fleet, i);

        if (group_is_isolated(group) && instance_busy(instance) > 0)
            fleet_doubt(group->fleet, instance->id);
        else
            fleet_recheck(group->fleet, instance->id);
    }
}

const char *group_gate_trouble(const struct group *group, const char *instance)
{
    const struct probe *probe = find_probe(group, instance);

    return probe && *probe->trouble ? probe->trouble : NULL;
}
