/* options.c - plugin_config of the local provider: parsing, and the table that describes the keys.
 */

#include "local.h"

#include <inttypes.h>
#include <json-c/json.h>
#include <limits.h>
#include <string.h>

#include "sdk/lib/duration.h"

static const struct flt_config_key keys[] = {
#define KEY(n, t, d, h)                                                                            \
    {                                                                                              \
        .struct_size = sizeof(struct flt_config_key), .name = n, .type = t, .default_value = d,    \
        .help = h                                                                                  \
    }
    KEY("name", "string", "local", "name of the group: letters, digits, '.', '_' and '-'"),
    KEY("state_dir", "string", NULL,
        "directory of the group's instances; default local/NAME below the host's state directory"),
    KEY("max_size", "integer", "10", "the most instances the group may have, 1 to 10000"),
    KEY("quota", "integer", "0",
        "the most instances that growth gives, below max_size; beyond it growth is answered with a "
        "quota error. 0 = max_size alone"),
    KEY("price_micros_hour", "integer", "0",
        "what an instance costs, in millionths of the currency an hour; 0 = not known"),
    KEY("minimum_billed", "duration", "0s",
        "instances are charged for in pieces of this, a started one in full"),
    KEY("minimum_life", "duration", "0s", "what an instance is charged for at least"),
    KEY("boot_delay", "duration", "0s", "an instance is 'creating' for this long"),
    KEY("boot_timeout", "duration", "60s",
        "with failure = \"never_boots\": after this an instance is reported as failed"),
    KEY("sshd", "string", NULL, "absolute path of sshd; default /usr/sbin/sshd, then PATH"),
    KEY("failure", "string", "",
        "for tests, how instances fail: \"never_boots\", \"dies\", \"dead_end\" or \"\""),
    KEY("dies_after", "duration", "10s",
        "with failure = \"dies\": the instance is killed this long after it booted"),
    KEY("increase_error", "string", "",
        "for tests, what every growth is answered with: \"quota\", \"throttled\", \"unavailable\", "
        "\"auth\", \"invalid\", \"internal\", \"timeout\" or \"\""),
#undef KEY
};

static const struct {
    const char *name;
    int32_t code;
} errors[] = {
    { "", FLT_OK },
    { "quota", FLT_E_QUOTA },
    { "throttled", FLT_E_THROTTLED },
    { "unavailable", FLT_E_UNAVAILABLE },
    { "auth", FLT_E_AUTH },
    { "invalid", FLT_E_INVALID },
    { "internal", FLT_E_INTERNAL },
    { "timeout", FLT_E_TIMEOUT },
};

static const char *const failures[] = {
    [LOCAL_FAILURE_NONE] = "",
    [LOCAL_FAILURE_NEVER_BOOTS] = "never_boots",
    [LOCAL_FAILURE_DIES] = "dies",
    [LOCAL_FAILURE_DEAD_END] = "dead_end",
};

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

/* What the readers below need to name the key they stumble over. */
struct reader {
    const struct flt_host *host;
    flt_call *call;
    struct json_object *root;
};

const char *failure_name(enum local_failure failure)
{
    return failures[failure];
}

bool failure_parse(const char *text, enum local_failure *ret)
{
    for (size_t i = 0; i < COUNT(failures); i++)
        if (strcmp(text, failures[i]) == 0) {
            *ret = (enum local_failure) i;
            return true;
        }
    return false;
}

int32_t options_describe(flt_key_sink sink, void *arg)
{
    for (size_t i = 0; i < COUNT(keys); i++)
        if (sink(arg, &keys[i]) != 0)
            return FLT_E_CANCELLED;
    return FLT_OK;
}

static int32_t wrong(const struct reader *r, const char *key, const char *want)
{
    return flt_failf(r->host, r->call, FLT_E_INVALID, 0, "plugin_config.%s must be %s", key, want);
}

/* Leaves `dst` alone when the key is absent. */
static int32_t read_string(const struct reader *r, const char *key, char *dst, size_t size)
{
    struct json_object *value;
    const char *text;
    size_t len;

    if (!json_object_object_get_ex(r->root, key, &value))
        return FLT_OK;
    if (!json_object_is_type(value, json_type_string))
        return wrong(r, key, "a string");
    text = json_object_get_string(value);
    len = (size_t) json_object_get_string_len(value);
    if (strlen(text) != len)
        return wrong(r, key, "a string without NUL bytes");
    if (len >= size)
        return flt_failf(r->host, r->call, FLT_E_INVALID, 0,
                         "plugin_config.%s is %zu bytes long, at most %zu are possible", key, len,
                         size - 1);
    memcpy(dst, text, len + 1);
    return FLT_OK;
}

bool path_is_usable(const char *path)
{
    for (const char *p = path; *p; p++)
        if ((unsigned char) *p < ' ' || *p == 127 || strchr("'\"\\%#", *p))
            return false;
    return *path == '/';
}

static int32_t read_path(const struct reader *r, const char *key, char *dst, size_t size)
{
    int32_t code = read_string(r, key, dst, size);

    if (code != FLT_OK || !*dst)
        return code;
    if (*dst != '/')
        return wrong(r, key, "an absolute path");
    if (!path_is_usable(dst))
        return wrong(r, key, "a path without quotes, '\\', '%', '#' and control characters");
    return FLT_OK;
}

