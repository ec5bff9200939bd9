/* grow.c - growing: instances are ordered by their names (createInstances), so that an order that is made again is seen
 * to have been made; and what Google is making already, while nobody waits for it, is not ordered again (owed.c).
 *
 * An account that may not do that grows the group by its size (resize). There Google alone tells a repetition by the
 * request's id, which it remembers for an hour at least, and an order whose answer was lost with its manager comes on top
 * of that of the next one. */

#include "gcp.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "sdk/lib/json.h"

#define BATCH 1000 /* the most that one call takes */

static bool has_name(const struct gcp_view *view, const char *name)
{
    for (size_t i = 0; i < view->n; i++)
        if (strcmp(view->members[i].name, name) == 0)
            return true;
    return false;
}

/* The body that orders what is not there yet of instances `from` to `to`; *ret_n says how many those are. */
static struct json_object *name_instances(struct flt_group *g, const struct gcp_view *view,
                                          uint32_t from, uint32_t to, uint32_t *ret_n)
{
    struct json_object *body = json_object_new_object(), *list = json_object_new_array();
    struct gcp_orderer own = epoch_own(g);
    char name[GCP_NAME_MAX + 1];

    *ret_n = 0;
    (void) json_object_object_add(body, "instances", list);
    for (uint32_t i = from; i < to; i++) {
        struct json_object *item;

        names_make(g->base, &own, g->host->request_id(g->call), i, name);
        if (has_name(view, name))
            continue;
        item = json_object_new_object();
        (void) json_object_object_add(item, "name", json_object_new_string(name));
        (void) json_object_array_add(list, item);
        (*ret_n)++;
    }
    return body;
}

static bool may_not_create(int32_t code, const struct flt_google_error *error)
{
    return gcp_is_denied(code, error) && strstr(error->text, "compute.instances.create");
}

/* Google takes no name twice. Where all names of the order are there after such a refusal, it was made before: its answer
 * was lost, and the list did not show it yet. */
static bool was_made(struct flt_group *g, uint32_t from, uint32_t to)
{
    struct gcp_view view;
    uint32_t n = 1;

    if (group_look(g, &view) == FLT_OK)
        json_object_put(name_instances(g, &view, from, to, &n));
    gcp_view_done(&view);
    return n == 0;
}

static int32_t create(struct flt_group *g, const struct gcp_view *view, uint32_t from, uint32_t to)
{
    uint32_t n;
    struct json_object *body = name_instances(g, view, from, to, &n);
    struct gcp_change change = { "createInstances", body, from / BATCH, n };
    struct flt_google_error error = { 0 };
    int32_t code = n > 0 ? group_change(g, &change, NULL, &error) : FLT_OK;

    json_object_put(body);
    if (code == FLT_OK || ((code == FLT_E_INVALID || error.status == 409) && was_made(g, from, to)))
        return FLT_OK;
    if (!may_not_create(code, &error))
        return group_refused(g, code, &error);
    gcp_note_denied(g, GCP_RIGHT_CREATE, &error);
    return FLT_E_UNSUPPORTED;
}

/* By size. */

static int32_t ask_size(struct flt_group *g, int64_t *ret)
{
    struct json_object *group = NULL;
    char error[FLT_ERROR_MAX];
    int32_t code = group_get(g, &group);

    if (code == FLT_OK && flt_json_need_i64(group, "targetSize", 0, INT32_MAX, ret, error) < 0)
        code = gcp_unreadable(g, error);
    json_object_put(group);
    return code;
}

static int32_t grow_by_size(struct flt_group *g, uint32_t n, uint32_t *accepted)
{
    struct gcp_change change = { "resize", NULL, 0, n };
    struct flt_google_error error;
    int64_t size = 0;
    char text[24];
    int32_t code = ask_size(g, &size);

    if (code != FLT_OK)
        return code;
    (void) snprintf(text, sizeof(text), "%" PRIi64, size + n);
    code = group_change(g, &change, text, &error);
    if (code != FLT_OK)
        return group_refused(g, code, &error);
    *accepted = n;
    return FLT_OK;
}

static int32_t create_all(struct flt_group *g, const struct gcp_view *view, uint32_t n,
                          uint32_t *ret_created)
{
    int32_t code = FLT_OK;

    *ret_created = 0;
    for (uint32_t from = 0; code == FLT_OK && from < n; from += BATCH) {
        uint32_t to = n - from > BATCH ? from + BATCH : n;

        code = create(g, view, from, to);
        if (code == FLT_OK)
            *ret_created = to;
    }
    return code;
}

/* What it asks for is written down first, so that its repetition asks for the same. */
static int32_t order(struct flt_group *g, const struct gcp_view *view, struct json_object *orders,
                     uint32_t n, uint32_t *accepted)
{
    struct gcp_orderer by = epoch_own(g);
    char name[GCP_NAME_MAX + 1], own[GCP_ORDER_SIZE] = "";
    uint32_t wanted, created, taken;
    int32_t code, stored;

    names_make(g->base, &by, g->host->request_id(g->call), 0, name);
    (void) names_order(g->base, name, own);
    wanted = owed_plan(orders, g->base, view, own, n, flt_wall_ms());
    code = owed_store(g, orders);
    if (code != FLT_OK)
        return code;
    code = create_all(g, view, wanted, &created);
    if (code != FLT_OK && created == 0)
        return code;
    taken = code == FLT_OK ? n - wanted : 0;
    owed_settle(orders, g->base, view, own, created, taken, flt_wall_ms());
    stored = owed_store(g, orders);
    if (stored == FLT_OK)
        *accepted = created + taken;
    return code != FLT_OK ? code : stored;
}

static int32_t grow_by_names(struct flt_group *g, const struct gcp_view *view, uint32_t n,
                             uint32_t *accepted)
{
    struct json_object *orders = NULL;
    int32_t code = owed_load(g, &orders);

    if (code == FLT_OK)
        code = order(g, view, orders, n, accepted);
    json_object_put(orders);
    return code;
}

int32_t grow(struct flt_group *g, uint32_t n, uint32_t *ret_accepted)
{
    struct gcp_view view;
    int32_t code = group_look(g, &view);

    *ret_accepted = 0;
    if (code == FLT_E_PARTIAL)
        code = FLT_E_UNAVAILABLE; /* what is there of this order is not known */
    if (code == FLT_OK)
        code = group_admit(g, &view);
    if (code == FLT_OK)
        code = g->denied[GCP_RIGHT_CREATE] ? FLT_E_UNSUPPORTED
                                           : grow_by_names(g, &view, n, ret_accepted);
    if (code == FLT_E_UNSUPPORTED)
        code = grow_by_size(g, n, ret_accepted);
    gcp_view_done(&view);
    return code;
}
