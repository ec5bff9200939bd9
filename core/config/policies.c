/* core/config/policies.c - the periods and time zones of policies: what cannot be understood is
 * refused when the file is read, by the policy's index, key and text (autoscaler.md 6.2, V46). */
#include "core/base/buf.h"
#include "core/base/str.h"
#include "core/base/time_zone.h"
#include "core/config/checks.h"
#include "core/config/period.h"

#define SHOWN_MAX 80

static void check_period(struct config_reading *reading, size_t index,
                         const struct toml_value *item)
{
    autobuf struct buf shown = BUF_INIT;
    struct error err = { 0 };
    struct period period;

    if (item->type != TOML_STRING || period_parse(item->text, &period, &err) == 0)
        return;
    str_display(&shown, item->text, strlen(item->text), SHOWN_MAX);
    finding_add(reading, CONFIG_ERROR, item->place,
                "[[runners.autoscaler.policy]] 'periods' of policy[%zu]: \"%s\" is no period: %s",
                index, buf_str(&shown), err.message);
}

static void check_zone(struct config_reading *reading, size_t index, const struct toml_value *value)
{
    auto_ptr(time_zone_free) struct time_zone *zone = NULL;
    struct error err = { 0 };
    int r = value->type == TOML_STRING ? time_zone_load(value->text, &zone, &err) : 0;

    if (r == -ENOMEM)
        reading->out_of_memory = true;
    else if (r < 0)
        finding_add(reading, CONFIG_ERROR, value->place,
                    "[[runners.autoscaler.policy]] 'timezone' of policy[%zu]: %s", index,
                    err.message);
}

void check_policies(struct config_reading *reading, const struct toml_value *value, void *record)
{
    const struct toml_value *tables = toml_find(value, "policy");

    (void) record;
    for (size_t i = 0; tables && tables->type == TOML_ARRAY && i < tables->n_items; i++) {
        const struct toml_value *periods = toml_find(&tables->items[i], "periods");
        const struct toml_value *zone = toml_find(&tables->items[i], "timezone");

        for (size_t k = 0; periods && periods->type == TOML_ARRAY && k < periods->n_items; k++)
            check_period(reading, i, &periods->items[k]);
        if (zone)
            check_zone(reading, i, zone);
    }
}
