/* sdk/lib/host_key_store.c - see host_key_store.h. */
#include "sdk/lib/host_key_store.h"

#include <stdio.h>
#include <string.h>

#include "sdk/lib/file.h"
#include "sdk/lib/host_keys.h"
#include "sdk/lib/json.h"
#include "sdk/lib/wipe.h"

#define SIZE_MAX_BYTES ((size_t) 16 * 1024 * 1024)
#define SPARE 16

static int are_keys(struct json_object *list)
{
    if (!json_object_is_type(list, json_type_array) ||
        json_object_array_length(list) > FLT_HOST_KEYS_MAX)
        return 0;
    for (size_t i = 0; i < json_object_array_length(list); i++) {
        struct json_object *key = json_object_array_get_idx(list, i);

        if (!json_object_is_type(key, json_type_string) ||
            !strchr(json_object_get_string(key), ' '))
            return 0;
    }
    return 1;
}

static int is_whole(struct json_object *all)
{
    if (!json_object_is_type(all, json_type_object))
        return 0;
    json_object_object_foreach(all, id, list)
    {
        (void) id;
        if (!are_keys(list))
            return 0;
    }
    return 1;
}

void flt_host_key_store_open(struct flt_host_key_store *store, const char *path, char *error)
{
    FLT_WIPED char *text = NULL;
    struct json_object *all = NULL;
    int32_t code = *path ? flt_file_read(path, SIZE_MAX_BYTES, &text, error) : FLT_E_NOT_FOUND;

    (void) snprintf(store->path, sizeof(store->path), "%s", path);
    if (code == FLT_OK && flt_json_parse(text, strlen(text), &all, error) == 0 && !is_whole(all))
        (void) snprintf(error, FLT_ERROR_MAX, "%.300s: it holds no lists of keys", path);
    if (is_whole(all) || code == FLT_E_NOT_FOUND)
        *error = '\0';
    store->keys = is_whole(all) ? json_object_get(all) : json_object_new_object();
    json_object_put(all);
}

void flt_host_key_store_done(struct flt_host_key_store *store)
{
    json_object_put(store->keys);
    store->keys = NULL;
}

struct json_object *flt_host_key_store_find(const struct flt_host_key_store *store, const char *id)
{
    return json_object_object_get(store->keys, id);
}

static void drop_old(struct flt_host_key_store *store, const struct flt_host_key_owners *owners)
{
    if (!owners || (size_t) json_object_object_length(store->keys) <= 2 * owners->n + SPARE)
        return;
    json_object_object_foreach(store->keys, id, keys)
    {
        (void) keys;
        if (!owners->is_there(owners->arg, id))
            json_object_object_del(store->keys, id);
    }
}

int32_t flt_host_key_store_keep(struct flt_host_key_store *store, const char *id,
                                struct json_object *keys, const struct flt_host_key_owners *owners,
                                char *error)
{
    drop_old(store, owners);
    (void) json_object_object_add(store->keys, id, keys);
    if (!*store->path)
        return FLT_OK;
    return flt_file_replace(
        store->path, json_object_to_json_string_ext(store->keys, JSON_C_TO_STRING_PLAIN), error);
}
