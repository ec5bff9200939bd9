/* core/config/schedules.c - settings that hold at times, policies and acceptable times in queues: periods,
 * time zones and regular expressions that cannot be understood are refused when the file is read, by
 * the table's index, key and text (autoscaler.md 6.2, V46). */
#include "core/base/buf.h"
#include "core/base/regex.h"
#include "core/base/str.h"
#include "core/base/time_zone.h"
#include "core/config/checks.h"
#include "core/config/period.h"

#define SHOWN_MAX 80

/* One table of an array of them. */
struct scheduled {
    struct config_reading *reading;
    const char *section, *array;
    size_t index;
    const struct toml_value *table;
};

static void check_period(const struct scheduled *on, const struct toml_value *item,
                         period_parse_fn parse)
{
    autobuf struct buf shown = BUF_INIT;
    struct error err = { 0 };
    struct period period;

    if (item->type != TOML_STRING || parse(item->text, &period, &err) == 0)
        return;
    str_display(&shown, item->text, strlen(item->text), SHOWN_MAX);
    finding_add(on->reading, CONFIG_ERROR, item->place,
                "%s 'periods' of %s[%zu]: \"%s\" is no period: %s", on->section, on->array,
                on->index, buf_str(&shown), err.message);
}

static void check_zone(const struct scheduled *on, const struct toml_value *value)
{
    auto_ptr(time_zone_free) struct time_zone *zone = NULL;
    struct error err = { 0 };
    int r = value->type == TOML_STRING ? time_zone_load(value->text, &zone, &err) : 0;

    if (r == -ENOMEM)
        on->reading->out_of_memory = true;
    else if (r < 0)
        finding_add(on->reading, CONFIG_ERROR, value->place, "%s 'timezone' of %s[%zu]: %s",
                    on->section, on->array, on->index, err.message);
}

static void check_regex(const struct scheduled *on, const struct toml_value *value)
{
    auto_ptr(regex_free) struct regex *regex = NULL;
    autobuf struct buf shown = BUF_INIT;
    struct error err = { 0 };
    int r = value->type == TOML_STRING
                ? regex_new(value->text, strlen(value->text), "", &regex, &err)
                : 0;

    str_display(&shown, value->text, r < 0 ? strlen(value->text) : 0, SHOWN_MAX);
    if (r == -ENOMEM)
        on->reading->out_of_memory = true;
    else if (r < 0)
        finding_add(on->reading, CONFIG_ERROR, value->place,
                    "%s '%s' of %s[%zu]: the regular expression \"%s\" is %s", on->section,
                    value->key, on->array, on->index, buf_str(&shown), err.message);
}

static void check_schedule(const struct scheduled *on, period_parse_fn parse)
{
    const struct toml_value *periods = toml_find(on->table, "periods");
    const struct toml_value *zone = toml_find(on->table, "timezone");

    for (size_t k = 0; periods && periods->type == TOML_ARRAY && k < periods->n_items; k++)
        check_period(on, &periods->items[k], parse);
    if (zone)
        check_zone(on, zone);
}

static size_t count_tables(const struct toml_value *tables)
{
    return tables && tables->type == TOML_ARRAY ? tables->n_items : 0;
}

void check_policies(struct config_reading *reading, const struct toml_value *value, void *record)
{
    const struct toml_value *tables = toml_find(value, "policy");
    struct scheduled on = { reading, "[[runners.autoscaler.policy]]", "policy", 0, NULL };

    (void) record;
    for (; on.index < count_tables(tables); on.index++) {
        on.table = &tables->items[on.index];
        check_schedule(&on, period_parse);
    }
}

void check_monitoring(struct config_reading *reading, const struct toml_value *value, void *record)
{
    const struct toml_value *tables = toml_find(value, "job_queuing_durations");
    struct scheduled on = { reading, "[[runners.monitoring.job_queuing_durations]]",
                            "job_queuing_durations", 0, NULL };

    (void) record;
    for (; on.index < count_tables(tables); on.index++) {
        const struct toml_value *regex;

        on.table = &tables->items[on.index];
        check_schedule(&on, period_parse_long);
        regex = toml_find(on.table, "jobs_running_for_project");
        if (regex)
            check_regex(&on, regex);
    }
}
