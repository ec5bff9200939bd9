/* maintenance.c - hosts that Google is going to work on: instances that cannot move to another host meanwhile go down with
 * theirs. They are asked for in one list for each zone. */

#include "gcp.h"

#include <stdio.h>
#include <string.h>

#include "sdk/lib/json.h"

#define FIELDS                                                                                     \
    "items(name,id,scheduling/onHostMaintenance,resourceStatus/"                                   \
    "upcomingMaintenance(type,maintenanceStatus,windowStartTime)),nextPageToken"
#define PAGES_MAX 100
#define TOKEN_MAX 4096

/* The member that this item of instances.list is; NULL when it is another group's. */
static const struct gcp_member *find_item(const struct flt_group *g, struct json_object *item)
{
    char id[GCP_ID_SIZE];

    (void) snprintf(id, sizeof(id), "%.63s/%.20s", gcp_text(item, "name"), gcp_text(item, "id"));
    return find_member(&g->seen, id);
}

static void take_item(const struct flt_group *g, struct json_object *item,
                      struct flt_signal_list *ret)
{
    struct json_object *work = flt_json_find(item, "resourceStatus.upcomingMaintenance");
    const struct gcp_member *member = work ? find_item(g, item) : NULL;
    char text[512];

    /* What migrates does not notice. */
    if (!member || strcmp(gcp_text(item, "scheduling.onHostMaintenance"), "MIGRATE") == 0)
        return;
    (void) snprintf(text, sizeof(text), "maintenance of its host (%s, %s)", gcp_text(work, "type"),
                    gcp_text(work, "maintenanceStatus"));
    flt_signal_list_add(ret, member->id, gcp_time(gcp_text(work, "windowStartTime")), text);
}

/* One page; `token` becomes that of the next, "" = that was the last. */
static int32_t read_page(struct flt_group *g, const char *zone, char token[TOKEN_MAX],
                         struct flt_signal_list *ret)
{
    char path[GCP_PATH_SIZE], shown[GCP_PATH_SIZE], filter[GCP_NAME_MAX + 32];
    struct flt_google_param params[] = {
        { "filter", filter }, { "fields", FIELDS }, { "maxResults", "500" }, { "pageToken", token }
    };
    struct gcp_ask ask = {
        .path = path, .shown = shown, .params = params, .n_params = *token ? 4 : 3
    };
    struct flt_google_error error;
    struct json_object *answer = NULL, *items;
    int32_t code;

    (void) snprintf(path, sizeof(path), "/compute/v1/projects/%s/zones/%s/instances",
                    g->options.project, zone);
    (void) snprintf(shown, sizeof(shown), "instances.list of %s", zone);
    (void) snprintf(filter, sizeof(filter), "name eq \"%s-.*\"", g->base);
    code = gcp_ask(g, &ask, &answer, &error);
    token[0] = '\0';
    if (gcp_is_denied(code, &error)) {
        gcp_note_denied(g, GCP_RIGHT_INSTANCES, &error);
        return FLT_OK;
    }
    if (code != FLT_OK)
        return gcp_refused(g, code, &error);
    items = flt_json_find(answer, "items");
    for (size_t i = 0;
         json_object_is_type(items, json_type_array) && i < json_object_array_length(items); i++)
        take_item(g, json_object_array_get_idx(items, i), ret);
    (void) snprintf(token, TOKEN_MAX, "%s", gcp_text(answer, "nextPageToken"));
    json_object_put(answer);
    return FLT_OK;
}

static int32_t read_zone(struct flt_group *g, const char *zone, struct flt_signal_list *ret)
{
    char token[TOKEN_MAX] = "";
    int32_t code = FLT_OK;
    size_t page = 0;

    do
        code = g->denied[GCP_RIGHT_INSTANCES] ? FLT_OK : read_page(g, zone, token, ret);
    while (code == FLT_OK && *token && ++page < PAGES_MAX);
    return code;
}

/* Whether no member before it is in the same zone. */
static bool is_first_of_zone(const struct gcp_view *view, size_t i)
{
    if (!*view->members[i].number)
        return false;
    for (size_t j = 0; j < i; j++)
        if (*view->members[j].number && strcmp(view->members[j].zone, view->members[i].zone) == 0)
            return false;
    return true;
}

int32_t maintenance_read(struct flt_group *g, struct flt_signal_list *ret)
{
    int32_t code = FLT_OK;

    for (size_t i = 0; code == FLT_OK && i < g->seen.n; i++)
        if (is_first_of_zone(&g->seen, i))
            code = read_zone(g, g->seen.members[i].zone, ret);
    return code;
}
