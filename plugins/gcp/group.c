/* group.c - one look at the managed instance group: its members, as far as the host hears of them. */

#include "gcp.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "sdk/lib/json.h"

/* A whole answer is several times as long, and lists are the most of what is asked. */
#define FIELDS                                                                                     \
    "managedInstances(instance,name,id,currentAction,instanceStatus,lastAttempt/errors/"           \
    "errors(code,message),instanceHealth/detailedHealthState,scheduling/terminationTimestamp),"    \
    "nextPageToken"
#define PAGE "500" /* of groups that give their lists in pages; others give all at once */
#define PAGES_MAX 1000
#define MEMBERS_MAX 10000
#define TOKEN_MAX 4096
#define FRESH_MS 30000 /* a look that single instances are looked up in */

void gcp_view_done(struct gcp_view *view)
{
    free(view->members);
    *view = (struct gcp_view) { 0 };
}

static int32_t make_room(struct flt_group *g, struct gcp_view *view, size_t n)
{
    void *grown;

    if (view->n + n > MEMBERS_MAX)
        return gcp_fail(g, FLT_E_INTERNAL, 0, "the group has more than %d instances", MEMBERS_MAX);
    grown = n > 0 ? realloc(view->members, (view->n + n) * sizeof(*view->members)) : view->members;
    if (n > 0 && !grown)
        return gcp_fail(g, FLT_E_INTERNAL, 0, "out of memory");
    view->members = grown;
    return FLT_OK;
}

static int32_t read_members(struct flt_group *g, struct json_object *page, struct gcp_view *view)
{
    struct json_object *list = flt_json_find(page, "managedInstances");
    size_t n = json_object_is_type(list, json_type_array) ? json_object_array_length(list) : 0;
    int32_t code;

    if (list && !json_object_is_type(list, json_type_array))
        return gcp_unreadable(g, "managedInstances must be an array");
    code = make_room(g, view, n);
    for (size_t i = 0; code == FLT_OK && i < n; i++)
        if (member_read(json_object_array_get_idx(list, i), g->options.zone, &g->seen,
                        flt_monotonic_ms(), &view->members[view->n]))
            view->n++;
        else
            code = gcp_unreadable(g, "a managed instance whose name, zone or id is in an unknown "
                                     "form");
    return code;
}

static int32_t ask_page(struct flt_group *g, const char *token, struct json_object **ret)
{
    struct flt_google_param params[] = { { "fields", FIELDS },
                                         { "maxResults", PAGE },
                                         { "pageToken", token } };
    char path[GCP_PATH_SIZE], shown[GCP_PATH_SIZE];
    struct gcp_ask ask = { .method = "POST",
                           .path = path,
                           .shown = shown,
                           .params = params,
                           .n_params = *token ? 3 : 2,
                           .repeatable = true };
    struct flt_google_error error;
    int32_t code;

    group_path(g, "listManagedInstances", path, shown);
    code = gcp_ask(g, &ask, ret, &error);
    return code == FLT_OK ? FLT_OK : group_refused(g, code, &error);
}

/* Takes the page in and gives the token of the next, "" = that was the last. */
static int32_t take_page(struct flt_group *g, struct json_object *page, struct gcp_view *view,
                         char token[TOKEN_MAX])
{
    const char *next = gcp_text(page, "nextPageToken");
    int32_t code = read_members(g, page, view);

    if (code == FLT_OK && strlen(next) >= TOKEN_MAX)
        code = gcp_unreadable(g, "a nextPageToken that is too long");
    if (code == FLT_OK && *next && strcmp(next, token) == 0)
        code = gcp_unreadable(g, "a nextPageToken that leads to itself");
    if (code == FLT_OK)
        (void) snprintf(token, TOKEN_MAX, "%s", next);
    return code;
}

/* `partial` when a page has been taken in. */
static int32_t look(struct flt_group *g, struct gcp_view *view, bool *partial)
{
    char token[TOKEN_MAX] = "";
    int32_t code = FLT_OK;

    for (size_t page = 0; page < PAGES_MAX; page++) {
        struct json_object *answer = NULL;

        code = ask_page(g, token, &answer);
        if (code == FLT_OK)
            code = take_page(g, answer, view, token);
        json_object_put(answer);
        if (code != FLT_OK || !*token)
            return code;
        *partial = true;
    }
    return gcp_unreadable(g, "pages without end");
}

