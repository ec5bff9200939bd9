/* core/config/values.c - one value of the file against one row of a table, by the row's kind
 * (values.h). Secrets are never shown. */
#include "core/config/values.h"

#include <inttypes.h>
#include <stdlib.h>

#include "core/base/buf.h"
#include "core/base/mem.h"
#include "core/base/str.h"
#include "core/base/when.h"
#include "core/config/secret_file.h"

/* What is shown of a wrong value. */
#define SHOWN_MAX 80

void value_store_text(struct config_reading *reading, char **member, const char *text)
{
    char *copy = mem_strdup(text);

    if (!copy) {
        reading->out_of_memory = true;
        return;
    }
    free(*member);
    *member = copy;
}

const char *setting_wants(const struct setting *setting)
{
    switch (setting->kind) {
    case SETTING_TEXT:
    case SETTING_SECRET:
    case SETTING_SECRET_FILE:
        return "a string";
    case SETTING_INTEGER:
        return "a whole number";
    case SETTING_SECONDS:
        return "a whole number of seconds";
    case SETTING_DURATION:
        return "a duration such as \"1m30s\"";
    case SETTING_TIME:
        return "a date and time such as 2026-01-01T00:00:00Z";
    case SETTING_BOOL:
    case SETTING_TRISTATE:
        return "true or false";
    case SETTING_REAL:
        return "a number";
    case SETTING_TEXTS:
        return "an array of strings";
    case SETTING_REALS:
        return "an array of rising numbers";
    case SETTING_SECTIONS:
        return "an array of tables";
    default:
        return "a table";
    }
}

void value_wrong_type(struct config_reading *reading, const struct section *section,
                      const struct setting *setting, const struct toml_value *value)
{
    bool sections = setting->kind == SETTING_SECTIONS;

    finding_add(reading, CONFIG_ERROR, value->place, "%s '%s' must be %s%s%s, not %s",
                section->name, setting->name, setting_wants(setting),
                sections ? ", each under " : "", sections ? setting->section->name : "",
                toml_type_name(value->type));
}

