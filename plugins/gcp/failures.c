/* failures.c - which instances Google could not make lately, as the group's list of errors has it: quotas that are
 * used up, zones that have no more machines, templates that cannot work. */

#include "gcp.h"

#include <stdio.h>

#include "sdk/lib/json.h"

#define OF_NOW_MS (INT64_C(10) * 60 * 1000) /* an older failure says nothing of today */

static bool is_growth(struct json_object *item)
{
    static const char *const actions[] = { "CREATING", "CREATING_WITHOUT_RETRIES", "RECREATING",
                                           "QUEUING", NULL };

    return gcp_is_one_of(gcp_text(item, "instanceActionDetails.action"), actions);
}

/* The newest says it all; they come in no order. */
static struct json_object *find_newest(struct json_object *items, int64_t *ret_ms)
{
    size_t n = json_object_is_type(items, json_type_array) ? json_object_array_length(items) : 0;
    struct json_object *newest = NULL;

    *ret_ms = flt_wall_ms() - OF_NOW_MS;
    for (size_t i = 0; i < n; i++) {
        struct json_object *item = json_object_array_get_idx(items, i);
        int64_t at_ms = gcp_time(gcp_text(item, "timestamp"));

        if (is_growth(item) && at_ms > *ret_ms) {
            newest = item;
            *ret_ms = at_ms;
        }
    }
    return newest;
}

int32_t failures_read(struct flt_group *g, struct flt_signal_list *ret)
{
    char path[GCP_PATH_SIZE], shown[GCP_PATH_SIZE], text[512];
    struct gcp_ask ask = { .path = path, .shown = shown };
    struct json_object *answer = NULL, *newest;
    struct flt_google_error error;
    int64_t at_ms;
    int32_t code;

    group_path(g, "listErrors", path, shown);
    code = gcp_ask(g, &ask, &answer, &error);
    if (code != FLT_OK)
        return group_refused(g, code, &error);
    newest = find_newest(flt_json_find(answer, "items"), &at_ms);
    if (newest) {
        (void) snprintf(text, sizeof(text), "Google cannot make instance %s: %s: %s",
                        gcp_last_part(gcp_text(newest, "instanceActionDetails.instance")),
                        gcp_text(newest, "error.code"), gcp_text(newest, "error.message"));
        flt_signal_list_add(ret, "", at_ms, text);
    }
    json_object_put(answer);
    return FLT_OK;
}
