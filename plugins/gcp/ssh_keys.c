/* ssh_keys.c - the item "ssh-keys" of an instance's metadata: lines "USER:TYPE BASE64 COMMENT", which Google's guest
 * agent puts into the users' authorized_keys; it makes users that are not there. Pure.
 *
 * A comment 'google-ssh {"userName":"...","expireOn":"..."}' gives a key an end. Those that name MARK are ours. */

#include "reach.h"

#include <string.h>

#include "sdk/lib/json.h"
#include "sdk/lib/text.h"

#define ENDS " google-ssh "
#define MARK "flotilla"

/* The end that a line gives its key: INT64_MAX = none. */
static int64_t read_end(const char *line, size_t len, bool *ret_ours)
{
    const char *comment = memmem(line, len, ENDS, strlen(ENDS)), *text, *name;
    struct json_object *said = NULL;
    int64_t end = INT64_MAX;
    char error[FLT_ERROR_MAX];

    *ret_ours = false;
    if (!comment)
        return INT64_MAX;
    comment += strlen(ENDS);
    if (flt_json_parse(comment, len - (size_t) (comment - line), &said, error) == 0) {
        name = flt_json_text(said, "userName");
        text = flt_json_text(said, "expireOn");
        *ret_ours = name && strcmp(name, MARK) == 0;
        if (!text || flt_utc_parse(text, &end) < 0)
            end = 0; /* the agent does not take such a line */
    }
    json_object_put(said);
    return end;
}

static bool is_of(const char *line, size_t len, const char *user, const char *public_line)
{
    size_t user_len = strlen(user), key_len = strlen(public_line), both = user_len + 1 + key_len;

    return len >= both && strncmp(line, user, user_len) == 0 && line[user_len] == ':' &&
           strncmp(line + user_len + 1, public_line, key_len) == 0 &&
           (len == both || line[both] == ' ');
}

int64_t ssh_keys_until(const char *value, const char *user, const char *public_line)
{
    int64_t until = 0;
    bool ours;

    for (const char *at = value; at && *at;) {
        size_t len = strcspn(at, "\n");
        int64_t end = is_of(at, len, user, public_line) ? read_end(at, len, &ours) : 0;

        if (end > until)
            until = end;
        at += len + (at[len] == '\n');
    }
    return until;
}

char *ssh_keys_with(const char *value, const char *user, const char *public_line, int64_t until_s,
                    int64_t now_s)
{
    struct flt_text text;
    bool ours;

    flt_text_open(&text);
    for (const char *at = value; at && *at;) {
        size_t len = strcspn(at, "\n");
        int64_t end = read_end(at, len, &ours);

        if (len > 0 && !(ours && (end <= now_s || is_of(at, len, user, public_line))))
            flt_text_add(&text, "%.*s\n", (int) len, at);
        at += len + (at[len] == '\n');
    }
    flt_text_add(&text, "%s:%s" ENDS "{\"userName\":\"" MARK "\",\"expireOn\":\"%.19s+0000\"}",
                 user, public_line, flt_utc(until_s).extended);
    return flt_text_take(&text);
}
