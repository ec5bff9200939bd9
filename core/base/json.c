/* core/base/json.c - JSON from outside with limits and errors that name the field (json.h). */
#include "core/base/json.h"

#include <inttypes.h>
#include <string.h>

#define DEPTH_MAX 64

int json_parse(const char *text, size_t len, json_t **ret, struct error *err)
{
    struct json_tokener *tokener;
    json_t *value;
    enum json_tokener_error why;
    size_t end;

    if (len > INT32_MAX)
        return error_set(err, -EFBIG, "JSON of %zu bytes is too long", len);
    tokener = json_tokener_new_ex(DEPTH_MAX);
    if (!tokener)
        return error_set(err, -ENOMEM, "JSON: out of memory");
    /* Comments, trailing commas and bytes that are no UTF-8 are refused (hardening.md V14). What
     * follows the value is looked at below, where white space is allowed. */
    json_tokener_set_flags(tokener, JSON_TOKENER_STRICT | JSON_TOKENER_ALLOW_TRAILING_CHARS |
                                        JSON_TOKENER_VALIDATE_UTF8);
    value = json_tokener_parse_ex(tokener, text, (int) len);
    why = json_tokener_get_error(tokener);
    end = json_tokener_get_parse_end(tokener);
    /* A bare number is complete only when the text is known to end. */
    if (why == json_tokener_continue) {
        value = json_tokener_parse_ex(tokener, "", 1);
        why = json_tokener_get_error(tokener);
        end = len;
    }
    json_tokener_free(tokener);
    while (why == json_tokener_success && end < len && strchr(" \t\r\n", text[end]) && text[end])
        end++;
    if (why != json_tokener_success || end < len) {
        json_object_put(value);
        return error_set(err, -EINVAL, "JSON is broken at byte %zu: %s", end,
                         why == json_tokener_success ? "something follows the value"
                                                     : json_tokener_error_desc(why));
    }
    *ret = value;
    return 0;
}

/* 0 and *ret when there is a value, -ENOENT when it is missing or null. */
static int find(json_t *obj, const char *key, json_t **ret, struct error *err)
{
    if (!json_object_is_type(obj, json_type_object))
        return error_set(err, -EINVAL, "%s: its parent is no object", key);
    if (!json_object_object_get_ex(obj, key, ret) || !*ret)
        return error_set(err, -ENOENT, "%s: is missing", key);
    return 0;
}

static int wrong_type(struct error *err, const char *key, const char *want, json_t *got)
{
    return error_set(err, -EINVAL, "%s: must be %s, not %s", key, want,
                     json_type_to_name(json_object_get_type(got)));
}

int json_need_str(json_t *obj, const char *key, const char **ret, struct error *err)
{
    json_t *value = NULL;
    const char *text;
    int r = find(obj, key, &value, err);

    if (r < 0)
        return r;
    if (!json_object_is_type(value, json_type_string))
        return wrong_type(err, key, "a string", value);
    text = json_object_get_string(value);
    if (strlen(text) != (size_t) json_object_get_string_len(value))
        return error_set(err, -EINVAL, "%s: has a NUL byte", key);
    *ret = text;
    return 0;
}

int json_need_i64(json_t *obj, const char *key, int64_t min, int64_t max, int64_t *ret,
                  struct error *err)
{
    json_t *value = NULL;
    int64_t number;
    int r = find(obj, key, &value, err);

    if (r < 0)
        return r;
    if (!json_object_is_type(value, json_type_int))
        return wrong_type(err, key, "a whole number", value);
    number = json_object_get_int64(value);
    /* json-c gives the largest number for all that are larger. */
    if (number < min || number > max ||
        (number == INT64_MAX && json_object_get_uint64(value) > INT64_MAX))
        return error_set(err, -ERANGE, "%s: must be %" PRId64 " to %" PRId64 ", not %s", key, min,
                         max, json_object_get_string(value));
    *ret = number;
    return 0;
}

/* Turns "missing" of a json_need_* into "keep the default". */
static int optional(int r, struct error *err)
{
    if (r != -ENOENT)
        return r;
    if (err)
        *err = (struct error) { 0 };
    return 0;
}

int json_opt_str(json_t *obj, const char *key, const char **ret, struct error *err)
{
    return optional(json_need_str(obj, key, ret, err), err);
}

int json_opt_i64(json_t *obj, const char *key, int64_t min, int64_t max, int64_t *ret,
                 struct error *err)
{
    return optional(json_need_i64(obj, key, min, max, ret, err), err);
}

static int need_type(json_t *obj, const char *key, enum json_type type, const char *want,
                     json_t **ret, struct error *err)
{
    json_t *value = NULL;
    int r = find(obj, key, &value, err);

    if (r < 0)
        return r;
    if (!json_object_is_type(value, type))
        return wrong_type(err, key, want, value);
    *ret = value;
    return 0;
}

int json_opt_bool(json_t *obj, const char *key, bool *ret, struct error *err)
{
    json_t *value = NULL;
    int r = optional(need_type(obj, key, json_type_boolean, "true or false", &value, err), err);

    if (value)
        *ret = json_object_get_boolean(value);
    return r;
}

int json_opt_array(json_t *obj, const char *key, json_t **ret, struct error *err)
{
    return optional(need_type(obj, key, json_type_array, "an array", ret, err), err);
}

int json_opt_object(json_t *obj, const char *key, json_t **ret, struct error *err)
{
    return optional(need_type(obj, key, json_type_object, "an object", ret, err), err);
}

int json_add(json_t *obj, const char *key, json_t *value)
{
    if (!value)
        return -ENOMEM;
    if (!obj || json_object_object_add(obj, key, value) < 0) {
        json_object_put(value);
        return -ENOMEM;
    }
    return 0;
}

int json_add_str(json_t *obj, const char *key, const char *value)
{
    return value ? json_add(obj, key, json_object_new_string(value)) : 0;
}

int json_add_i64(json_t *obj, const char *key, int64_t value)
{
    return json_add(obj, key, json_object_new_int64(value));
}

int json_add_bool(json_t *obj, const char *key, bool value)
{
    return json_add(obj, key, json_object_new_boolean(value));
}

json_t *json_frame(const char *type)
{
    json_t *frame = json_object_new_object();

    if (json_add_str(frame, "type", type) < 0) {
        json_object_put(frame);
        return NULL;
    }
    return frame;
}

const char *json_text(json_t *json)
{
    return json_object_to_json_string_ext(json,
                                          JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE);
}

void json_quote(struct buf *out, const char *text, size_t len)
{
    size_t plain = 0; /* where what needs no escape begins */

    buf_add_char(out, '"');
    for (size_t i = 0; i < len; i++) {
        unsigned char c = (unsigned char) text[i];

        if (c >= 0x20 && c != '"' && c != '\\')
            continue;
        buf_add(out, text + plain, i - plain);
        plain = i + 1;
        if (c == '\n')
            buf_add_str(out, "\\n");
        else if (c < 0x20)
            buf_addf(out, "\\u%04x", c);
        else {
            buf_add_char(out, '\\');
            buf_add_char(out, (char) c);
        }
    }
    buf_add(out, text + plain, len - plain);
    buf_add_char(out, '"');
}
