/* sdk/lib/plugin_options.c - see plugin_options.h. */
#include "sdk/lib/plugin_options.h"

#include "sdk/lib/duration.h"
#include "sdk/lib/wipe.h"

#include <string.h>

#define TEXT_MAX 1024
#define DIGITS "0123456789"
#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

int32_t flt_options_describe(const struct flt_option_table *table, flt_key_sink sink, void *arg)
{
    for (size_t i = 0; i < table->n; i++)
        if (sink(arg, &table->options[i].key) != 0)
            return FLT_E_CANCELLED;
    return FLT_OK;
}

/* NULL when it is no string, or has a control character in it. */
static const char *plain_text(struct json_object *value)
{
    const char *text =
        json_object_is_type(value, json_type_string) ? json_object_get_string(value) : NULL;

    if (!text || strlen(text) != (size_t) json_object_get_string_len(value))
        return NULL;
    for (const char *p = text; *p; p++)
        if ((unsigned char) *p < ' ' || *p == 127)
            return NULL;
    return strlen(text) <= TEXT_MAX ? text : NULL;
}

static bool is_url(const char *text)
{
    const char *host = strncmp(text, "https://", 8) == 0  ? text + 8
                       : strncmp(text, "http://", 7) == 0 ? text + 7
                                                          : "";

    return *host && *host != '/' && *host != ':' && !strpbrk(host, " @?#\\");
}

/* "0.0416" in millionths: 41600; -1 when it is no price. */
static int64_t parse_price(const char *text)
{
    size_t whole = strspn(text, DIGITS);
    size_t part = text[whole] == '.' ? strspn(text + whole + 1, DIGITS) : 0;
    int64_t micros = 0, unit = 1000000;

    if (whole < 1 || whole > 6 || part > 6 || text[part > 0 ? whole + 1 + part : whole])
        return -1;
    for (size_t i = 0; i < whole; i++)
        micros = micros * 10 + (text[i] - '0') * unit;
    for (size_t i = whole + 1; part > 0 && i <= whole + part; i++)
        micros += (text[i] - '0') * (unit /= 10);
    return micros;
}

/* An empty text is one that is not said, unless the key is required. */
static bool read_text(const struct flt_option *option, const char *text, const char **ret)
{
    if (!text || (!*text && option->key.required))
        return false;
    if (*text && ((option->kind == FLT_OPTION_URL && !is_url(text)) ||
                  (option->fits && !option->fits(text))))
        return false;
    *ret = *text ? text : NULL;
    return true;
}

static bool read_price(const char *text, int64_t *ret)
{
    *ret = text ? parse_price(text) : -1;
    return *ret >= 0;
}

static bool read_choice(const struct flt_option *option, const char *text, unsigned *ret)
{
    for (unsigned i = 0; text && option->choices[i]; i++)
        if (strcmp(text, option->choices[i]) == 0) {
            *ret = i;
            return true;
        }
    return false;
}

static bool read_value(const struct flt_option *option, struct json_object *value, char *at)
{
    void *field = at + option->offset;

    switch (option->kind) {
    case FLT_OPTION_TEXT:
    case FLT_OPTION_URL:
        return read_text(option, plain_text(value), field);
    case FLT_OPTION_BOOL:
        *(bool *) field = json_object_get_boolean(value);
        return json_object_is_type(value, json_type_boolean);
    case FLT_OPTION_DURATION:
        return flt_duration_of_json(value, field) == 0;
    case FLT_OPTION_PRICE:
        return read_price(plain_text(value), field);
    case FLT_OPTION_CHOICE:
        return read_choice(option, plain_text(value), field);
    }
    return false;
}

static const char *wanted(const struct flt_option *option)
{
    static const char *const of_kind[] = {
        [FLT_OPTION_TEXT] = "a text without control characters, at most 1024 bytes long",
        [FLT_OPTION_URL] = "a URL such as \"https://host:port\", without a query",
        [FLT_OPTION_BOOL] = "true or false",
        [FLT_OPTION_DURATION] = FLT_DURATION_WANTED,
        [FLT_OPTION_PRICE] = "a price such as \"0.0416\"",
        [FLT_OPTION_CHOICE] = "one of those that 'flotilla plugin info' names",
    };

    return option->want ? option->want : of_kind[option->kind];
}