static void fill_integer(struct config_reading *reading, const struct section *section,
                         const struct setting *setting, const struct toml_value *value,
                         int64_t *ret)
{
    int64_t factor = setting->kind == SETTING_SECONDS ? 1000 : 1;

    if (value->type != TOML_INTEGER) {
        value_wrong_type(reading, section, setting, value);
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
        value_wrong_type(reading, section, setting, value);
        return;
    }
    r = parse_duration_ms(value->text, &ms);
    if (r == -EINVAL) {
        str_display(&shown, value->text, strlen(value->text), SHOWN_MAX);
        finding_add(reading, CONFIG_ERROR, value->place, "%s '%s' must be %s, not \"%s\"",
                    section->name, setting->name, setting_wants(setting), buf_str(&shown));
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

/* GitLab Runner writes its year 1 for none. */
static void fill_time(struct config_reading *reading, const struct section *section,
                      const struct setting *setting, const struct toml_value *value, int64_t *ret)
{
    int64_t at_ms;

    if (value->type != TOML_DATE_TIME || when_parse(value->text, NULL, &at_ms) < 0)
        value_wrong_type(reading, section, setting, value);
    else
        *ret = MAX(at_ms, (int64_t) 0);
}

static double number_of(const struct toml_value *value)
{
    return value->type == TOML_FLOAT ? value->real : (double) value->integer;
}

static void fill_real(struct config_reading *reading, const struct section *section,
                      const struct setting *setting, const struct toml_value *value, double *ret)
{
    double number;

    if (value->type != TOML_FLOAT && value->type != TOML_INTEGER) {
        value_wrong_type(reading, section, setting, value);
        return;
    }
    number = number_of(value);
    /* The comparison is false for a NaN, too. */
    if (!(number >= (double) setting->min && number <= (double) setting->max)) {
        finding_add(reading, CONFIG_ERROR, value->place,
                    "%s '%s' must be %" PRId64 " to %" PRId64 ", not %g", section->name,
                    setting->name, setting->min, setting->max, number);
        return;
    }
    *ret = number;
}

static bool is_choice(const struct setting *setting, const char *text)
{
    const char *const *choice = setting->choices;

    while (choice && *choice && !str_eq(*choice, text))
        choice++;
    return !choice || *choice;
}

static void refuse_choice(struct config_reading *reading, const struct section *section,
                          const struct setting *setting, const struct toml_value *value)
{
    autobuf struct buf choices = BUF_INIT;
    autobuf struct buf shown = BUF_INIT;

    for (const char *const *choice = setting->choices; *choice; choice++)
        buf_addf(&choices, "%s%s", choices.len > 0 ? ", " : "", *choice);
    str_display(&shown, value->text, strlen(value->text), SHOWN_MAX);
    finding_add(reading, CONFIG_ERROR, value->place, "%s '%s' must be one of %s, not \"%s\"",
                section->name, setting->name, buf_str(&choices), buf_str(&shown));
}

static void fill_text(struct config_reading *reading, const struct section *section,
                      const struct setting *setting, const struct toml_value *value, char **ret)
{
    if (value->type != TOML_STRING)
        value_wrong_type(reading, section, setting, value);
    else if (!is_choice(setting, value->text))
        refuse_choice(reading, section, setting, value);
    else
        value_store_text(reading, ret, value->text);
}

static void fill_secret(struct config_reading *reading, const struct section *section,
                        const struct setting *setting, const struct toml_value *value,
                        struct secret **ret)
{
    if (value->type != TOML_STRING) {
        value_wrong_type(reading, section, setting, value);
        return;
    }
    secret_free(*ret); /* its file's, where both are given, which is refused */
    *ret = secret_from_str(value->text);
    if (!*ret)
        reading->out_of_memory = true;
}

static void fill_from_file(struct config_reading *reading, const struct section *section,
                           const struct setting *setting, const struct toml_value *value,
                           struct secret **ret)
{
    if (value->type != TOML_STRING) {
        value_wrong_type(reading, section, setting, value);
        return;
    }
    secret_free(*ret); /* where both are given, which is refused */
    *ret = secret_file_read(reading, value);
}

static void fill_bool(struct config_reading *reading, const struct section *section,
                      const struct setting *setting, const struct toml_value *value, void *ret)
{
    if (value->type != TOML_BOOLEAN)
        value_wrong_type(reading, section, setting, value);
    else if (setting->kind == SETTING_TRISTATE)
        *(int *) ret = value->truth;
    else
        *(bool *) ret = value->truth;
}

void *value_array(struct config_reading *reading, const struct section *section,
                  const struct setting *setting, const struct toml_value *value, size_t size)
{
    void *array = NULL;

    if (value->type != TOML_ARRAY)
        value_wrong_type(reading, section, setting, value);
    else if (!(array = mem_array(value->n_items, size)))
        reading->out_of_memory = true;
    return array;
}

static void fill_texts(struct config_reading *reading, const struct section *section,
                       const struct setting *setting, const struct toml_value *value, char ***ret,
                       size_t *ret_count)
{
    *ret = value_array(reading, section, setting, value, sizeof(char *));
    if (!*ret)
        return;
    for (size_t i = 0; i < value->n_items; i++) {
        if (value->items[i].type == TOML_STRING) {
            value_store_text(reading, &(*ret)[*ret_count], value->items[i].text);
            *ret_count += (*ret)[*ret_count] != NULL;
        } else {
            value_wrong_type(reading, section, setting, &value->items[i]);
        }
    }
}

static void fill_json(struct config_reading *reading, const struct section *section,
                      const struct setting *setting, const struct toml_value *value, json_t **ret)
{
    json_t *json;

    if (value->type != TOML_TABLE) {
        value_wrong_type(reading, section, setting, value);
        return;
    }
    json = toml_to_json(reading, value);
    if (!json)
        return;
    json_object_put(*ret);
    *ret = json;
}

/* Upper bounds of a histogram. */
static bool check_reals(struct config_reading *reading, const struct section *section,
                        const struct setting *setting, const struct toml_value *value)
{
    for (size_t i = 0; i < value->n_items; i++) {
        const struct toml_value *item = &value->items[i];

        if (item->type != TOML_FLOAT && item->type != TOML_INTEGER) {
            value_wrong_type(reading, section, setting, item);
            return false;
        }
        /* The comparison is false for a NaN, too. */
        if (!(i == 0 ? number_of(item) >= 0 : number_of(item) > number_of(item - 1))) {
            finding_add(reading, CONFIG_ERROR, item->place,
                        "%s '%s' must hold numbers from 0 up, each above the one before it",
                        section->name, setting->name);
            return false;
        }
    }
    return true;
}

static void fill_reals(struct config_reading *reading, const struct section *section,
                       const struct setting *setting, const struct toml_value *value, double **ret,
                       size_t *ret_count)
{
    *ret = value_array(reading, section, setting, value, sizeof(double));
    if (!*ret || !check_reals(reading, section, setting, value))
        return;
    for (size_t i = 0; i < value->n_items; i++)
        (*ret)[i] = number_of(&value->items[i]);
    *ret_count = value->n_items;
}

void value_fill(struct config_reading *reading, const struct section *section,
                const struct setting *setting, const struct toml_value *value, void *record)
{
    void *at = (char *) record + setting->offset;

    switch (setting->kind) {
    case SETTING_TEXT:
        fill_text(reading, section, setting, value, at);
        break;
    case SETTING_SECRET:
        fill_secret(reading, section, setting, value, at);
        break;
    case SETTING_SECRET_FILE:
        fill_from_file(reading, section, setting, value, at);
        break;
    case SETTING_INTEGER:
    case SETTING_SECONDS:
        fill_integer(reading, section, setting, value, at);
        break;
    case SETTING_DURATION:
        fill_duration(reading, section, setting, value, at);
        break;
    case SETTING_TIME:
        fill_time(reading, section, setting, value, at);
        break;
    case SETTING_BOOL:
    case SETTING_TRISTATE:
        fill_bool(reading, section, setting, value, at);
        break;
    case SETTING_REAL:
        fill_real(reading, section, setting, value, at);
        break;
    case SETTING_TEXTS:
        fill_texts(reading, section, setting, value, at,
                   (size_t *) ((char *) record + setting->count));
        break;
    case SETTING_REALS:
        fill_reals(reading, section, setting, value, at,
                   (size_t *) ((char *) record + setting->count));
        break;
    case SETTING_JSON:
        fill_json(reading, section, setting, value, at);
        break;
    case SETTING_SECTION:
    case SETTING_SECTIONS:
    case SETTING_KNOWN:
        break;
    }
}
