/* sdk/lib/json.c - see json.h. */
#include "sdk/lib/json.h"

#include <inttypes.h>
#include <string.h>

#define DEPTH_MAX 64
#define NAME_MAX_BYTES 64

static int is_white(const char *text, size_t len)
{
    for (size_t i = 0; i < len; i++)
        if (text[i] == '\0' || !strchr(" \t\r\n", text[i]))
            return 0;
    return 1;
}

int flt_json_parse(const char *text, size_t len, struct json_object **ret, char *error)
{
    struct json_tokener *tokener = len < INT32_MAX ? json_tokener_new_ex(DEPTH_MAX) : NULL;
    struct json_object *value;
    enum json_tokener_error why;
    size_t end;

    if (!tokener) {
        (void) snprintf(error, FLT_ERROR_MAX, "JSON of %zu bytes: out of memory", len);
        return -1;
    }
    json_tokener_set_flags(tokener, JSON_TOKENER_STRICT | JSON_TOKENER_ALLOW_TRAILING_CHARS |
                                        JSON_TOKENER_VALIDATE_UTF8);
    value = json_tokener_parse_ex(tokener, text, (int) len);
    why = json_tokener_get_error(tokener);
    end = json_tokener_get_parse_end(tokener);
    if (why == json_tokener_continue) { /* a bare number ends where the text does */
        value = json_tokener_parse_ex(tokener, "", 1);
        why = json_tokener_get_error(tokener);
        end = len;
    }
    json_tokener_free(tokener);
    if (why == json_tokener_success && is_white(text + end, len - end)) {
        *ret = value;
        return 0;
    }
    json_object_put(value);
    (void) snprintf(error, FLT_ERROR_MAX, "JSON is broken at byte %zu: %s", end,
                    why == json_tokener_success ? "something follows the value"
                                                : json_tokener_error_desc(why));
    return -1;
}

struct json_object *flt_json_find(struct json_object *object, const char *path)
{
    while (object && *path) {
        char name[NAME_MAX_BYTES];
        size_t len = strcspn(path, ".");

        if (len >= sizeof(name) || !json_object_is_type(object, json_type_object))
            return NULL;
        memcpy(name, path, len);
        name[len] = '\0';
        object = json_object_object_get(object, name);
        path += len + (path[len] == '.');
    }
    return object;
}

/* NULL also for a string with a NUL byte, which none of ours may have. */
static const char *text_of(struct json_object *value)
{
    const char *text;

    if (!json_object_is_type(value, json_type_string))
        return NULL;
    text = json_object_get_string(value);
    return strlen(text) == (size_t) json_object_get_string_len(value) ? text : NULL;
}

const char *flt_json_text(struct json_object *object, const char *path)
{
    return text_of(flt_json_find(object, path));
}

static int fail(const char *path, const char *what, char *error)
{
    if (error)
        (void) snprintf(error, FLT_ERROR_MAX, "%.300s %s", path, what);
    return -1;
}

int flt_json_opt_text(struct json_object *object, const char *path, const char **ret, char *error)
{
    struct json_object *value = flt_json_find(object, path);
    const char *text = text_of(value);

    if (value && !text)
        return fail(path, "must be a string", error);
    if (value)
        *ret = text;
    return 0;
}

int flt_json_opt_i64(struct json_object *object, const char *path, int64_t min, int64_t max,
                     int64_t *ret, char *error)
{
    struct json_object *value = flt_json_find(object, path);
    int64_t number = value ? json_object_get_int64(value) : 0;
    char what[96];

    if (!value)
        return 0;
    /* json-c gives the largest number for all that are larger. */
    if (!json_object_is_type(value, json_type_int) || number < min || number > max ||
        (number == INT64_MAX && json_object_get_uint64(value) > INT64_MAX)) {
        (void) snprintf(what, sizeof(what), "must be a whole number from %" PRId64 " to %" PRId64,
                        min, max);
        return fail(path, what, error);
    }
    *ret = number;
    return 0;
}

int flt_json_opt_bool(struct json_object *object, const char *path, int *ret, char *error)
{
    struct json_object *value = flt_json_find(object, path);

    if (value && !json_object_is_type(value, json_type_boolean))
        return fail(path, "must be true or false", error);
    if (value)
        *ret = json_object_get_boolean(value) != 0;
    return 0;
}

int flt_json_need_text(struct json_object *object, const char *path, const char **ret, char *error)
{
    return flt_json_find(object, path) ? flt_json_opt_text(object, path, ret, error)
                                       : fail(path, "is missing", error);
}

int flt_json_need_i64(struct json_object *object, const char *path, int64_t min, int64_t max,
                      int64_t *ret, char *error)
{
    return flt_json_find(object, path) ? flt_json_opt_i64(object, path, min, max, ret, error)
                                       : fail(path, "is missing", error);
}
