/* core/config/toml.cpp - toml++ behind the C interface of toml.h.
 *
 * The parser is compiled in from its header, with its internal asserts off: a strange file must
 * give an error, never end the process. Everything it throws is caught here.
 */
#define TOML_HEADER_ONLY 1
#define TOML_ASSERT(expr) static_assert(true)
#include <toml++/toml.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <memory>
#include <new>
#include <sstream>

#include "core/config/toml.h"

extern "C" {
#include "core/base/mem.h"
#include "core/base/secret.h"
}

/* Deeper files are refused, so that walking the tree cannot use up the stack. */
static constexpr int max_depth = 64;

namespace
{
struct refusal {
    toml_place place;
    const char *reason;
};

toml_place place_of(const toml::source_region &source)
{
    return { static_cast<int>(source.begin.line), static_cast<int>(source.begin.column) };
}

char *copy_text(const std::string &text)
{
    char *copy = mem_strndup(text.data(), text.size());

    if (!copy)
        throw std::bad_alloc();
    return copy;
}

toml_value *new_items(size_t count)
{
    auto *items = static_cast<toml_value *>(mem_array(count, sizeof(toml_value)));

    if (!items)
        throw std::bad_alloc();
    return items;
}

void convert(const toml::node &node, toml_value *to, int depth);

void convert_table(const toml::table &table, toml_value *to, int depth)
{
    to->type = TOML_TABLE;
    to->items = new_items(table.size());
    for (const auto &[key, node] : table) {
        toml_value *item = &to->items[to->n_items++];

        item->key_place = place_of(key.source());
        if (key.str().find('\0') != std::string_view::npos)
            throw refusal { item->key_place, "a key has a NUL character" };
        item->key = copy_text(std::string(key.str()));
        convert(node, item, depth + 1);
    }
    std::stable_sort(
        to->items, to->items + to->n_items, [](const toml_value &a, const toml_value &b) {
            return a.key_place.line != b.key_place.line ? a.key_place.line < b.key_place.line
                                                        : a.key_place.column < b.key_place.column;
        });
}

void convert_array(const toml::array &array, toml_value *to, int depth)
{
    to->type = TOML_ARRAY;
    to->items = new_items(array.size());
    for (const auto &node : array) {
        toml_value *item = &to->items[to->n_items++];

        item->key_place = place_of(node.source());
        convert(node, item, depth + 1);
    }
}

template <typename T> void convert_date(const toml::value<T> &value, toml_value *to)
{
    std::ostringstream text;

    text << value.get();
    to->type = TOML_DATE_TIME;
    to->text = copy_text(text.str());
}

void convert(const toml::node &node, toml_value *to, int depth)
{
    to->place = place_of(node.source());
    if (depth > max_depth)
        throw refusal { to->place, "values are nested deeper than 64 levels" };
    if (const auto *table = node.as_table()) {
        convert_table(*table, to, depth);
    } else if (const auto *array = node.as_array()) {
        convert_array(*array, to, depth);
    } else if (const auto *string = node.as_string()) {
        if (string->get().find('\0') != std::string::npos)
            throw refusal { to->place, "a string has a NUL character" };
        to->type = TOML_STRING;
        to->text = copy_text(string->get());
    } else if (const auto *integer = node.as_integer()) {
        to->type = TOML_INTEGER;
        to->integer = integer->get();
    } else if (const auto *real = node.as_floating_point()) {
        to->type = TOML_FLOAT;
        to->real = real->get();
    } else if (const auto *truth = node.as_boolean()) {
        to->type = TOML_BOOLEAN;
        to->truth = truth->get();
    } else if (const auto *date = node.as_date()) {
        convert_date(*date, to);
    } else if (const auto *time = node.as_time()) {
        convert_date(*time, to);
    } else if (const auto *date_time = node.as_date_time()) {
        convert_date(*date_time, to);
    }
}

void free_contents(toml_value *value)
{
    for (size_t i = 0; i < value->n_items; i++)
        free_contents(&value->items[i]);
    secret_wipe_str(value->text);
    free(value->text);
    free(value->key);
    free(value->items);
}

struct tree_free {
    void operator()(toml_value *root) const
    {
        toml_free(root);
    }
};
} // namespace

int toml_parse(const char *text, size_t len, toml_value **ret, toml_place *where, error *err)
{
    *where = toml_place {};
    try {
        toml::table table = toml::parse(std::string_view(text, len));
        std::unique_ptr<toml_value, tree_free> root(new_items(1));

        convert(table, root.get(), 0);
        *ret = root.release();
        return 0;
    } catch (const toml::parse_error &e) {
        *where = place_of(e.source());
        return error_set(err, -EINVAL, "%.*s", static_cast<int>(e.description().size()),
                         e.description().data());
    } catch (const refusal &e) {
        *where = e.place;
        return error_set(err, -EINVAL, "%s", e.reason);
    } catch (const std::bad_alloc &) {
        return error_set(err, -ENOMEM, "out of memory");
    } catch (const std::exception &e) {
        return error_set(err, -EINVAL, "%s", e.what());
    }
}

void toml_free(toml_value *root)
{
    if (!root)
        return;
    free_contents(root);
    free(root);
}

const toml_value *toml_find(const toml_value *table, const char *key)
{
    for (size_t i = 0; i < table->n_items; i++)
        if (table->items[i].key && strcmp(table->items[i].key, key) == 0)
            return &table->items[i];
    return nullptr;
}

toml_place toml_key_place(const toml_value *value)
{
    return value->key_place.line > 0 ? value->key_place : value->place;
}

const char *toml_type_name(toml_type type)
{
    switch (type) {
    case TOML_TABLE:
        return "a table";
    case TOML_ARRAY:
        return "an array";
    case TOML_STRING:
        return "a string";
    case TOML_INTEGER:
        return "a whole number";
    case TOML_FLOAT:
        return "a number with a fraction";
    case TOML_BOOLEAN:
        return "true or false";
    case TOML_DATE_TIME:
        return "a date or time";
    }
    return "a value";
}
