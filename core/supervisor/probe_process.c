/* core/supervisor/probe_process.c - the process of a probe (core/job/probe_worker.c): what it is told, and what it tells.
 * See probe.h. */
#include <errno.h>
#include <sys/socket.h>

#include "core/base/frame.h"
#include "core/base/str.h"
#include "core/plugin/plugin.h"
#include "core/supervisor/probe.h"
#include "core/supervisor/standby.h"

#define LOG_TOPIC "group"
#include "core/base/log.h"

#define KILL_GRACE_S 30 /* that it may need beyond its own time before the kernel ends it */

static bool looks_for_vms(const struct probe *probe)
{
    return probe->kind == PROBE_GATE && group_is_isolated(probe->group);
}

/* Once: an instance that is still setting itself up fails often, and one that never will is removed only
 * when the connector's timeout is over. */
static void note_failing(struct probe *probe, const char *message)
{
    (void) str_cut(probe->trouble, sizeof(probe->trouble), message);
    if (probe->failing_told)
        return;
    probe->failing_told = true;
    log_info("instance %s of runner '%s' is not ready yet: ready command: %s, trying again",
             probe->instance, probe->group->runner->name, probe->trouble);
}

/* It goes on with its connection, should it be of use still. */
static void keep_process(struct probe *probe)
{
    const struct standby_process process = { .channel = probe->channel,
                                             .tag = -probe->number,
                                             .pid = probe->pid };

    if (probe->wait_s == 0 || probe->pid == 0 ||
        probe->standby_round != probe->group->supervisor->standby_round)
        return;
    probe->channel = NULL;
    standby_add(probe->group, probe->instance, &process);
}

/* The probe's word: it is shown, and nothing else is done by it. */
static void note_removed(const struct probe *probe, json_t *frame)
{
    const char *vm = "";

    (void) json_opt_str(frame, "vm", &vm, NULL);
    if (plugin_id_valid(vm))
        log_notice("instance %s of runner '%s': VM %s was there and no job has it, removed",
                   probe->instance, probe->group->runner->name, vm);
}

/* No instance is to blame, and the next one would say the same. */
static void take_unable(struct probe *probe, const char *message)
{
    group_isolation_unable(probe->group, message);
    probe_conclude(probe, VERDICT_NONE, message);
}

static void on_probe_frame(void *arg, json_t *frame)
{
    struct probe *probe = arg;
    const char *type = "", *message = "";

    (void) json_opt_str(frame, "type", &type, NULL);
    (void) json_opt_str(frame, "message", &message, NULL);
    if (str_eq(type, "host_key"))
        worker_answer_host_key(probe->group, probe->instance, probe->channel, frame);
    else if (str_eq(type, "failing"))
        note_failing(probe, message);
    else if (str_eq(type, "removed"))
        note_removed(probe, frame);
    else if (str_eq(type, "unable"))
        take_unable(probe, message);
    else if (str_eq(type, "passed")) {
        keep_process(probe);
        probe_conclude(probe, VERDICT_GOOD, "");
    } else if (str_eq(type, "failed"))
        probe_conclude(probe, VERDICT_BAD, message);
    else
        probe_try_again(probe, PROBE_AGAIN_MS, VERDICT_NONE, "its probe sent an unknown frame");
}

/* Without a verdict. The spawner says how it ended, if it still can. */
static void on_probe_closed(void *arg, const char *why)
{
    struct probe *probe = arg;

    (void) why;
    probe->channel = NULL;
    probe_try_again(probe, PROBE_AGAIN_MS, VERDICT_NONE, "its probe ended without a verdict");
}

/* It makes an instance fit for its first job: beside jobs, and between two, it would only disturb. */
static const char *command_of(const struct probe *probe)
{
    const char *command = group_settings(probe->group)->instance_ready_command;
    const struct fleet_instance *instance = fleet_find(probe->group->fleet, probe->instance);
    bool first = probe->kind == PROBE_GATE && instance && !instance->in_doubt &&
                 instance_busy(instance) == 0;

    return first && !str_empty(command) ? command : "exit 0";
}

static json_t *build_start(const struct probe *probe, json_t *connect, int64_t timeout_ms)
{
    const struct config_runner *runner = probe->group->runner;
    json_t *start = json_frame("start");

    (void) json_add_str(start, "command", command_of(probe));
    if (looks_for_vms(probe))
        (void) json_add(start, "isolation",
                        group_isolation_for_gate(probe->group, probe->instance));
    (void) json_add_i64(start, "timeout_ms", timeout_ms);
    (void) json_add_i64(start, "wait_s", probe->wait_s);
    if (runner->output_limit_kib > 0)
        (void) json_add_i64(start, "output_limit", runner->output_limit_kib * 1024);
    (void) json_add(start, "connect", json_object_get(connect));
    return start;
}

int probe_start_process(struct probe *probe, json_t *connect, struct error *err)
{
    struct supervisor *supervisor = probe->group->supervisor;
    int64_t timeout_ms = MAX(probe->due_mono - now_mono(supervisor), (int64_t) PROBE_AGAIN_MS);
    autojson json_t *start = NULL;
    autoclose int ours = -1, theirs = -1;
    int fds[2];
    int r;

    probe->pid = 0;
    probe->wait_s = standby_wait_s(probe->group);
    probe->standby_round = supervisor->standby_round;
    start = build_start(probe, connect, timeout_ms);
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) < 0)
        return error_errno(err, -errno, "probe: socketpair");
    ours = fds[0];
    theirs = fds[1];
    r = spawner_probe(supervisor->spawner, -probe->number, theirs, timeout_ms / 1000 + KILL_GRACE_S,
                      looks_for_vms(probe) ? group_isolation_file(probe->group) : NULL, err);
    if (r == 0)
        r = channel_open(supervisor->loop, take_fd(&ours), FRAME_MAX_OPERATOR, on_probe_frame,
                         on_probe_closed, probe, &probe->channel, err);
    if (r < 0)
        return r;
    channel_send_secret(probe->channel, start, FRAME_MAX_START);
    return 0;
}

static struct probe *probe_with_tag(struct supervisor *supervisor, int64_t tag)
{
    struct probe *probe = NULL;

    for (size_t i = 0; i < supervisor->n_groups && !probe; i++)
        probe = group_find_probe(supervisor->groups[i], -tag);
    return probe;
}

void probe_on_spawned(struct supervisor *supervisor, int64_t tag, int64_t pid, const char *failure)
{
    struct probe *probe = probe_with_tag(supervisor, tag);

    if (probe)
        probe->pid = pid;
    if (probe && failure)
        probe_try_again(probe, PROBE_AGAIN_MS, VERDICT_NONE, failure);
}

/* An instance that does that to its probes is replaced as one that does it to its jobs' workers. */
void probe_on_exited(struct supervisor *supervisor, int64_t tag, int status, int signal)
{
    struct probe *probe = probe_with_tag(supervisor, tag);

    if (signal == 0 && status == 0)
        return;
    log_warning("a probe%s%s ended with %s %d", probe ? " of instance " : "",
                probe ? probe->instance : "", signal != 0 ? "signal" : "status",
                signal != 0 ? signal : status);
    if (probe && signal != 0)
        group_worker_crashed(probe->group, probe->instance);
}
