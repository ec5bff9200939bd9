/* core/config/toml_json.c - see toml_json.h. */
#include "core/config/toml_json.h"

#include <math.h>

static int fill_table(json_t *object, const struct toml_value *table, struct toml_place *where,
                      struct error *err)
{
    for (size_t i = 0; i < table->n_items; i++) {
        json_t *item = NULL;
        int r = toml_json(&table->items[i], &item, where, err);

        if (r < 0)
            return r;
        if (json_add(object, table->items[i].key, item) < 0)
            return error_set(err, -ENOMEM, "out of memory");
    }
    return 0;
}

static int fill_array(json_t *list, const struct toml_value *array, struct toml_place *where,
                      struct error *err)
{
    for (size_t i = 0; i < array->n_items; i++) {
        json_t *item = NULL;
        int r = toml_json(&array->items[i], &item, where, err);

        if (r < 0)
            return r;
        if (json_object_array_add(list, item) < 0) {
            json_object_put(item);
            return error_set(err, -ENOMEM, "out of memory");
        }
    }
    return 0;
}

static json_t *make(const struct toml_value *value)
{
    switch (value->type) {
    case TOML_TABLE:
        return json_object_new_object();
    case TOML_ARRAY:
        return json_object_new_array();
    case TOML_STRING:
    case TOML_DATE_TIME:
        return json_object_new_string(value->text);
    case TOML_INTEGER:
        return json_object_new_int64(value->integer);
    case TOML_FLOAT:
        return json_object_new_double(value->real);
    case TOML_BOOLEAN:
        return json_object_new_boolean(value->truth);
    }
    return NULL;
}

int toml_json(const struct toml_value *value, json_t **ret, struct toml_place *where,
              struct error *err)
{
    autojson json_t *json = NULL;
    int r = 0;

    if (value->type == TOML_FLOAT && !isfinite(value->real)) {
        *where = value->place;
        return error_set(err, -EINVAL, "JSON has no inf and no nan");
    }
    json = make(value);
    if (!json)
        return error_set(err, -ENOMEM, "out of memory");
    if (value->type == TOML_TABLE)
        r = fill_table(json, value, where, err);
    else if (value->type == TOML_ARRAY)
        r = fill_array(json, value, where, err);
    if (r == 0)
        *ret = take_ptr(json);
    return r;
}
