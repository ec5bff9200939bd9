/* helper/commands.h - the commands of flotilla-helper, each in a file of its name; main.c has the
 * table. */
#pragma once

#include <stdbool.h>

struct command {
    const char *name;
    int (*run)(int argc, char **argv); /* argv[0] is the command's name; the exit status */
    const char *what;                  /* for --help: one line */
    bool streamed;                     /* its archive may go through stdin or stdout (stream.h) */
};

int run_artifacts_downloader(int argc, char **argv);
int run_artifacts_uploader(int argc, char **argv);
int run_cache_archiver(int argc, char **argv);
int run_cache_extractor(int argc, char **argv);
int run_cache_init(int argc, char **argv);
int run_health_check(int argc, char **argv);
int run_read_logs(int argc, char **argv);
int run_stream(int argc, char **argv);

/* One whose archive can go through stdin or stdout; NULL = it is none of those. */
const struct command *commands_find_streamed(const char *name);
