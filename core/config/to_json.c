/* core/config/to_json.c - a TOML value as JSON: how plugin_config and connector_config reach the
 * plugin.
 */
#include <math.h>

#include "core/config/schema.h"

static json_t *table_to_json(struct config_reading *reading, const struct toml_value *table)
{
    autojson json_t *object = json_object_new_object();

    if (!object)
        reading->out_of_memory = true;
    for (size_t i = 0; object && i < table->n_items; i++) {
        json_t *value = toml_to_json(reading, &table->items[i]);

        if (!value)
            return NULL;
        if (json_add(object, table->items[i].key, value) < 0) {
            reading->out_of_memory = true;
            return NULL;
        }
    }
    return take_ptr(object);
}

static json_t *array_to_json(struct config_reading *reading, const struct toml_value *array)
{
    autojson json_t *list = json_object_new_array();

    if (!list)
        reading->out_of_memory = true;
    for (size_t i = 0; list && i < array->n_items; i++) {
        json_t *value = toml_to_json(reading, &array->items[i]);

        if (!value)
            return NULL;
        if (json_object_array_add(list, value) < 0) {
            json_object_put(value);
            reading->out_of_memory = true;
            return NULL;
        }
    }
    return take_ptr(list);
}

json_t *toml_to_json(struct config_reading *reading, const struct toml_value *value)
{
    json_t *json = NULL;

    switch (value->type) {
    case TOML_TABLE:
        return table_to_json(reading, value);
    case TOML_ARRAY:
        return array_to_json(reading, value);
    case TOML_STRING:
    case TOML_DATE_TIME:
        json = json_object_new_string(value->text);
        break;
    case TOML_INTEGER:
        json = json_object_new_int64(value->integer);
        break;
    case TOML_FLOAT:
        if (!isfinite(value->real)) {
            finding_add(reading, CONFIG_ERROR, value->place,
                        "the plugin cannot be told this number: JSON has no inf and no nan");
            return NULL;
        }
        json = json_object_new_double(value->real);
        break;
    case TOML_BOOLEAN:
        json = json_object_new_boolean(value->truth);
        break;
    }
    if (!json)
        reading->out_of_memory = true;
    return json;
}
