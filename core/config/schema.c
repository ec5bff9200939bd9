/* core/config/schema.c - fills a struct from a TOML tree as the rows of a section say.
 *
 * Knows kinds of settings, not settings: those are in settings_*.c. A finding never ends the walk,
 * so that one reading names everything that is wrong.
 */
#include "core/config/schema.h"

#include <stdlib.h>

#include "core/base/mem.h"
#include "core/base/str.h"
#include "core/config/secret_file.h"
#include "core/config/unknown.h"
#include "core/config/values.h"

static void *member(void *record, size_t offset)
{
    return (char *) record + offset;
}

static void fill_defaults(struct config_reading *reading, const struct section *section,
                          void *record)
{
    for (size_t i = 0; i < section->n_settings; i++) {
        const struct setting *setting = &section->settings[i];
        void *at = member(record, setting->offset);

        if (setting->flags & SETTING_NOWHERE)
            continue;
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
                value_store_text(reading, at, setting->initial_text);
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

static void fill_members(struct config_reading *reading, const struct section *section,
                         const struct toml_value *table, void *record);

static void fill_sections(struct config_reading *reading, const struct section *section,
                          const struct setting *setting, const struct toml_value *value, void **ret,
                          size_t *ret_count)
{
    const struct section *inner = setting->section;

    *ret = value_array(reading, section, setting, value, inner->size);
    if (!*ret)
        return;
    for (size_t i = 0; i < value->n_items; i++) {
        if (value->items[i].type == TOML_TABLE)
            section_fill(reading, inner, &value->items[i],
                         member(*ret, (*ret_count)++ * inner->size));
        else
            value_wrong_type(reading, section, setting, &value->items[i]);
    }
}

static void note_setting(struct config_reading *reading, const struct section *section,
                         const struct setting *setting, const struct toml_value *value)
{
    if (setting->kind == SETTING_KNOWN || (setting->flags & SETTING_NOT_YET))
        finding_add_once(reading, CONFIG_NOTE, toml_key_place(value), "%s '%s' %s", section->name,
                         setting->name,
                         setting->note ? setting->note : "is not acted on yet, ignoring");
}

static void fill_placed(struct config_reading *reading, const struct section *section,
                        const struct setting *setting, const struct toml_value *value, void *record)
{
    void *at = member(record, setting->offset);

    if (setting->kind == SETTING_SECTIONS)
        fill_sections(reading, section, setting, value, at, member(record, setting->count));
    else if (setting->kind != SETTING_SECTION)
        value_fill(reading, section, setting, value, record);
    else if (value->type == TOML_TABLE)
        fill_members(reading, setting->section, value, at);
    else
        value_wrong_type(reading, section, setting, value);
}

/* A row without a place is filled all the same, into memory that is given back at once: that is how
 * its value is checked. */
static void fill_nowhere(struct config_reading *reading, const struct section *section,
                         const struct setting *setting, const struct toml_value *value)
{
    struct slot {
        union {
            void *pointer;
            int64_t number;
            double real;
        } value;
        size_t count;
    };
    size_t size = setting->section ? setting->section->size : 0;
    void *record = mem_zero(MAX(size, sizeof(struct slot)));
    struct setting row = *setting;
    const struct section alone = { .name = section->name, .settings = &row, .n_settings = 1 };

    if (!record) {
        reading->out_of_memory = true;
        return;
    }
    row.flags &= ~(unsigned) SETTING_NOWHERE;
    row.offset = 0;
    row.count = offsetof(struct slot, count);
    fill_defaults(reading, &alone, record);
    fill_placed(reading, section, &row, value, record);
    section_free(&alone, record);
    free(record);
}

static void fill_setting(struct config_reading *reading, const struct section *section,
                         const struct setting *setting, const struct toml_value *value,
                         void *record)
{
    size_t before = reading->said;

    if (setting->flags & SETTING_NOWHERE)
        fill_nowhere(reading, section, setting, value);
    else
        fill_placed(reading, section, setting, value, record);
    /* What was refused or did not fit into memory is not in the record. */
    if (setting->check && before == reading->said && !reading->out_of_memory)
        setting->check(reading, value, record);
    note_setting(reading, section, setting, value);
}

static void fill_members(struct config_reading *reading, const struct section *section,
                         const struct toml_value *table, void *record)
{
    const char *outer = reading->section;

    reading->section = section->name;
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
        if (!known && !(section->has_others && section->has_others(table)))
            unknown_setting(reading, section, value);
    }
    secret_file_check_once(reading, section, table);
    if (section->check && !reading->out_of_memory)
        section->check(reading, table, record);
    reading->section = outer;
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

        if (setting->flags & SETTING_NOWHERE)
            continue;
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
        case SETTING_REALS:
            free(*(double **) at);
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
