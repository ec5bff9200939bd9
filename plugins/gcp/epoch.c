/* epoch.c - which flotilla holds the group: the one whose epoch is the newest among the names of its instances (names.c).
 * Epochs rise with each start of a manager, also over the loss of its ledger. */

#include "gcp.h"

#include <inttypes.h>
#include <string.h>

#define REQUEST_MAX 64

int32_t group_admit(struct flt_group *g, const struct gcp_view *view)
{
    const char *request_id = g->host->request_id(g->call), *of = "";
    int64_t mine = g->host->epoch(g->call), newest = mine;

    if (!request_id || !*request_id || strlen(request_id) > REQUEST_MAX)
        return gcp_fail(g, FLT_E_INVALID, 0, "a change needs a request id of 1 to %d bytes",
                        REQUEST_MAX);
    for (size_t i = 0; i < view->n; i++) {
        int64_t epoch = names_epoch(g->base, view->members[i].name);

        if (epoch > newest) {
            newest = epoch;
            of = view->members[i].name;
        }
    }
    if (newest == mine)
        return FLT_OK;
    return gcp_fail(g, FLT_E_STALE, 0,
                    "group '%s' is held by epoch %" PRIi64 ", this host has %" PRIi64
                    ": another flotilla serves it, and has ordered instance %s; when that one is "
                    "gone for good, delete its instances",
                    g->options.name, newest, mine, of);
}
