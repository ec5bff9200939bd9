/* core/config/schema.c - fills a struct from a TOML tree as the rows of a section say.
 *
 * Knows kinds of settings, not settings: those are in settings.c. A finding never ends the walk, so
 * that one reading names everything that is wrong.
 */
#include "core/config/schema.h"

#include <inttypes.h>
#include <stdlib.h>

#include "core/base/buf.h"
#include "core/base/mem.h"
#include "core/base/str.h"

/* What is shown of a wrong value. */
#define SHOWN_MAX 80

static void *member(void *record, size_t offset)
{
    return (char *) record + offset;
}

static void store_text(struct config_reading *reading, char **member_ret, const char *text)
{
    char *copy = mem_strdup(text);

    if (!copy) {
        reading->out_of_memory = true;
        return;
    }
    free(*member_ret);
    *member_ret = copy;
}

static void fill_defaults(struct config_reading *reading, const struct section *section,
                          void *record)
{
    for (size_t i = 0; i < section->n_settings; i++) {
        const struct setting *setting = &section->settings[i];
        void *at = member(record, setting->offset);

        switch (setting->kind) {
        case SETTING_INTEGER:
        case SETTING_DURATION:
            *(int64_t *) at = setting->initial;
            break;
        case SETTING_SECONDS:
            *(int64_t *) at = setting->initial * 1000;
            break;
        case SETTING_BOOL:
            *(bool *) at = setting->initial != 0;
            break;
        case SETTING_TRISTATE:
            *(int *) at = -1;
            break;
        case SETTING_TEXT:
            if (setting->initial_text)
                store_text(reading, at, setting->initial_text);
            break;
        case SETTING_JSON:
            *(json_t **) at = json_object_new_object();
            if (!*(json_t **) at)
                reading->out_of_memory = true;
            break;
        case SETTING_SECTION:
            fill_defaults(reading, setting->section, at);
            break;
        default:
            break;
        }
    }
}

/* Where a message points: at the key, which is what one looks for in the file. */
static struct toml_place place_of(const struct toml_value *value)
{
    return value->key_place.line > 0 ? value->key_place : value->place;
}

static const char *wanted(const struct setting *setting)
{
    switch (setting->kind) {
    case SETTING_TEXT:
    case SETTING_SECRET:
        return "a string";
    case SETTING_INTEGER:
        return "a whole number";
    case SETTING_SECONDS:
        return "a whole number of seconds";
    case SETTING_DURATION:
        return "a duration such as \"1m30s\"";
    case SETTING_BOOL:
    case SETTING_TRISTATE:
        return "true or false";
    case SETTING_REAL:
        return "a number";
    case SETTING_TEXTS:
        return "an array of strings";
    case SETTING_SECTIONS:
        return "an array of tables";
    default:
        return "a table";
    }
}

static void wrong_type(struct config_reading *reading, const struct section *section,
                       const struct setting *setting, const struct toml_value *value)
{
    finding_add(reading, CONFIG_ERROR, value->place, "%s '%s' must be %s, not %s", section->name,
                setting->name, wanted(setting), toml_type_name(value->type));
}

static void fill_integer(struct config_reading *reading, const struct section *section,
                         const struct setting *setting, const struct toml_value *value,
                         int64_t *ret)
{
    int64_t factor = setting->kind == SETTING_SECONDS ? 1000 : 1;

    if (value->type != TOML_INTEGER) {
        wrong_type(reading, section, setting, value);
        return;
    }
    if (value->integer == 0 && (setting->flags & SETTING_ZERO_IS_DEFAULT))
        return;
    if (value->integer < setting->min || value->integer > setting->max) {
        finding_add(reading, CONFIG_ERROR, value->place,
                    "%s '%s' must be %" PRId64 " to %" PRId64 ", not %" PRId64, section->name,
                    setting->name, setting->min, setting->max, value->integer);
        return;
    }
    *ret = value->integer * factor;
}

static void duration_out_of_range(struct config_reading *reading, const struct section *section,
                                  const struct setting *setting, const struct toml_value *value)
{
    autobuf struct buf min = BUF_INIT;
    autobuf struct buf max = BUF_INIT;

    format_duration(&min, setting->min);
    format_duration(&max, setting->max);
    finding_add(reading, CONFIG_ERROR, value->place, "%s '%s' must be %s to %s, not %s",
                section->name, setting->name, buf_str(&min), buf_str(&max), value->text);
}

static void fill_duration(struct config_reading *reading, const struct section *section,
                          const struct setting *setting, const struct toml_value *value,
                          int64_t *ret)
{
    autobuf struct buf shown = BUF_INIT;
    int64_t ms;
    int r;

    if (value->type != TOML_STRING) {
        wrong_type(reading, section, setting, value);
        return;
    }
    r = parse_duration_ms(value->text, &ms);
    if (r == -EINVAL) {
        str_display(&shown, value->text, strlen(value->text), SHOWN_MAX);
        finding_add(reading, CONFIG_ERROR, value->place, "%s '%s' must be %s, not \"%s\"",
                    section->name, setting->name, wanted(setting), buf_str(&shown));
        return;
    }
    if (r == 0 && ms == 0 && (setting->flags & SETTING_ZERO_IS_DEFAULT))
        return;
    if (r < 0 || ms < setting->min || ms > setting->max) {
        duration_out_of_range(reading, section, setting, value);
        return;
    }
    *ret = ms;
}

