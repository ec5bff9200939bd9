/* host_keys_file.c - the host keys on disk, state_dir/aws/HASH.keys.json: what an instance's console showed at its first
 * boot holds for its life, also for the next process of this provider. By then whoever is root on the instance can
 * write other keys to its console.
 *
 *   {"INSTANCE": ["TYPE KEY", ...]}, an empty list where there are none
 */

#include "aws.h"

#include <json-c/json.h>
#include <stdio.h>
#include <string.h>

#include "sdk/lib/file.h"
#include "sdk/lib/host_keys.h"
#include "sdk/lib/wipe.h"

#define FILE_MAX ((size_t) 16 * 1024 * 1024)

static void name_file(const struct flt_group *g, char path[FLT_STATE_PATH_MAX + 16])
{
    (void) snprintf(path, FLT_STATE_PATH_MAX + 16, "%.*s.keys.json",
                    (int) (strlen(g->file) - strlen(".json")), g->file);
}

static bool are_keys(struct json_object *list)
{
    if (!json_object_is_type(list, json_type_array) ||
        json_object_array_length(list) > FLT_HOST_KEYS_MAX)
        return false;
    for (size_t i = 0; i < json_object_array_length(list); i++) {
        struct json_object *key = json_object_array_get_idx(list, i);

        if (!json_object_is_type(key, json_type_string) ||
            !strchr(json_object_get_string(key), ' '))
            return false;
    }
    return true;
}

static bool is_whole(struct json_object *all)
{
    if (!json_object_is_type(all, json_type_object))
        return false;
    json_object_object_foreach(all, id, list)
    {
        (void) id;
        if (!are_keys(list))
            return false;
    }
    return true;
}

void host_keys_load(struct flt_group *g)
{
    char path[FLT_STATE_PATH_MAX + 16], error[FLT_ERROR_MAX] = "it is damaged";
    struct json_object *all = NULL;
    char *text = NULL;
    int32_t code;

    name_file(g, path);
    code = flt_file_read(path, FILE_MAX, &text, error);
    if (code == FLT_OK)
        all = json_tokener_parse(text);
    flt_wipe(text);
    if (is_whole(all)) {
        g->host_keys = all;
        return;
    }
    json_object_put(all);
    if (code != FLT_E_NOT_FOUND)
        aws_log(g, FLT_LOG_WARNING,
                "%s: %s; the host keys of instances are read from their consoles anew", path,
                error);
    g->host_keys = json_object_new_object();
}

/* Without the file the keys hold until this process ends. */
void host_keys_store(struct flt_group *g)
{
    char path[FLT_STATE_PATH_MAX + 16], error[FLT_ERROR_MAX];
    const char *text = json_object_to_json_string_ext(g->host_keys, JSON_C_TO_STRING_PLAIN);

    name_file(g, path);
    if (flt_file_replace(path, text, error) != FLT_OK)
        aws_log(g, FLT_LOG_WARNING, "host keys are not kept for the next start: %s", error);
}
