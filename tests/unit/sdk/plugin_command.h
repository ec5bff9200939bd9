/* tests/unit/sdk/plugin_command.h - `flotilla plugin …` over private copies of plugins: a build directory may be
 * writable by others, which is a reason to refuse. Used by test_check.c and test_check_isolation.c. */
#pragma once

#include <stdbool.h>
#include <sys/types.h>

#include "core/base/buf.h"

struct plugin_command {
    const char *flotilla, *fakes; /* the program, the folder of tests/fakes */
    char root[64];                /* where the copies are */
};

struct plugin_command_run { /* one that was started */
    pid_t pid;
    int fd; /* its standard output */
};

/* Of any file; and of a plugin of tests/fakes. The caller frees the path. */
char *plugin_command_copy(const struct plugin_command *command, const char *from, const char *name);
char *plugin_command_install(const struct plugin_command *command, const char *name);
/* The exit status, and the standard output. */
int plugin_command_run(const struct plugin_command *command, char *const *argv, struct buf *out);
/* `plugin check` with a configuration, and little patience. */
int plugin_command_check(const struct plugin_command *command, char *file, const char *config,
                         struct buf *out);
/* The same in two steps, so that many wait at once. */
struct plugin_command_run plugin_command_start_check(const struct plugin_command *command,
                                                     char *file, const char *config);
int plugin_command_end(struct plugin_command_run run, struct buf *out);
/* '*' in `line` stands for what differs from machine to machine. */
bool plugin_command_has_line(const char *text, const char *line);