static void fill_real(struct config_reading *reading, const struct section *section,
                      const struct setting *setting, const struct toml_value *value, double *ret)
{
    double number;

    if (value->type != TOML_FLOAT && value->type != TOML_INTEGER) {
        wrong_type(reading, section, setting, value);
        return;
    }
    number = value->type == TOML_FLOAT ? value->real : (double) value->integer;
    /* The comparison is false for a NaN, too. */
    if (!(number >= (double) setting->min && number <= (double) setting->max)) {
        finding_add(reading, CONFIG_ERROR, value->place,
                    "%s '%s' must be %" PRId64 " to %" PRId64 ", not %g", section->name,
                    setting->name, setting->min, setting->max, number);
        return;
    }
    *ret = number;
}

static bool is_choice(const struct setting *setting, const char *text, struct buf *choices)
{
    if (!setting->choices)
        return true;
    for (const char *const *choice = setting->choices; *choice; choice++) {
        if (str_eq(*choice, text))
            return true;
        buf_addf(choices, "%s%s", choices->len > 0 ? ", " : "", *choice);
    }
    return false;
}

static void fill_text(struct config_reading *reading, const struct section *section,
                      const struct setting *setting, const struct toml_value *value, char **ret)
{
    autobuf struct buf choices = BUF_INIT;
    autobuf struct buf shown = BUF_INIT;

    if (value->type != TOML_STRING) {
        wrong_type(reading, section, setting, value);
        return;
    }
    if (!is_choice(setting, value->text, &choices)) {
        str_display(&shown, value->text, strlen(value->text), SHOWN_MAX);
        finding_add(reading, CONFIG_ERROR, value->place, "%s '%s' must be one of %s, not \"%s\"",
                    section->name, setting->name, buf_str(&choices), buf_str(&shown));
        return;
    }
    store_text(reading, ret, value->text);
}

static void fill_secret(struct config_reading *reading, const struct section *section,
                        const struct setting *setting, const struct toml_value *value,
                        struct secret **ret)
{
    if (value->type != TOML_STRING) {
        wrong_type(reading, section, setting, value);
        return;
    }
    *ret = secret_from_str(value->text);
    if (!*ret)
        reading->out_of_memory = true;
}

static void fill_bool(struct config_reading *reading, const struct section *section,
                      const struct setting *setting, const struct toml_value *value, void *ret)
{
    if (value->type != TOML_BOOLEAN)
        wrong_type(reading, section, setting, value);
    else if (setting->kind == SETTING_TRISTATE)
        *(int *) ret = value->truth;
    else
        *(bool *) ret = value->truth;
}

static void fill_texts(struct config_reading *reading, const struct section *section,
                       const struct setting *setting, const struct toml_value *value, char ***ret,
                       size_t *ret_count)
{
    if (value->type != TOML_ARRAY) {
        wrong_type(reading, section, setting, value);
        return;
    }
    *ret = mem_array(value->n_items, sizeof(char *));
    if (!*ret) {
        reading->out_of_memory = true;
        return;
    }
    for (size_t i = 0; i < value->n_items; i++) {
        if (value->items[i].type == TOML_STRING) {
            store_text(reading, &(*ret)[*ret_count], value->items[i].text);
            *ret_count += (*ret)[*ret_count] != NULL;
        } else {
            wrong_type(reading, section, setting, &value->items[i]);
        }
    }
}

static void fill_json(struct config_reading *reading, const struct section *section,
                      const struct setting *setting, const struct toml_value *value, json_t **ret)
{
    json_t *json;

    if (value->type != TOML_TABLE) {
        wrong_type(reading, section, setting, value);
        return;
    }
    json = toml_to_json(reading, value);
    if (!json)
        return;
    json_object_put(*ret);
    *ret = json;
}

static void fill_members(struct config_reading *reading, const struct section *section,
                         const struct toml_value *table, void *record);

static void fill_sections(struct config_reading *reading, const struct section *section,
                          const struct setting *setting, const struct toml_value *value, void **ret,
                          size_t *ret_count)
{
    const struct section *inner = setting->section;

    if (value->type != TOML_ARRAY) {
        wrong_type(reading, section, setting, value);
        return;
    }
    *ret = mem_array(value->n_items, inner->size);
    if (!*ret) {
        reading->out_of_memory = true;
        return;
    }
    for (size_t i = 0; i < value->n_items; i++) {
        if (value->items[i].type == TOML_TABLE)
            section_fill(reading, inner, &value->items[i],
                         member(*ret, (*ret_count)++ * inner->size));
        else
            wrong_type(reading, section, setting, &value->items[i]);
    }
}

