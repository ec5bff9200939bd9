/* core/config/toml.h - a TOML text as a plain C tree with the place of every key and value.
 *
 * The only door to toml++: toml.cpp is the one C++ file, no exception and no C++ type leaves it.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#else
#include "core/base/autoclean.h"
#endif

#include "core/base/error.h"

enum toml_type {
    TOML_TABLE,
    TOML_ARRAY,
    TOML_STRING,
    TOML_INTEGER,
    TOML_FLOAT,
    TOML_BOOLEAN,
    TOML_DATE_TIME
};

struct toml_place {
    int line, column; /* from 1; 0 = unknown */
};

struct toml_value {
    enum toml_type type;
    struct toml_place place;     /* of the value */
    struct toml_place key_place; /* of the key; of an array's item: of the value */
    char *key;                   /* NULL in arrays and for the root */
    char *text;                  /* TOML_STRING (never NULL, no NUL inside); TOML_DATE_TIME */
    int64_t integer;
    double real;
    bool truth;
    struct toml_value *items; /* members of a table by place, items of an array in order */
    size_t n_items;
};

/* Parses `len` bytes. 0 and *ret, else negative with the place and the reason in *where and err. */
int toml_parse(const char *text, size_t len, struct toml_value **ret, struct toml_place *where,
               struct error *err);
void toml_free(struct toml_value *root); /* wipes strings: tokens and passwords are among them */
const struct toml_value *toml_find(const struct toml_value *table, const char *key);
/* Where a message about a setting points: at its key, which is what one looks for in the file. */
struct toml_place toml_key_place(const struct toml_value *value);
const char *toml_type_name(enum toml_type type); /* "a string", "a table", … */

#ifdef __cplusplus
}
#else
DEFINE_AUTO_PTR(struct toml_value, toml_free)
#endif
