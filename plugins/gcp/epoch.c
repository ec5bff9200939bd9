/* epoch.c - which manager holds the group: the one that has ordered its instances, as their names say (names.c).
 *
 * Epochs rise with each start of a manager, also over the loss of its ledger. They tell a manager from its own successor,
 * and not from another, which would remove the instances that it does not know with the jobs on them. So a group with
 * instances of another one is left alone until those are gone, or a person says that it may be taken. */

#include "gcp.h"

#include <inttypes.h>
#include <string.h>

#include "sdk/lib/manager.h"

#define REQUEST_MAX 64

struct gcp_orderer epoch_own(struct flt_group *g)
{
    struct gcp_orderer own = { .epoch = g->host->epoch(g->call) };

    names_manager(flt_manager_name(g->host, g->call), own.manager);
    return own;
}

static bool is_none(const struct gcp_orderer *by)
{
    return strcmp(by->manager, GCP_NO_MANAGER) == 0;
}

/* What a tool has ordered is nobody's. */
static bool is_foreign(const struct gcp_orderer *by, const struct gcp_orderer *own)
{
    return !is_none(by) && strcmp(by->manager, own->manager) != 0;
}

static const char *find_foreign(const struct flt_group *g, const struct gcp_view *view,
                                const struct gcp_orderer *own)
{
    struct gcp_orderer by;

    for (size_t i = 0; i < view->n; i++)
        if (!view->members[i].going && names_read(g->base, view->members[i].name, &by) &&
            is_foreign(&by, own))
            return view->members[i].name;
    return NULL;
}

int32_t epoch_check_holder(struct flt_group *g, const struct gcp_view *view)
{
    struct gcp_orderer own = epoch_own(g);
    const char *foreign = find_foreign(g, view, &own);

    if (!foreign)
        return FLT_OK;
    if (!g->options.take_over || is_none(&own))
        return gcp_fail(g, FLT_E_STALE, 0,
                        "group '%s' is held by another manager, which has ordered instance %s, and "
                        "whose instances and jobs this one would remove: give each manager a group "
                        "of its own. When that one is gone for good, delete its instances",
                        g->options.name, foreign);
    if (g->opening)
        gcp_log(g, FLT_LOG_WARNING,
                "group '%s' is taken over from the manager that has ordered instance %s",
                g->options.name, foreign);
    return FLT_OK;
}

static int32_t check_epoch(struct flt_group *g, const struct gcp_view *view)
{
    struct gcp_orderer own = epoch_own(g), by;

    for (size_t i = 0; i < view->n; i++)
        if (names_read(g->base, view->members[i].name, &by) &&
            strcmp(by.manager, own.manager) == 0 && by.epoch > own.epoch)
            return gcp_fail(g, FLT_E_STALE, 0,
                            "group '%s' is held by epoch %" PRIi64 ", this host has %" PRIi64
                            ": another flotilla serves it, and has ordered instance %s; when that "
                            "one is gone for good, delete its instances",
                            g->options.name, by.epoch, own.epoch, view->members[i].name);
    return FLT_OK;
}

int32_t group_admit(struct flt_group *g, const struct gcp_view *view)
{
    const char *request_id = g->host->request_id(g->call);
    int32_t code;

    if (!request_id || !*request_id || strlen(request_id) > REQUEST_MAX)
        return gcp_fail(g, FLT_E_INVALID, 0, "a change needs a request id of 1 to %d bytes",
                        REQUEST_MAX);
    code = epoch_check_holder(g, view);
    return code == FLT_OK ? check_epoch(g, view) : code;
}
