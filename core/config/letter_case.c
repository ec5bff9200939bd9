/* core/config/letter_case.c - settings whose names are written in other letters, as in "Token": GitLab Runner takes
 * them, because its reader of TOML looks for a name that is equal but for the case where none is equal.
 *
 * The keys are put right in the tree before anything is read from it. What is below plugin_config is the plugin's, and
 * feature flags are names of a map there, which are not compared so.
 */
#include <string.h>
#include <strings.h>

#include "core/base/str.h"
#include "core/config/schema.h"
#include "core/config/settings.h"

static const struct setting *find(const struct section *section, const char *key,
                                  int (*compare)(const char *, const char *))
{
    for (size_t i = 0; i < section->n_settings; i++)
        if (compare(section->settings[i].name, key) == 0)
            return &section->settings[i];
    return NULL;
}

static void mend_key(struct config_reading *reading, const struct section *section,
                     const struct toml_value *table, struct toml_value *value)
{
    const struct setting *meant = find(section, value->key, strcasecmp);

    if (!meant || toml_find(table, meant->name))
        return; /* the one that is written right holds */
    finding_add(reading, CONFIG_NOTE, toml_key_place(value), "%s '%s' is read as '%s'",
                section->name, value->key, meant->name);
    memcpy(value->key, meant->name, strlen(meant->name)); /* as long as what was there */
}

/* Of each row of that name: one may be a section where another is handed on as it is. */
static void mend_below(struct config_reading *reading, const struct section *section,
                       struct toml_value *value)
{
    for (size_t i = 0; i < section->n_settings; i++) {
        const struct setting *setting = &section->settings[i];

        if (!setting->section || setting->section == &flags_section ||
            !str_eq(setting->name, value->key))
            continue;
        if (value->type == TOML_TABLE)
            letter_case_mend(reading, setting->section, value);
        for (size_t k = 0; value->type == TOML_ARRAY && k < value->n_items; k++)
            if (value->items[k].type == TOML_TABLE)
                letter_case_mend(reading, setting->section, &value->items[k]);
    }
}

void letter_case_mend(struct config_reading *reading, const struct section *section,
                      struct toml_value *table)
{
    for (size_t i = 0; i < table->n_items; i++) {
        if (!find(section, table->items[i].key, strcmp))
            mend_key(reading, section, table, &table->items[i]);
        mend_below(reading, section, &table->items[i]);
    }
}