static void note_setting(struct config_reading *reading, const struct section *section,
                         const struct setting *setting, const struct toml_value *value)
{
    if (setting->kind == SETTING_KNOWN || (setting->flags & SETTING_NOT_YET))
        finding_add_once(reading, CONFIG_NOTE, place_of(value), "%s '%s' %s", section->name,
                         setting->name,
                         setting->note ? setting->note : "is not acted on yet, ignoring");
}

static void fill_setting(struct config_reading *reading, const struct section *section,
                         const struct setting *setting, const struct toml_value *value,
                         void *record)
{
    void *at = member(record, setting->offset);
    size_t before = reading->findings->count;

    switch (setting->kind) {
    case SETTING_TEXT:
        fill_text(reading, section, setting, value, at);
        break;
    case SETTING_SECRET:
        fill_secret(reading, section, setting, value, at);
        break;
    case SETTING_INTEGER:
    case SETTING_SECONDS:
        fill_integer(reading, section, setting, value, at);
        break;
    case SETTING_DURATION:
        fill_duration(reading, section, setting, value, at);
        break;
    case SETTING_BOOL:
    case SETTING_TRISTATE:
        fill_bool(reading, section, setting, value, at);
        break;
    case SETTING_REAL:
        fill_real(reading, section, setting, value, at);
        break;
    case SETTING_TEXTS:
        fill_texts(reading, section, setting, value, at, member(record, setting->count));
        break;
    case SETTING_JSON:
        fill_json(reading, section, setting, value, at);
        break;
    case SETTING_SECTION:
        if (value->type == TOML_TABLE)
            fill_members(reading, setting->section, value, at);
        else
            wrong_type(reading, section, setting, value);
        break;
    case SETTING_SECTIONS:
        fill_sections(reading, section, setting, value, at, member(record, setting->count));
        break;
    case SETTING_CUSTOM:
    case SETTING_IGNORED:
    case SETTING_KNOWN:
        break;
    }
    if (setting->check && before == reading->findings->count)
        setting->check(reading, value, record);
    note_setting(reading, section, setting, value);
}

/* The known name that a typing error most likely meant; NULL when none is near. */
static const char *nearest(const struct section *section, const char *name)
{
    size_t best = MIN(strlen(name) / 3 + 1, (size_t) 3);
    const char *found = NULL;

    for (size_t i = 0; i < section->n_settings; i++) {
        size_t distance = str_distance(section->settings[i].name, name, best);

        if (distance < best || (distance == best && !found)) {
            best = distance;
            found = section->settings[i].name;
        }
    }
    return found;
}

static void unknown_setting(struct config_reading *reading, const struct section *section,
                            const struct toml_value *value)
{
    const char *meant = nearest(section, value->key);
    autobuf struct buf shown = BUF_INIT;

    str_display(&shown, value->key, strlen(value->key), SHOWN_MAX);
    finding_add(reading, CONFIG_WARNING, place_of(value), "%s has no setting '%s', ignoring%s%s%s",
                section->name, buf_str(&shown), meant ? "; did you mean '" : "", meant ? meant : "",
                meant ? "'?" : "");
}

static void fill_members(struct config_reading *reading, const struct section *section,
                         const struct toml_value *table, void *record)
{
    for (size_t i = 0; i < table->n_items; i++) {
        const struct toml_value *value = &table->items[i];
        bool known = false;

        /* Two rows may share a name: connector_config is read by us and handed on. */
        for (size_t k = 0; k < section->n_settings; k++) {
            if (!str_eq(section->settings[k].name, value->key))
                continue;
            known = true;
            fill_setting(reading, section, &section->settings[k], value, record);
        }
        if (!known)
            unknown_setting(reading, section, value);
    }
    if (section->check)
        section->check(reading, table, record);
}

void section_fill(struct config_reading *reading, const struct section *section,
                  const struct toml_value *table, void *record)
{
    fill_defaults(reading, section, record);
    fill_members(reading, section, table, record);
}

static void free_texts(char **texts, size_t count)
{
    for (size_t i = 0; i < count; i++)
        free(texts[i]);
    free(texts);
}

static void free_sections(const struct section *section, void *records, size_t count)
{
    for (size_t i = 0; i < count; i++)
        section_free(section, member(records, i * section->size));
    free(records);
}

void section_free(const struct section *section, void *record)
{
    for (size_t i = 0; i < section->n_settings; i++) {
        const struct setting *setting = &section->settings[i];
        void *at = member(record, setting->offset);

        switch (setting->kind) {
        case SETTING_TEXT:
            free(*(char **) at);
            break;
        case SETTING_SECRET:
            secret_free(*(struct secret **) at);
            break;
        case SETTING_TEXTS:
            free_texts(*(char ***) at, *(size_t *) member(record, setting->count));
            break;
        case SETTING_JSON:
            json_object_put(*(json_t **) at);
            break;
        case SETTING_SECTION:
            section_free(setting->section, at);
            break;
        case SETTING_SECTIONS:
            free_sections(setting->section, *(void **) at,
                          *(size_t *) member(record, setting->count));
            break;
        default:
            break;
        }
    }
}
