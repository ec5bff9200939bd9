/* helper/options.h - the options of a command, as GitLab Runner's helper takes them: `--name value`,
 * `--name=value`, a default from the environment, lists by repeating.
 *
 * A table describes the members of one struct; a command may read several tables.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/base/buf.h"
#include "core/base/error.h"

enum option_type {
    OPTION_TEXT,    /* const char *: borrowed from argv or the environment */
    OPTION_LIST,    /* struct option_list */
    OPTION_FLAG,    /* bool */
    OPTION_NUMBER,  /* int64_t */
    OPTION_DURATION /* int64_t, in ms: "1h0m0s" */
};

struct option_list {
    const char **items; /* NULL when empty */
    size_t n;
};

struct option {
    const char *name;     /* without the dashes; NULL ends a table */
    const char *variable; /* of the environment, or NULL */
    enum option_type type;
    size_t offset;
    const char *what; /* for --help */
};
#define OPTION(name, variable, type, owner, member, what)                                          \
    {                                                                                              \
        name, variable, type, offsetof(struct owner, member), what                                 \
    }

/* A table and the struct that it fills, which holds the defaults. */
struct option_set {
    const struct option *table; /* NULL ends the list of sets */
    void *into;
};

enum options_next { OPTIONS_RUN, OPTIONS_HELP_SHOWN, OPTIONS_WRONG };
/* argv[0] is the command's name. Options end at `--` or at the first word that is none: its index goes
 * to *ret_rest (NULL = no such words are taken). What is wrong has been said. A value of the
 * environment that can't be read is warned of and left. */
enum options_next options_read(const struct option_set *sets, int argc, char **argv, int *ret_rest);

/* More of them from stdin, to its end, a line each, always `--name=value`: a command line is seen by all of the machine.
 * The values lie in `text`, which outlives them. Negative when it failed, which has been said. */
int options_read_stdin(const struct option_set *sets, const char *command, struct buf *text);

/* Frees the lists that were read. For the variable that holds the sets: `auto_options`. */
void options_done(const void *sets);
#define auto_options __attribute__((cleanup(options_done)))

/* Adds one; -ENOMEM. */
int option_list_add(struct option_list *list, const char *item);
