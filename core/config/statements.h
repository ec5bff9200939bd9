/* core/config/statements.h - a TOML text as its statements: where each header, each key and each value stands.
 *
 * Only for a text that toml_parse() takes: what it would refuse is not noticed here. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

struct span {
    size_t start, end;
};

struct statement {
    bool is_header, is_array; /* [x], [[x]] */
    struct span key;          /* of a header: what is between its brackets */
    struct span value;        /* of a key */
    struct span lines; /* whole lines, with the comment behind it and the newline if there is one */
};

/* The statements at and behind `*at`, which moves on; false at the end. */
bool statement_next(const char *text, size_t len, size_t *at, struct statement *ret);
/* Parts of a dotted key: 1 for a plain one. */
size_t key_parts(const char *text, struct span key);
/* Is the first part this name? One that is written with escapes is none. */
bool key_begins(const char *text, struct span key, const char *name);

/* The line that begins at `at`: its end, behind the newline if there is one. */
size_t line_end(const char *text, size_t len, size_t at);
bool line_is_blank(const char *text, size_t len, size_t at);
bool line_is_comment(const char *text, size_t len, size_t at);
