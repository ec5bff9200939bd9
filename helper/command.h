/* helper/command.h - the commands of flotilla-helper, one file each; main.c has the table.
 */
#pragma once

#include <stdbool.h>

struct command {
    const char *name;
    int (*run)(int argc, char **argv); /* argv[0] is the command's name; the exit status */
    const char *what;                  /* for --help: one line */
    bool streamed;                     /* its archive may go through stdin or stdout (stream.h) */
};
