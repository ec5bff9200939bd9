/* console.c - what cloud-init prints to an instance's console: its host keys. Pure. */

#include "aws.h"

#include <json-c/json.h>
#include <stdio.h>
#include <string.h>

#include "sdk/lib/host_keys.h"

#define BEGIN "-----BEGIN SSH HOST KEY KEYS-----"
#define END "-----END SSH HOST KEY KEYS-----"
#define LINE_MAX_BYTES 8192

/* "TYPE KEY" out of a line that may have a time or a program's name in front. */
static void read_line(const char *line, size_t len, struct json_object *keys)
{
    for (size_t i = 0; flt_host_key_types[i]; i++) {
        const char *type = flt_host_key_types[i];
        size_t type_len = strlen(type);
        const char *at = memmem(line, len, type, type_len);
        size_t left = at ? len - (size_t) (at - line) : 0;
        char key[LINE_MAX_BYTES];

        if (left <= type_len + 1 || at[type_len] != ' ' || (at > line && at[-1] != ' '))
            continue;
        left -= type_len + 1;
        (void) snprintf(key, sizeof(key), "%.*s", (int) left, at + type_len + 1);
        key[strcspn(key, " \r")] = '\0';
        flt_host_keys_add(keys, type, key);
        return;
    }
}

struct json_object *console_host_keys(const char *console, size_t len)
{
    struct json_object *keys = json_object_new_array();
    const char *at = memmem(console, len, BEGIN, strlen(BEGIN));
    const char *end = at ? memmem(at, len - (size_t) (at - console), END, strlen(END)) : NULL;

    /* Half a block may lack the key that the instance shows. */
    while (end && at && at < end) {
        const char *stop = memchr(at, '\n', (size_t) (end - at));

        read_line(at, (size_t) ((stop ? stop : end) - at), keys);
        at = stop ? stop + 1 : NULL;
    }
    return keys;
}