static int32_t read_duration(const struct reader *r, const char *key, int64_t *ret_ms)
{
    struct json_object *value;

    if (json_object_object_get_ex(r->root, key, &value) && flt_duration_of_json(value, ret_ms) < 0)
        return wrong(r, key, FLT_DURATION_WANTED);
    return FLT_OK;
}

static int32_t read_integer(const struct reader *r, const char *key, int64_t min, int64_t max,
                            int64_t *ret)
{
    struct json_object *value;
    int64_t number;

    if (!json_object_object_get_ex(r->root, key, &value))
        return FLT_OK;
    if (!json_object_is_type(value, json_type_int))
        return wrong(r, key, "an integer");
    number = json_object_get_int64(value);
    if (number < min || number > max)
        return flt_failf(r->host, r->call, FLT_E_INVALID, 0,
                         "plugin_config.%s must be between %" PRIi64 " and %" PRIi64, key, min,
                         max);
    *ret = number;
    return FLT_OK;
}

static int32_t read_name(const struct reader *r, char *dst, size_t size)
{
    int32_t code = read_string(r, "name", dst, size);

    if (code != FLT_OK)
        return code;
    if (!*dst || *dst == '.' || *dst == '-')
        return wrong(r, "name", "a name that begins with a letter, a digit or '_'");
    for (const char *p = dst; *p; p++)
        if (!((*p >= 'a' && *p <= 'z') || (*p >= 'A' && *p <= 'Z') || (*p >= '0' && *p <= '9') ||
              strchr("._-", *p)))
            return wrong(r, "name", "made of letters, digits, '.', '_' and '-'");
    return FLT_OK;
}

static int32_t read_failure(const struct reader *r, enum local_failure *ret)
{
    char text[32] = "";
    int32_t code = read_string(r, "failure", text, sizeof(text));

    if (code == FLT_OK && !failure_parse(text, ret))
        code = wrong(r, "failure", "\"never_boots\", \"dies\", \"dead_end\" or \"\"");
    return code;
}

static int32_t read_increase_error(const struct reader *r, int32_t *ret)
{
    char text[32] = "";
    int32_t code = read_string(r, "increase_error", text, sizeof(text));

    if (code != FLT_OK)
        return code;
    for (size_t i = 0; i < COUNT(errors); i++)
        if (strcmp(text, errors[i].name) == 0) {
            *ret = errors[i].code;
            return FLT_OK;
        }
    return wrong(r, "increase_error",
                 "\"quota\", \"throttled\", \"unavailable\", \"auth\", \"invalid\", \"internal\", "
                 "\"timeout\" or \"\"");
}

static void warn_unknown(const struct reader *r)
{
    json_object_object_foreach(r->root, key, value)
    {
        bool known = false;

        (void) value;
        for (size_t i = 0; i < COUNT(keys) && !known; i++)
            known = strcmp(key, keys[i].name) == 0;
        if (!known)
            flt_logf(r->host, r->call, FLT_LOG_WARNING,
                     "plugin_config has an unknown key '%.64s', ignoring", key);
    }
}

static int32_t read_all(const struct reader *r, struct local_options *o)
{
    int32_t code;

    if ((code = read_name(r, o->name, sizeof(o->name))) != FLT_OK ||
        (code = read_path(r, "state_dir", o->state_dir, sizeof(o->state_dir))) != FLT_OK ||
        (code = read_path(r, "sshd", o->sshd, sizeof(o->sshd))) != FLT_OK ||
        (code = read_integer(r, "max_size", 1, 10000, &o->max_size)) != FLT_OK ||
        (code = read_integer(r, "quota", 0, 10000, &o->quota)) != FLT_OK ||
        (code = read_integer(r, "price_micros_hour", 0, INT64_C(1000000000000),
                             &o->price_micros_hour)) != FLT_OK ||
        (code = read_duration(r, "minimum_billed", &o->minimum_billed_ms)) != FLT_OK ||
        (code = read_duration(r, "minimum_life", &o->minimum_life_ms)) != FLT_OK ||
        (code = read_duration(r, "boot_delay", &o->boot_delay_ms)) != FLT_OK ||
        (code = read_duration(r, "boot_timeout", &o->boot_timeout_ms)) != FLT_OK ||
        (code = read_duration(r, "dies_after", &o->dies_after_ms)) != FLT_OK ||
        (code = read_failure(r, &o->failure)) != FLT_OK)
        return code;
    return read_increase_error(r, &o->increase_error);
}

int32_t options_parse(const struct flt_host *host, flt_call *call, const char *json,
                      struct local_options *ret)
{
    struct local_options o = {
        .name = "local",
        .max_size = 10,
        .boot_timeout_ms = 60000,
        .dies_after_ms = 10000,
    };
    struct reader r = { .host = host, .call = call };
    int32_t code;

    r.root = json && *json ? json_tokener_parse(json) : json_object_new_object();
    if (!json_object_is_type(r.root, json_type_object)) {
        json_object_put(r.root);
        return host->fail(call, FLT_E_INVALID, 0, "plugin_config is not a JSON object");
    }
    warn_unknown(&r);
    code = read_all(&r, &o);
    json_object_put(r.root);
    if (code == FLT_OK)
        *ret = o;
    return code;
}
