/* change.c - changes of the group: one call with its request's id, whose operation is followed (operations.c); and what is
 * done to members by their ids: removed, suspended, resumed. The group is never made smaller by its size: Google would
 * choose which go (hardening.md R6). */

#include "gcp.h"

#include <stdio.h>

#define BATCH 1000 /* the most that one call takes */

int32_t group_change(struct flt_group *g, const struct gcp_change *change, const char *size,
                     struct flt_google_error *error)
{
    const char *request_id = g->host->request_id(g->call);
    char path[GCP_PATH_SIZE], shown[GCP_PATH_SIZE], uuid[GCP_UUID_SIZE];
    struct flt_google_param params[] = { { "requestId", uuid }, { "size", size } };
    struct gcp_ask ask = { .method = "POST",
                           .path = path,
                           .shown = shown,
                           .params = params,
                           .n_params = size ? 2 : 1,
                           .body = change->body,
                           .repeatable = true };
    struct json_object *operation = NULL;
    int32_t code;

    group_path(g, change->verb, path, shown);
    names_request(request_id, change->part, uuid);
    code = gcp_ask(g, &ask, &operation, error);
    if (code == FLT_OK)
        operations_follow(g, operation, change->verb, change->n);
    json_object_put(operation);
    return code;
}

/* What can be done to members. */
struct deed {
    const char *verb;
    bool (*is_done)(const struct gcp_member *member); /* or cannot be: the host hears that it is */
};

static bool is_going(const struct gcp_member *member)
{
    return member->going;
}

static bool does_not_run(const struct gcp_member *member)
{
    return member->going || !*member->number || member->state == FLT_STATE_SUSPENDING ||
           member->state == FLT_STATE_SUSPENDED;
}

static bool is_not_suspended(const struct gcp_member *member)
{
    return member->state != FLT_STATE_SUSPENDED || *member->trouble;
}

static const struct deed removal = { "deleteInstances", is_going };
static const struct deed suspension = { "suspendInstances", does_not_run };
static const struct deed resumption = { "resumeInstances", is_not_suspended };

/* The body that names those of the ids that are to be done something to. */
static struct json_object *name_members(const struct gcp_view *view, const struct deed *deed,
                                        const char *const *ids, uint32_t n, uint32_t *ret_n)
{
    struct json_object *body = json_object_new_object(), *list = json_object_new_array();
    char url[GCP_PATH_SIZE];

    *ret_n = 0;
    (void) json_object_object_add(body, "instances", list);
    for (uint32_t i = 0; i < n; i++) {
        const struct gcp_member *member = find_member(view, ids[i]);

        if (!member || deed->is_done(member))
            continue;
        (void) snprintf(url, sizeof(url), "zones/%s/instances/%s", member->zone, member->name);
        (void) json_object_array_add(list, json_object_new_string(url));
        (*ret_n)++;
    }
    /* One that went between the look and this call must not keep the others. */
    if (deed == &removal)
        (void) json_object_object_add(body, "skipInstancesOnValidationError",
                                      json_object_new_boolean(true));
    return body;
}

static int32_t do_batch(struct flt_group *g, const struct gcp_view *view, const struct deed *deed,
                        const char *const *ids, uint32_t from, uint32_t to)
{
    uint32_t n;
    struct json_object *body = name_members(view, deed, ids + from, to - from, &n);
    struct gcp_change change = { deed->verb, body, from / BATCH, n };
    struct flt_google_error error = { 0 };
    int32_t code = n > 0 ? group_change(g, &change, NULL, &error) : FLT_OK;

    json_object_put(body);
    return code == FLT_OK ? FLT_OK : group_refused(g, code, &error);
}

static int32_t do_all(struct flt_group *g, const struct gcp_view *view, const struct deed *deed,
                      const char *const *ids, uint32_t n, flt_id_sink accepted, void *arg)
{
    int32_t code = FLT_OK;

    for (uint32_t from = 0; code == FLT_OK && from < n; from += BATCH) {
        uint32_t to = n - from > BATCH ? from + BATCH : n;

        code = flt_call_ended(g->host, g->call);
        if (code == FLT_OK)
            code = do_batch(g, view, deed, ids, from, to);
        for (uint32_t i = from; code == FLT_OK && i < to; i++)
            if (accepted(arg, ids[i]) != 0)
                code = FLT_E_CANCELLED;
    }
    return code;
}

static int32_t change_members(struct flt_group *g, const struct deed *deed, const char *const *ids,
                              uint32_t n, flt_id_sink accepted, void *arg)
{
    struct gcp_view view;
    int32_t code = group_look(g, &view);

    if (code == FLT_E_PARTIAL)
        code = FLT_E_UNAVAILABLE; /* one that is missing may yet be there */
    if (code == FLT_OK)
        code = group_admit(g, &view);
    if (code == FLT_OK)
        code = do_all(g, &view, deed, ids, n, accepted, arg);
    gcp_view_done(&view);
    return code;
}

int32_t members_delete(struct flt_group *g, const char *const *ids, uint32_t n,
                       flt_id_sink accepted, void *arg)
{
    return change_members(g, &removal, ids, n, accepted, arg);
}

int32_t members_suspend(struct flt_group *g, const char *const *ids, uint32_t n,
                        flt_id_sink accepted, void *arg)
{
    return change_members(g, &suspension, ids, n, accepted, arg);
}

int32_t members_resume(struct flt_group *g, const char *const *ids, uint32_t n,
                       flt_id_sink accepted, void *arg)
{
    return change_members(g, &resumption, ids, n, accepted, arg);
}
