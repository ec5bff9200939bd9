/* windows_keys.c - the item "windows-keys" of an instance's metadata, one JSON object a line, by which Google's guest
 * agent on Windows is asked for a user's new password; and what it writes to serial port 4 in return. Pure.
 *
 * The agent makes a password for each line that it has not seen before. So a line whose answer is there, or is still to
 * come, must not be written again: whoever works on the instance by the old password is locked out.
 */

#include "reach.h"

#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <string.h>

#include "sdk/lib/json.h"
#include "sdk/lib/text.h"

#define MARK "flotilla"
#define NUMBER_MAX 512 /* bytes: a key of 4096 bits */

static bool number_of(EVP_PKEY *key, const char *name, char ret[WINDOWS_NUMBER_MAX])
{
    unsigned char bytes[NUMBER_MAX];
    BIGNUM *number = NULL;
    bool ok = EVP_PKEY_get_bn_param(key, name, &number) == 1 && BN_num_bytes(number) <= NUMBER_MAX;

    if (ok)
        (void) EVP_EncodeBlock((unsigned char *) ret, bytes, BN_bn2bin(number, bytes));
    BN_free(number);
    return ok;
}

bool windows_key_numbers(EVP_PKEY *key, struct windows_key *ret)
{
    return number_of(key, OSSL_PKEY_PARAM_RSA_N, ret->modulus) &&
           number_of(key, OSSL_PKEY_PARAM_RSA_E, ret->exponent);
}

static struct json_object *read_line(const char *line, size_t len)
{
    struct json_object *object = NULL;
    char error[FLT_ERROR_MAX];

    if (len == 0 || flt_json_parse(line, len, &object, error) < 0)
        return NULL;
    return object;
}

static bool says(struct json_object *object, const char *name, const char *value)
{
    const char *text = flt_json_text(object, name);

    return text && strcmp(text, value) == 0;
}

static bool is_of(struct json_object *object, const struct windows_key *key)
{
    return says(object, "modulus", key->modulus) && says(object, "userName", key->user);
}

static int64_t end_of(struct json_object *object)
{
    const char *text = flt_json_text(object, "expireOn");
    int64_t end = 0;

    return text && flt_utc_parse(text, &end) == 0 ? end : 0;
}

int64_t windows_keys_until(const char *value, const struct windows_key *key)
{
    int64_t until = 0;

    for (const char *at = value; at && *at;) {
        size_t len = strcspn(at, "\n");
        struct json_object *line = read_line(at, len);
        int64_t end = is_of(line, key) ? end_of(line) : 0;

        if (end > until)
            until = end;
        json_object_put(line);
        at += len + (at[len] == '\n');
    }
    return until;
}

static void add_line(struct flt_text *text, const struct windows_key *key, int64_t until_s)
{
    struct json_object *line = json_object_new_object();

    (void) json_object_object_add(line, "userName", json_object_new_string(key->user));
    (void) json_object_object_add(line, "modulus", json_object_new_string(key->modulus));
    (void) json_object_object_add(line, "exponent", json_object_new_string(key->exponent));
    (void) json_object_object_add(line, "email", json_object_new_string(MARK));
    (void) json_object_object_add(line, "expireOn",
                                  json_object_new_string(flt_utc(until_s).extended));
    flt_text_add(text, "%s",
                 json_object_to_json_string_ext(line, JSON_C_TO_STRING_PLAIN |
                                                          JSON_C_TO_STRING_NOSLASHESCAPE));
    json_object_put(line);
}

char *windows_keys_with(const char *value, const struct windows_key *key, int64_t until_s,
                        int64_t now_s)
{
    struct flt_text text;

    flt_text_open(&text);
    for (const char *at = value; at && *at;) {
        size_t len = strcspn(at, "\n");
        struct json_object *line = read_line(at, len);

        if (len > 0 && !(says(line, "email", MARK) && end_of(line) <= now_s))
            flt_text_add(&text, "%.*s\n", (int) len, at);
        json_object_put(line);
        at += len + (at[len] == '\n');
    }
    add_line(&text, key, until_s);
    return flt_text_take(&text);
}

static bool is_password(struct json_object *answer)
{
    return flt_json_text(answer, "encryptedPassword") != NULL;
}

/* The last password counts, which the agent has made after those before it. A failure that follows has left it. */
struct json_object *windows_answer(const char *contents, const struct windows_key *key)
{
    struct json_object *found = NULL;

    for (const char *at = contents; at && *at;) {
        size_t len = strcspn(at, "\r\n");
        const char *start = memchr(at, '{', len);
        struct json_object *line = start ? read_line(start, len - (size_t) (start - at)) : NULL;

        if (is_of(line, key) && (is_password(line) || !is_password(found))) {
            json_object_put(found);
            found = json_object_get(line);
        }
        json_object_put(line);
        at += len + (at[len] != '\0');
    }
    return found;
}
