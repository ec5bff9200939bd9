/* oslogin_profile.c - what OS Login keeps for an account: keys, and the names that it has in systems. Pure. */

#include "reach.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "sdk/lib/json.h"

#define MARK " flotilla" /* the comment of our keys */
#define KEY_SIZE 16384
#define USEC INT64_C(1000000)

struct json_object *oslogin_key(const char *public_line, int64_t until_s)
{
    struct json_object *key = json_object_new_object();
    char text[KEY_SIZE];

    (void) snprintf(text, sizeof(text), "%s" MARK, public_line);
    (void) json_object_object_add(key, "key", json_object_new_string(text));
    (void) snprintf(text, sizeof(text), "%" PRId64, until_s * USEC);
    (void) json_object_object_add(key, "expirationTimeUsec", json_object_new_string(text));
    return key;
}

bool oslogin_has_ended(struct json_object *key, int64_t now_s)
{
    const char *text = flt_json_text(key, "key");
    size_t len = text ? strlen(text) : 0, mark_len = strlen(MARK);
    int64_t end_usec = json_object_get_int64(flt_json_find(key, "expirationTimeUsec"));

    return len > mark_len && strcmp(text + len - mark_len, MARK) == 0 && end_usec > 0 &&
           end_usec / USEC <= now_s;
}

const char *oslogin_user(struct json_object *profile)
{
    struct json_object *accounts = flt_json_find(profile, "posixAccounts");
    size_t n =
        json_object_is_type(accounts, json_type_array) ? json_object_array_length(accounts) : 0;
    const char *found = NULL;

    for (size_t i = 0; i < n; i++) {
        struct json_object *account = json_object_array_get_idx(accounts, i);
        const char *system = flt_json_text(account, "operatingSystemType");
        const char *name = flt_json_text(account, "username");

        if (!name || !*name || (system && strcmp(system, "WINDOWS") == 0))
            continue;
        if (!found || json_object_get_boolean(flt_json_find(account, "primary")))
            found = name;
    }
    return found;
}
