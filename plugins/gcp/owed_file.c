/* owed_file.c - what owed.c knows of orders, on disk: state_dir/HASH.json, a file for each group, replaced as a whole.
 * It is read before each order, and written before and after it. */

#include "gcp.h"

#include <string.h>

#include "sdk/lib/file.h"
#include "sdk/lib/json.h"
#include "sdk/lib/wipe.h"

static int32_t find_file(struct flt_group *g, char ret[FLT_STATE_PATH_MAX])
{
    char error[FLT_ERROR_MAX];
    int32_t code = group_state_path(g, "json", ret, error);

    return code == FLT_OK ? FLT_OK : gcp_fail(g, code, 0, "%s", error);
}

/* At worst the host waits a quarter of an hour for instances that do not come. */
static void note_damage(struct flt_group *g, const char *path, const char *why)
{
    gcp_log(g, FLT_LOG_WARNING,
            "%s is damaged (%s): which instances that are being made are waited for is not known, "
            "and the next order takes all of them over",
            path, why);
}

int32_t owed_load(struct flt_group *g, struct json_object **ret)
{
    char path[FLT_STATE_PATH_MAX], error[FLT_ERROR_MAX];
    FLT_WIPED char *text = NULL;
    int32_t code = find_file(g, path);

    *ret = NULL;
    if (code != FLT_OK)
        return code;
    code = flt_state_read(path, &text, error);
    if (code != FLT_OK && code != FLT_E_NOT_FOUND)
        return gcp_fail(g, FLT_E_INTERNAL, 0, "%s", error);
    if (text && flt_json_parse(text, strlen(text), ret, error) < 0)
        note_damage(g, path, error);
    if (!json_object_is_type(*ret, json_type_object)) {
        json_object_put(*ret);
        *ret = json_object_new_object();
    }
    return FLT_OK;
}

int32_t owed_store(struct flt_group *g, struct json_object *orders)
{
    char path[FLT_STATE_PATH_MAX], error[FLT_ERROR_MAX];
    int32_t code = find_file(g, path);

    if (code != FLT_OK)
        return code;
    code = flt_file_replace(path, json_object_to_json_string_ext(orders, JSON_C_TO_STRING_PLAIN),
                            error);
    return code == FLT_OK ? FLT_OK : gcp_fail(g, code, 0, "%s", error);
}
