/* core/supervisor/standby.c - processes that wait for a job with a connection to its instance: those of probes
 * that have passed (group_probes.c). The instance's next job goes to it (worker_start.c), so that it needs no
 * second connection (architecture.md 2).
 *
 * One that goes costs nothing: the job gets an ordinary worker. So they are ended freely: when their instance
 * goes, when they are too many, when descriptors are short, when a reload may have changed what they were
 * made with, and when a worker was killed by a signal, because forks of one spawner share their address
 * layout. */
#include "core/supervisor/standby.h"
#include "core/base/frame.h"
#include "core/base/mem.h"
#include "core/base/str.h"

#define LOG_TOPIC "worker"
#include "core/base/log.h"

/* 0.3 MiB each, and an sshd on the instance. */
#define AT_ONCE 64
#define WAIT_MS (30 * 60 * 1000)
#define EXIT_WORD_MS 5000

struct standby {
    struct standby *next; /* an older one */
    struct group *group;
    char instance[256];
    struct standby_process process; /* its channel is NULL once it has ended, */
    int64_t forget_at_mono;         /* until the spawner has said how */
};

int64_t standby_wait_s(const struct group *group)
{
    return group->runner->autoscaler.vm_isolation.enabled
               ? 0
               : fault_limit_ms("standby", WAIT_MS) / 1000;
}

/* Its process sees the end of its link and ends. */
static void end_at(struct standby **at)
{
    struct standby *standby = *at;

    *at = standby->next;
    channel_close(standby->process.channel);
    free(standby);
}

/* Nothing but a process that wants to end has something to say. */
static void on_frame(void *arg, json_t *frame)
{
    struct standby *standby = arg;

    (void) frame;
    channel_close(standby->process.channel);
    standby->process.channel = NULL;
}

static void on_closed(void *arg, const char *why)
{
    struct standby *standby = arg;

    (void) why;
    standby->process.channel = NULL;
    standby->forget_at_mono = now_mono(standby->group->supervisor) + EXIT_WORD_MS;
}

/* NULL when there is none, or it has ended. */
static struct standby **find(const struct group *group, const char *instance)
{
    struct standby **at = &group->supervisor->standbys;

    while (*at &&
           !((*at)->group == group && (*at)->process.channel && str_eq((*at)->instance, instance)))
        at = &(*at)->next;
    return *at ? at : NULL;
}

static void keep_newest(struct supervisor *supervisor, int64_t n)
{
    struct standby **at = &supervisor->standbys;

    for (; *at && n > 0; n--)
        at = &(*at)->next;
    while (*at)
        end_at(at);
}

void standby_add(struct group *group, const char *instance, const struct standby_process *process)
{
    struct supervisor *supervisor = group->supervisor;
    struct standby **former = find(group, instance);
    struct standby *standby = mem_zero(sizeof(*standby));

    if (former)
        end_at(former);
    if (!standby) {
        channel_close(process->channel);
        return;
    }
    standby->group = group;
    standby->process = *process;
    (void) str_copy(standby->instance, sizeof(standby->instance), instance);
    standby->next = supervisor->standbys;
    supervisor->standbys = standby;
    channel_set_owner(process->channel, FRAME_MAX_OPERATOR, on_frame, on_closed, standby);
    keep_newest(supervisor, fault_limit_ms("standbys", AT_ONCE));
}

bool standby_take(struct group *group, const char *instance, struct standby_process *ret)
{
    struct standby **at = find(group, instance);

    if (!at)
        return false;
    *ret = (*at)->process;
    (*at)->process.channel = NULL;
    end_at(at);
    return true;
}

static bool is_pointless(const struct standby *standby)
{
    const struct fleet_instance *instance = fleet_find(standby->group->fleet, standby->instance);

    if (!standby->process.channel)
        return now_mono(standby->group->supervisor) >= standby->forget_at_mono;
    return !instance || instance->removing || instance->state != INSTANCE_RUNNING ||
           standby->group->supervisor->descriptors_short;
}

void standby_tick(struct supervisor *supervisor)
{
    for (struct standby **at = &supervisor->standbys; *at;) {
        if (is_pointless(*at))
            end_at(at);
        else
            at = &(*at)->next;
    }
}

void standby_end_group(const struct group *group)
{
    for (struct standby **at = &group->supervisor->standbys; *at;) {
        if ((*at)->group == group)
            end_at(at);
        else
            at = &(*at)->next;
    }
}

void standby_end_all(struct supervisor *supervisor)
{
    supervisor->standby_round++;
    keep_newest(supervisor, 0);
}

bool standby_on_exited(struct supervisor *supervisor, int64_t tag, int signal)
{
    struct standby **at = &supervisor->standbys;

    while (*at && (*at)->process.tag != tag)
        at = &(*at)->next;
    if (!*at)
        return false;
    if (signal != 0) {
        log_warning("a process that waited for a job on instance %s was killed by signal %d",
                    (*at)->instance, signal);
        group_worker_crashed((*at)->group, (*at)->instance);
    }
    end_at(at);
    return true;
}
