/* core/cli/rows.h - the options of a command as rows of a table, which say where each value goes and which variable of
 * the environment stands for it. For the commands about runners. */
#pragma once

#include "core/cli/runners.h"

enum row_kind {
    ROW_TEXT,        /* const char *, which the command line keeps */
    ROW_OWNED,       /* char * */
    ROW_NUMBER,      /* int64_t from 0 up; 0 = not said */
    ROW_FLAG,        /* bool */
    ROW_TRUTH,       /* int: 0, 1, or -1 as it was = not said */
    ROW_SECRET,      /* struct secret *; no longer to be seen where it was */
    ROW_SECRET_FILE, /* the same, the first word of a file */
};

struct row {
    const char *name, *variable; /* of the environment; NULL = none */
    char letter;                 /* 0 = none */
    enum row_kind kind;
    size_t offset;
};

struct rows {
    const char *command;
    void (*usage)(void);
    const struct row *items;
    size_t n;
};

/* The command line into `options`, which begin with a struct runners_options; then, for what it did not say, the
 * environment. 0, 1 when help was shown, or negative, which has been told. */
int rows_parse(const struct rows *rows, int argc, char **argv, void *options);
