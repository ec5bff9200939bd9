/* core/config/to_json.c - a TOML value as JSON: how plugin_config and connector_config reach the
 * plugin.
 */
#include "core/config/schema.h"
#include "core/config/toml_json.h"

json_t *toml_to_json(struct config_reading *reading, const struct toml_value *value)
{
    struct toml_place where;
    struct error err;
    json_t *json = NULL;
    int r = toml_json(value, &json, &where, &err);

    if (r == -ENOMEM)
        reading->out_of_memory = true;
    else if (r < 0)
        finding_add(reading, CONFIG_ERROR, where, "the plugin cannot be told this number: %s",
                    err.message);
    return json;
}
