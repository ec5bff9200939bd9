/* core/cli/rows.c - see rows.h. */
#include "core/cli/rows.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "core/base/mem.h"
#include "core/base/str.h"

#define FIRST_ROW 1000 /* what getopt answers for the first one */
#define NUMBER_MAX INT64_C(1000000000000)

static int parse_truth(const char *text, int *ret)
{
    static const char *const words[][3] = { { "false", "f", "0" }, { "true", "t", "1" } };

    for (int truth = 0; truth <= 1; truth++)
        for (size_t i = 0; i < ARRAY_LEN(words[truth]); i++)
            if (strcasecmp(text, words[truth][i]) == 0) {
                *ret = truth;
                return 0;
            }
    return -EINVAL;
}

static int take_secret(struct secret **at, struct secret *secret)
{
    secret_free(*at);
    *at = secret;
    return secret ? 0 : -EINVAL;
}

static int take_text(char **at, const char *value)
{
    free(*at);
    *at = mem_strdup(value);
    return *at ? 0 : -ENOMEM;
}

/* `from` names the option or the variable. */
static int take_value(const struct rows *rows, const struct row *row, const char *from, char *value,
                      void *options)
{
    void *at = (char *) options + row->offset;

    switch (row->kind) {
    case ROW_OWNED:
        return take_text(at, value);
    case ROW_TEXT:
        *(const char **) at = value;
        return 0;
    case ROW_FLAG:
        *(bool *) at = true;
        return 0;
    case ROW_NUMBER:
        return parse_i64(value, 0, NUMBER_MAX, at) < 0
                   ? cli_misuse(rows->command, "%s '%s' is no number from 0 up", from, value)
                   : 0;
    case ROW_TRUTH:
        return parse_truth(value ? value : "true", at) < 0
                   ? cli_misuse(rows->command, "%s '%s' is neither true nor false", from, value)
                   : 0;
    case ROW_SECRET:
        return take_secret(at, runners_take_secret(value));
    case ROW_SECRET_FILE:
        return take_secret(at, runners_read_secret(rows->command, from, value));
    }
    return 0;
}

static bool is_said(const struct row *row, const void *options)
{
    const void *at = (const char *) options + row->offset;

    return row->kind == ROW_NUMBER  ? *(const int64_t *) at != 0
           : row->kind == ROW_FLAG  ? *(const bool *) at
           : row->kind == ROW_TRUTH ? *(const int *) at >= 0
                                    : *(void *const *) at != NULL;
}

static int take_environment(const struct rows *rows, void *options)
{
    for (size_t i = 0; i < rows->n; i++) {
        const struct row *row = &rows->items[i];
        char *value = row->variable ? getenv(row->variable) : NULL;
        int r;

        if (str_empty(value) || is_said(row, options))
            continue;
        r = take_value(rows, row, row->variable, value, options);
        if (r < 0)
            return r;
    }
    return 0;
}

/* 1 when it is none. */
static int take_option(const struct rows *rows, int c, void *options)
{
    for (size_t i = 0; i < rows->n; i++)
        if (c == FIRST_ROW + (int) i || (rows->items[i].letter && c == rows->items[i].letter)) {
            autofree char *from = mem_printf("--%s", rows->items[i].name);

            return take_value(rows, &rows->items[i], from, optarg, options);
        }
    return !runners_take_option(options, c);
}

static int takes_value(const struct row *row)
{
    return row->kind == ROW_FLAG    ? no_argument
           : row->kind == ROW_TRUTH ? optional_argument
                                    : required_argument;
}

/* For getopt: the long options, and the letters of those that have one. A truth's letter stands alone. */
static struct option *make_table(const struct rows *rows, struct buf *letters)
{
    static const struct option others[] = { RUNNERS_OPTIONS };
    struct option *table = mem_array(rows->n + ARRAY_LEN(others), sizeof(*table));

    if (!table)
        return NULL;
    buf_add_str(letters, ":c:h");
    for (size_t i = 0; i < rows->n; i++) {
        const struct row *row = &rows->items[i];

        table[i] = (struct option) { row->name, takes_value(row), NULL, FIRST_ROW + (int) i };
        if (row->letter)
            buf_addf(letters, "%c%s", row->letter,
                     takes_value(row) == required_argument ? ":" : "");
    }
    memcpy(&table[rows->n], others, sizeof(others));
    return table;
}

int rows_parse(const struct rows *rows, int argc, char **argv, void *options)
{
    autobuf struct buf letters = BUF_INIT;
    autofree struct option *table = make_table(rows, &letters);
    int c, r;

    if (!table || buf_error(&letters) < 0)
        return cli_misuse(rows->command, "out of memory");
    while ((c = getopt_long(argc, argv, buf_str(&letters), table, NULL)) != -1) {
        if (c == 'h') {
            rows->usage();
            return 1;
        }
        r = take_option(rows, c, options);
        if (r != 0)
            return r < 0 ? r : cli_wrong_option(rows->command, c, argv);
    }
    if (optind < argc)
        return cli_misuse(rows->command, "there is no argument '%s'", argv[optind]);
    return take_environment(rows, options);
}
