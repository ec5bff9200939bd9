/* core/supervisor/groups.c - the set of the supervisor's groups: one for each [[runners]] entry.
 *
 * Jobs, providers and requests hold pointers to their group, so it stays where it is however many
 * come and go. */
#include "core/supervisor/internal.h"

#include <errno.h>

#include "core/base/mem.h"

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
