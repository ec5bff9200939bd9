/* guest_keys.c - the host keys among an instance's guest attributes. Pure. */

#include "reach.h"

#include <string.h>

#include "sdk/lib/json.h"

struct json_object *guest_keys_read(struct json_object *answer)
{
    struct json_object *items = flt_json_find(answer, "queryValue.items");
    struct json_object *keys = json_object_new_array();
    size_t n = json_object_is_type(items, json_type_array) ? json_object_array_length(items) : 0;

    for (size_t i = 0; i < n; i++) {
        struct json_object *item = json_object_array_get_idx(items, i);

        if (strcmp(gcp_text(item, "namespace"), GUEST_KEYS) == 0)
            flt_host_keys_add(keys, gcp_text(item, "key"), gcp_text(item, "value"));
    }
    return keys;
}
