/* core/supervisor/groups.c - the set of the supervisor's groups: one for each [[runners]] entry, and those
 * of former entries that have jobs or instances to see to.
 *
 * Jobs, providers and requests hold pointers to their group, so it stays where it is however many
 * come and go. */
#include "core/supervisor/group_parts.h"

#include <errno.h>

#include "core/base/mem.h"
#include "core/base/str.h"

#define LOG_TOPIC "group"
#include "core/base/log.h"

#define PROVIDER_GRACE_MS 2000

int groups_add(struct supervisor *supervisor, const struct config_runner *runner, struct error *err)
{
    struct group **grown =
        mem_resize(supervisor->groups, supervisor->n_groups + 1, sizeof(struct group *));
    struct group *group;

    if (!grown)
        return error_set(err, -ENOMEM, "groups: out of memory");
    supervisor->groups = grown;
    group = mem_zero(sizeof(*group));
    if (!group)
        return error_set(err, -ENOMEM, "groups: out of memory");
    grown[supervisor->n_groups++] = group; /* also when it fails: its provider may run already */
    return group_init(group, supervisor, runner, err);
}

struct group *groups_find(const struct supervisor *supervisor, const struct config_runner *runner)
{
    autofree char *key = config_group_key(runner);

    for (size_t i = 0; i < supervisor->n_groups; i++)
        if (str_eq(key, supervisor->groups[i]->ledger_key) && !supervisor->groups[i]->closing)
            return supervisor->groups[i];
    return NULL;
}

static bool has_jobs(const struct group *group)
{
    const struct job *job = group->supervisor->jobs;

    while (job && job->group != group)
        job = job->next;
    return job != NULL;
}

/* Another group's instances are that group's to see to. */
static bool is_over(const struct group *group)
{
    struct fleet_numbers n;

    fleet_count(group->fleet, &n);
    return !has_jobs(group) && n.instances == n.foreign && n.pending == 0 && !*group->increase_id &&
           !group->list_busy && !group->increase_busy && !group->decrease_busy;
}

static void drop(struct group *group)
{
    struct supervisor *supervisor = group->supervisor;
    size_t i = 0;

    while (supervisor->groups[i] != group)
        i++;
    for (supervisor->n_groups--; i < supervisor->n_groups; i++)
        supervisor->groups[i] = supervisor->groups[i + 1];
    group_done(group);
    free(group);
    supervisor_evaluate_soon(supervisor); /* an entry may wait for its instance group */
}

static void on_left(void *arg)
{
    struct group *group = arg;
    struct supervisor *supervisor = group->supervisor;

    group_log_stopped(group);
    supervisor->providers_closing--;
    if (!supervisor->closing)
        drop(group);
    else if (supervisor->providers_closing == 0)
        supervisor_finish_stopping(supervisor);
}

/* Late answers change nothing any more. */
static void close_provider(struct group *group)
{
    struct provider_client *provider = take_ptr(group->provider);

    group_end_probes(group);
    group->usable = false;
    group->supervisor->providers_closing++;
    provider_client_close(provider, PROVIDER_GRACE_MS, on_left, group);
}

void groups_reap(struct supervisor *supervisor)
{
    for (size_t i = supervisor->n_groups; i-- > 0;) {
        struct group *group = supervisor->groups[i];

        if (!group->leaving || group->closing || !is_over(group))
            continue;
        log_notice("runner '%s' has left: its last job has ended and its last instance is gone",
                   group->runner->name);
        group->closing = true;
        if (group->provider)
            close_provider(group);
        else
            drop(group);
    }
}

void groups_close(struct supervisor *supervisor)
{
    for (size_t i = 0; i < supervisor->n_groups; i++)
        if (supervisor->groups[i]->provider)
            close_provider(supervisor->groups[i]);
}

void groups_free(struct supervisor *supervisor)
{
    for (size_t i = 0; i < supervisor->n_groups; i++) {
        group_done(supervisor->groups[i]);
        free(supervisor->groups[i]);
    }
    free(supervisor->groups);
    supervisor->groups = NULL;
    supervisor->n_groups = 0;
}
