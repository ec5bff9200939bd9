/* console.c - what cloud-init prints to an instance's console: its host keys. Pure. */

#include "aws.h"

#include <json-c/json.h>
#include <string.h>

#define BEGIN "-----BEGIN SSH HOST KEY KEYS-----"
#define END "-----END SSH HOST KEY KEYS-----"
#define BASE64 "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/="

static const char *const types[] = {
    "ssh-ed25519", "ecdsa-sha2-nistp256", "ecdsa-sha2-nistp384", "ecdsa-sha2-nistp521", "ssh-rsa",
};

/* "TYPE KEY" out of a line that may have a time or a program's name in front. */
static struct json_object *read_line(const char *line, size_t len)
{
    for (size_t i = 0; i < COUNT(types); i++) {
        size_t type_len = strlen(types[i]);
        const char *at = memmem(line, len, types[i], type_len);
        size_t left = at ? len - (size_t) (at - line) : 0, key_len;

        if (left <= type_len + 1 || at[type_len] != ' ' || (at > line && at[-1] != ' '))
            continue;
        key_len = strspn(at + type_len + 1, BASE64);
        if (key_len < 40 || type_len + 1 + key_len > left)
            return NULL;
        return json_object_new_string_len(at, (int) (type_len + 1 + key_len));
    }
    return NULL;
}

struct json_object *console_host_keys(const char *console, size_t len)
{
    struct json_object *keys = json_object_new_array(), *key;
    const char *at = memmem(console, len, BEGIN, strlen(BEGIN));
    const char *end = at ? memmem(at, len - (size_t) (at - console), END, strlen(END)) : NULL;

    /* Half a block may lack the key that the instance shows. */
    while (end && at && at < end && json_object_array_length(keys) < AWS_HOST_KEYS_MAX) {
        const char *stop = memchr(at, '\n', (size_t) (end - at));

        key = read_line(at, (size_t) ((stop ? stop : end) - at));
        if (key)
            (void) json_object_array_add(keys, key);
        at = stop ? stop + 1 : NULL;
    }
    return keys;
}
