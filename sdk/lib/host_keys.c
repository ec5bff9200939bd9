/* sdk/lib/host_keys.c - see host_keys.h. Pure. */
#include "sdk/lib/host_keys.h"

#include <stdio.h>
#include <string.h>

#define BASE64 "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/="
#define KEY_MIN 40 /* a shorter one is half a line */
#define KEY_MAX 4096

const char *const flt_host_key_types[] = {
    "ssh-ed25519", "ecdsa-sha2-nistp256", "ecdsa-sha2-nistp384", "ecdsa-sha2-nistp521", "ssh-rsa",
    NULL,
};

static int is_known(const char *type)
{
    for (size_t i = 0; flt_host_key_types[i]; i++)
        if (strcmp(type, flt_host_key_types[i]) == 0)
            return 1;
    return 0;
}

void flt_host_keys_add(struct json_object *lines, const char *type, const char *key)
{
    size_t len = strspn(key, BASE64);
    char line[FLT_HOST_KEY_TYPE_SIZE + KEY_MAX + 2];

    if (!is_known(type) || len < KEY_MIN || len > KEY_MAX || key[len] ||
        json_object_array_length(lines) >= FLT_HOST_KEYS_MAX)
        return;
    (void) snprintf(line, sizeof(line), "%s %s", type, key);
    (void) json_object_array_add(lines, json_object_new_string(line));
}

void flt_host_keys_show(struct json_object *lines, struct flt_host_keys *keys,
                        struct flt_connect_info *info)
{
    size_t n = lines ? json_object_array_length(lines) : 0;

    for (size_t i = 0; i < n; i++) {
        const char *line = json_object_get_string(json_object_array_get_idx(lines, i));
        size_t type_len = strcspn(line, " ");

        (void) snprintf(keys->types[i], sizeof(keys->types[i]), "%.*s", (int) type_len, line);
        keys->items[i] = (struct flt_host_key) { .struct_size = sizeof(struct flt_host_key),
                                                 .type = keys->types[i],
                                                 .key = line + type_len + 1 };
    }
    info->host_keys = keys->items;
    info->n_host_keys = (uint32_t) n;
}
