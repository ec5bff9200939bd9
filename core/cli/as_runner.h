/* core/cli/as_runner.h - the program under the name `gitlab-runner`, as people's scripts and units call it. For main.c. */
#pragma once

#include <stdbool.h>

bool as_runner_is_called(const char *argv0);

/* Brings the words into our order: options before the command go behind it, and those of `run` that say what is
 * systemd's business here are left out. True for what no command of ours answers, such as --version or `start`: it was
 * answered, with the exit status. */
bool as_runner_prepare(int *argc, char ***argv, int *ret_status);