static const struct flt_option *find_option(const struct flt_option_table *table, const char *name)
{
    for (size_t i = 0; i < table->n; i++)
        if (strcmp(table->options[i].key.name, name) == 0)
            return &table->options[i];
    return NULL;
}

static int32_t read_all(const struct flt_option_table *table, const struct flt_host *host,
                        flt_call *call, struct json_object *document, void *ret)
{
    json_object_object_foreach(document, key, value)
    {
        const struct flt_option *option = find_option(table, key);

        if (!option)
            flt_logf(host, call, FLT_LOG_WARNING,
                     "plugin_config has an unknown key '%.64s', ignoring", key);
        else if (!read_value(option, value, ret))
            return flt_failf(host, call, FLT_E_INVALID, 0, "plugin_config.%s must be %s", key,
                             wanted(option));
    }
    for (size_t i = 0; i < table->n; i++)
        if (table->options[i].key.required &&
            !json_object_object_get_ex(document, table->options[i].key.name, NULL))
            return flt_failf(host, call, FLT_E_INVALID, 0, "plugin_config.%s is missing: the %s",
                             table->options[i].key.name, table->options[i].key.help);
    return FLT_OK;
}

int32_t flt_options_read(const struct flt_option_table *table, const struct flt_host *host,
                         flt_call *call, const char *plugin_config, void *ret,
                         struct json_object **ret_document)
{
    *ret_document = json_tokener_parse(plugin_config);
    if (!json_object_is_type(*ret_document, json_type_object))
        return host->fail(call, FLT_E_INVALID, 0, "plugin_config is not a JSON object");
    return read_all(table, host, call, *ret_document, ret);
}

/* connector_config. */

/* Out of the parsed document, where it would stay as it is. */
static bool take_key(struct json_object *document, char **ret)
{
    struct json_object *value = json_object_object_get(document, "key");
    const char *text =
        json_object_is_type(value, json_type_string) ? json_object_get_string(value) : "";
    char *copy = *text ? strdup(text) : NULL;
    bool lost = *text && !copy;

    if (*text)
        explicit_bzero((char *) (uintptr_t) text, strlen(text));
    json_object_object_del(document, "key");
    *ret = copy;
    return !lost;
}

int32_t flt_connector_read(const struct flt_host *host, flt_call *call,
                           const char *connector_config, struct flt_connector *ret)
{
    static const struct flt_option texts[] = {
#define TEXT(name) { FLT_OPTION(#name, "string", TEXT, struct flt_connector, name) }
        TEXT(os), TEXT(arch), TEXT(protocol), TEXT(username), TEXT(host_key_policy),
#undef TEXT
    };
    struct json_object *document = json_tokener_parse(connector_config), *value;

    *ret = (struct flt_connector) { .document = document };
    if (!json_object_is_type(document, json_type_object))
        return host->fail(call, FLT_E_INVALID, 0, "connector_config is not a JSON object");
    for (size_t i = 0; i < COUNT(texts); i++)
        if (json_object_object_get_ex(document, texts[i].key.name, &value) &&
            !read_value(&texts[i], value, (char *) ret))
            return flt_failf(host, call, FLT_E_INVALID, 0, "connector_config.%s must be %s",
                             texts[i].key.name, wanted(&texts[i]));
    ret->use_static_credentials =
        json_object_get_boolean(json_object_object_get(document, "use_static_credentials"));
    ret->has_password =
        json_object_get_string_len(json_object_object_get(document, "password")) > 0;
    return take_key(document, &ret->key) ? FLT_OK
                                         : host->fail(call, FLT_E_INTERNAL, 0, "out of memory");
}

void flt_connector_done(struct flt_connector *connector)
{
    flt_wipe(connector->key);
    json_object_put(connector->document);
    *connector = (struct flt_connector) { 0 };
}
