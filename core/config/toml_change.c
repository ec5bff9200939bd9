/* core/config/toml_change.c - see toml_change.h. */
#include "core/config/toml_change.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "core/base/mem.h"
#include "core/base/secret.h"
#include "core/base/str.h"

struct toml_value *toml_find_any_case(const struct toml_value *table, const char *key)
{
    const struct toml_value *exact = table ? toml_find(table, key) : NULL;

    for (size_t i = 0; table && i < table->n_items; i++)
        if (exact ? &table->items[i] == exact
                  : table->items[i].key && strcasecmp(table->items[i].key, key) == 0)
            return &table->items[i];
    return NULL;
}

void toml_remove(struct toml_value *from, struct toml_value *item)
{
    struct toml_value *last = &from->items[from->n_items - 1];
    struct toml_value *gone = mem_zero(sizeof(*gone));

    if (gone) { /* else it is lost, not used */
        *gone = *item;
        toml_free(gone);
    }
    memmove(item, item + 1, (size_t) (last - item) * sizeof(*item));
    from->n_items--;
}

int toml_put(struct toml_value *to, const char *key, struct toml_value *value)
{
    struct toml_value *former = key ? toml_find_any_case(to, key) : NULL;
    autofree char *name = mem_strdup(former ? former->key : key);
    struct toml_value *items = mem_resize(to->items, to->n_items + 1, sizeof(*items));

    if (items)
        to->items = items;
    if (!items || (key && !name))
        return -ENOMEM;
    former = key ? toml_find_any_case(to, key) : NULL; /* it may have moved */
    if (former)
        toml_remove(to, former);
    free(value->key);
    to->items[to->n_items] = *value;
    to->items[to->n_items++].key = take_ptr(name);
    *value = (struct toml_value) { .type = TOML_BOOLEAN };
    return 0;
}

static bool tables_equal(const struct toml_value *a, const struct toml_value *b)
{
    for (size_t i = 0; i < a->n_items; i++) {
        const struct toml_value *other = toml_find(b, a->items[i].key);

        if (!other || !toml_equal(&a->items[i], other))
            return false;
    }
    return true;
}

static bool arrays_equal(const struct toml_value *a, const struct toml_value *b)
{
    for (size_t i = 0; i < a->n_items; i++)
        if (!toml_equal(&a->items[i], &b->items[i]))
            return false;
    return true;
}

bool toml_equal(const struct toml_value *a, const struct toml_value *b)
{
    if (a->type != b->type || a->n_items != b->n_items)
        return false;
    switch (a->type) {
    case TOML_TABLE:
        return tables_equal(a, b);
    case TOML_ARRAY:
        return arrays_equal(a, b);
    case TOML_STRING:
    case TOML_DATE_TIME:
        return str_eq(a->text, b->text);
    case TOML_INTEGER:
        return a->integer == b->integer;
    case TOML_FLOAT: /* a NaN is the same as itself here */
        return a->real == b->real || (isnan(a->real) && isnan(b->real));
    case TOML_BOOLEAN:
        return a->truth == b->truth;
    }
    return false;
}

void toml_quote(struct buf *out, const char *text)
{
    buf_add_char(out, '"');
    for (; *text; text++) {
        unsigned char c = (unsigned char) *text;

        if (c == '"' || c == '\\')
            buf_addf(out, "\\%c", c);
        else if (c < ' ' || c == 0x7f)
            buf_addf(out, "\\u%04X", c);
        else
            buf_add_char(out, *text);
    }
    buf_add_char(out, '"');
}
