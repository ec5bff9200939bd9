/* metadata.c - the metadata of an instance or a project: items of keys and values, which change as a whole. Pure. */

#include "reach.h"

#include <string.h>
#include <strings.h>

#include "sdk/lib/json.h"

static bool is_key(struct json_object *item, const char *key)
{
    const char *name = flt_json_text(item, "key");

    return name && strcmp(name, key) == 0;
}

const char *metadata_value(struct json_object *metadata, const char *key)
{
    struct json_object *items = flt_json_find(metadata, "items");
    size_t n = json_object_is_type(items, json_type_array) ? json_object_array_length(items) : 0;

    for (size_t i = 0; i < n; i++) {
        struct json_object *item = json_object_array_get_idx(items, i);

        if (is_key(item, key))
            return flt_json_text(item, "value");
    }
    return NULL;
}

/* The forms that the guest agent reads; to it, anything else is not said. */
enum metadata_flag metadata_flag(struct json_object *metadata, const char *key)
{
    static const char *const on[] = { "true", "t", "1" }, *const off[] = { "false", "f", "0" };
    const char *value = metadata_value(metadata, key);

    for (size_t i = 0; value && i < 3; i++) {
        if (strcasecmp(value, on[i]) == 0)
            return METADATA_ON;
        if (strcasecmp(value, off[i]) == 0)
            return METADATA_OFF;
    }
    return METADATA_UNSAID;
}

void metadata_switches(struct json_object *metadata, enum metadata_flag ret[SWITCHES])
{
    static const char *const keys[] = { [OS_LOGIN] = "enable-oslogin",
                                        [GUEST_ATTRIBUTES] = "enable-guest-attributes",
                                        [WINDOWS_SSH] = "enable-windows-ssh" };

    for (size_t i = 0; i < SWITCHES; i++)
        ret[i] = metadata_flag(metadata, keys[i]);
}

static void add_item(struct json_object *items, const char *key, const char *value)
{
    struct json_object *item = json_object_new_object();

    (void) json_object_object_add(item, "key", json_object_new_string(key));
    (void) json_object_object_add(item, "value", json_object_new_string(value));
    (void) json_object_array_add(items, item);
}

/* What the service wants back, and nothing that it only tells. */
struct json_object *metadata_with(struct json_object *metadata, const char *key, const char *value)
{
    struct json_object *ret = json_object_new_object(), *copy = json_object_new_array();
    struct json_object *items = flt_json_find(metadata, "items");
    size_t n = json_object_is_type(items, json_type_array) ? json_object_array_length(items) : 0;
    const char *fingerprint = flt_json_text(metadata, "fingerprint");

    for (size_t i = 0; i < n; i++) {
        struct json_object *item = json_object_array_get_idx(items, i);

        if (!is_key(item, key))
            (void) json_object_array_add(copy, json_object_get(item));
    }
    add_item(copy, key, value);
    if (fingerprint)
        (void) json_object_object_add(ret, "fingerprint", json_object_new_string(fingerprint));
    (void) json_object_object_add(ret, "items", copy);
    return ret;
}
