/* core/config/plugin_keys.c - plugin_config against the keys that the plugin tells (`config_keys` of
 * flotilla/provider.h), offline: which are unknown, missing or of another type.
 *
 * The keys are a plugin's word: a type that is none of the ABI's is not judged.
 */
#include "core/base/buf.h"
#include "core/base/str.h"
#include "core/config/checks.h"
#include "core/config/unknown.h"

#define SECTION "[runners.autoscaler.plugin_config]"
#define SHOWN_MAX 200
#define DURATION_WANTED "a duration such as \"1m30s\""

static const char *text_of(json_t *key, const char *member)
{
    const char *text = "";

    (void) json_opt_str(key, member, &text, NULL);
    return text;
}

/* NULL when the value is of the type. */
static const char *wanted_instead(const char *type, const struct toml_value *value)
{
    static const struct {
        const char *name;
        enum toml_type type;
        const char *wanted;
    } types[] = {
        { "string", TOML_STRING, "a string" },        { "integer", TOML_INTEGER, "a whole number" },
        { "boolean", TOML_BOOLEAN, "true or false" }, { "table", TOML_TABLE, "a table" },
        { "list", TOML_ARRAY, "an array" },           { "duration", TOML_STRING, DURATION_WANTED },
    };
    int64_t ms;

    for (size_t i = 0; i < ARRAY_LEN(types); i++) {
        if (!str_eq(type, types[i].name))
            continue;
        if (value->type != types[i].type)
            return types[i].wanted;
        return str_eq(type, "duration") && parse_duration_ms(value->text, &ms) < 0 ? types[i].wanted
                                                                                   : NULL;
    }
    return NULL;
}

static json_t *find_key(json_t *keys, const char *name)
{
    for (size_t i = 0; i < json_object_array_length(keys); i++) {
        json_t *key = json_object_array_get_idx(keys, i);

        if (str_eq(text_of(key, "name"), name))
            return key;
    }
    return NULL;
}

/* Words may be a secret and are not shown, but for those where a duration has to be. */
static void say_wrong(struct config_reading *reading, const struct toml_value *value,
                      const char *wanted)
{
    autobuf struct buf shown = BUF_INIT;

    if (value->type == TOML_STRING && str_eq(wanted, DURATION_WANTED)) {
        buf_add_str(&shown, "\"");
        str_display(&shown, value->text, strlen(value->text), SHOWN_MAX);
        buf_add_str(&shown, "\"");
    } else {
        buf_add_str(&shown, toml_type_name(value->type));
    }
    finding_add(reading, CONFIG_ERROR, value->place, SECTION " '%s' must be %s, not %s", value->key,
                wanted, buf_str(&shown));
}

static void check_value(struct config_reading *reading, json_t *keys,
                        const struct toml_value *value)
{
    json_t *key = find_key(keys, value->key);
    const char *wanted = key ? wanted_instead(text_of(key, "type"), value) : NULL;
    struct nearest nearest = nearest_to(value->key);

    if (wanted)
        say_wrong(reading, value, wanted);
    if (key)
        return;
    for (size_t i = 0; i < json_object_array_length(keys); i++)
        nearest_try(&nearest, text_of(json_object_array_get_idx(keys, i), "name"));
    unknown_key(reading, SECTION, value, nearest.found);
}

static void check_required(struct config_reading *reading, json_t *keys,
                           const struct toml_value *autoscaler, const struct toml_value *config)
{
    for (size_t i = 0; i < json_object_array_length(keys); i++) {
        json_t *key = json_object_array_get_idx(keys, i);
        const char *name = text_of(key, "name");
        autobuf struct buf shown = BUF_INIT;
        bool required = false;

        (void) json_opt_bool(key, "required", &required, NULL);
        if (!required || (config && toml_find(config, name)))
            continue;
        str_display(&shown, name, strlen(name), SHOWN_MAX);
        finding_add(reading, CONFIG_ERROR, config ? config->place : autoscaler->place,
                    SECTION " '%s' is missing, which the plugin needs", buf_str(&shown));
    }
}

void check_plugin_config(struct config_reading *reading, const struct toml_value *table)
{
    const struct toml_value *plugin = toml_find(table, "plugin");
    const struct toml_value *config = toml_find(table, "plugin_config");
    autojson json_t *keys = NULL;
    autobuf struct buf shown = BUF_INIT;
    struct error err = { 0 };
    int r;

    if (config && config->type != TOML_TABLE)
        return;
    r = reading->plugins->keys(reading->plugins->arg, plugin->text, &keys, &err);
    if (r < 0) {
        str_display(&shown, err.message, strlen(err.message), sizeof(err.message));
        finding_add(
            reading, r == -ENOENT ? CONFIG_NOTE : CONFIG_WARNING, plugin->place,
            "%s 'plugin': %s; 'flotilla run' refuses the runner here, and 'plugin_config' is not "
            "checked",
            reading->section, buf_str(&shown));
        return;
    }
    if (json_object_array_length(keys) == 0) {
        finding_add(reading, CONFIG_NOTE, plugin->place,
                    "%s 'plugin' does not tell the keys of its 'plugin_config', which is not "
                    "checked",
                    reading->section);
        return;
    }
    for (size_t i = 0; config && i < config->n_items; i++)
        check_value(reading, keys, &config->items[i]);
    check_required(reading, keys, table, config);
}