static void note_view(struct flt_group *g, const struct gcp_view *view)
{
    size_t bytes = view->n * sizeof(*view->members);
    struct gcp_member *copy = bytes > 0 ? malloc(bytes) : NULL;

    if (bytes > 0 && !copy)
        return; /* the next look is compared with the one before */
    if (copy)
        memcpy(copy, view->members, bytes);
    gcp_view_done(&g->seen);
    g->seen = (struct gcp_view) { .members = copy, .n = view->n };
    g->seen_at_ms = flt_monotonic_ms();
}

int32_t group_look(struct flt_group *g, struct gcp_view *view)
{
    bool partial = false;
    int32_t code;

    *view = (struct gcp_view) { 0 };
    code = look(g, view, &partial);
    members_settle(view);
    if (code == FLT_OK)
        note_view(g, view);
    else if (partial && code != FLT_E_CANCELLED && code != FLT_E_TIMEOUT)
        code = FLT_E_PARTIAL; /* why was said */
    return code;
}

/* Looks that are as good as new. */

bool group_is_fresh(const struct flt_group *g)
{
    return g->seen_at_ms != 0 && flt_monotonic_ms() - g->seen_at_ms <= FRESH_MS;
}

int32_t group_refresh(struct flt_group *g)
{
    int32_t code = flt_call_ended(g->host, g->call);
    struct gcp_view view;

    if (code != FLT_OK || group_is_fresh(g))
        return code;
    code = group_look(g, &view);
    gcp_view_done(&view);
    return code;
}

static const struct gcp_member *find_machine(const struct flt_group *g, const char *id)
{
    const struct gcp_member *member = find_member(&g->seen, id);

    return member && *member->number && !member->going ? member : NULL;
}

int32_t group_find(struct flt_group *g, const char *id, const struct gcp_member **ret)
{
    int32_t code = group_refresh(g);

    *ret = find_machine(g, id);
    if (code != FLT_OK && !*ret)
        return code == FLT_E_PARTIAL ? FLT_E_UNAVAILABLE : code;
    return *ret ? FLT_OK : gcp_fail(g, FLT_E_NOT_FOUND, 0, "instance %.100s is gone", id);
}

/* Where things are. */

void group_path(const struct flt_group *g, const char *verb, char path[GCP_PATH_SIZE],
                char shown[GCP_PATH_SIZE])
{
    (void) snprintf(path, GCP_PATH_SIZE, "%s/instanceGroupManagers/%s%s%s", g->place,
                    g->options.name, *verb ? "/" : "", verb);
    (void) snprintf(shown, GCP_PATH_SIZE, "%sinstanceGroupManagers.%s of group '%s'",
                    g->options.zone ? "" : "region", *verb ? verb : "get", g->options.name);
    if (!g->options.zone)
        shown[6] = 'I'; /* "regionInstanceGroupManagers" */
}

void member_path(const struct flt_group *g, const struct gcp_member *member,
                 char ret[GCP_PATH_SIZE])
{
    (void) snprintf(ret, GCP_PATH_SIZE, "/compute/v1/projects/%s/zones/%s/instances/%s",
                    g->options.project, member->zone, member->name);
}

int32_t group_state_path(struct flt_group *g, const char *ending, char ret[FLT_STATE_PATH_MAX],
                         char *error)
{
    char group[2 * GCP_PATH_SIZE];

    (void) snprintf(group, sizeof(group), "%s/%s", g->place, g->options.name);
    return flt_state_path(g->host, g->call, group, ending, ret, error);
}

int32_t group_refused(struct flt_group *g, int32_t code, const struct flt_google_error *error)
{
    const struct gcp_options *o = &g->options;

    if (code != FLT_E_NOT_FOUND)
        return gcp_refused(g, code, error);
    return gcp_fail(g, code, 0,
                    "there is no managed instance group '%s' in %s %s of project '%s': check "
                    "plugin_config; a group of several zones needs region, one of a single zone "
                    "needs zone (%s)",
                    o->name, o->zone ? "zone" : "region", o->zone ? o->zone : o->region, o->project,
                    error->text);
}

int32_t group_get(struct flt_group *g, struct json_object **ret)
{
    char path[GCP_PATH_SIZE], shown[GCP_PATH_SIZE];
    struct gcp_ask ask = { .path = path, .shown = shown };
    struct flt_google_error error;
    int32_t code;

    group_path(g, "", path, shown);
    code = gcp_ask(g, &ask, ret, &error);
    return code == FLT_OK ? FLT_OK : group_refused(g, code, &error);
}
