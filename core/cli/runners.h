/* core/cli/runners.h - what `register`, `verify`, `unregister`, `list` and `reset-token` share: options, the log, the
 * entries of the configuration, and how they are changed in it. */
#pragma once

#include <getopt.h>

#include "core/cli/cli.h"
#include "core/cli/gitlab.h"
#include "core/config/entries.h"
#include "core/coordinator/system_id.h"

/* How long another flotilla may be at the file. */
#define RUNNERS_EDIT_WAIT_MS 10000

struct runners_options {
    const char *config, *log_level, *log_format;
};

/* The last rows of each command's table of options. */
#define RUNNERS_OPTIONS                                                                            \
    { "config", required_argument, NULL, 'c' }, { "log-level", required_argument, NULL, 'L' },     \
        { "log-format", required_argument, NULL, 'F' }, { "help", no_argument, NULL, 'h' },        \
    {                                                                                              \
        NULL, 0, NULL, 0                                                                           \
    }
#define RUNNERS_HELP                                                                               \
    "  -c, --config FILE       else CONFIG_FILE of the environment, else %s\n"                     \
    "      --log-level LEVEL   error, warning, notice, info or debug; info unless named\n"         \
    "      --log-format FORMAT runner, text or json; runner unless named\n"
/* True when the option was one of those. */
bool runners_take_option(struct runners_options *options, int c);
/* Fills in what was not said and opens the log; negative has been told. */
int runners_begin(const char *command, struct runners_options *options);
/* A secret of the command line, where it is then no longer to be seen. */
struct secret *runners_take_secret(char *argument);
/* The first word of the file that the option names. NULL has been told. */
struct secret *runners_read_secret(const char *command, const char *option, const char *file);

/* Where there is no file, there is no entry: that is told and no error, as under GitLab Runner. Negative has been
 * told. */
int runners_load(const struct runners_options *options, struct entries *ret);

typedef bool (*runners_pick_fn)(const void *options, const struct entry *entry);
/* How many entries are meant, and the first of them in *ret_first; a runner that has several counts once. */
size_t runners_count(const struct entries *entries, runners_pick_fn pick, const void *options,
                     const struct entry **ret_first);
typedef int (*runners_act_fn)(void *arg, const struct entry *entry);
/* Calls `act` for each of them. One without a token is told instead. How many of them failed. */
size_t runners_each(const struct entries *entries, runners_pick_fn pick, const void *options,
                    runners_act_fn act, void *arg);
/* This manager's name at GitLab; negative has been told. */
int runners_system_id(const struct runners_options *options, char dst[SYSTEM_ID_SIZE]);
void runners_host(const struct entry *entry, struct coordinator_host *ret);
/* Asks GitLab for the runner and tells what it said, in GitLab Runner's words. Its status; negative when it could not
 * be asked. */
int runners_verify(const struct coordinator_host *host, const char *token, const char *system_id,
                   struct gitlab_answer *ret);

/* What can be known before: could an entry be added? The file's directory is made if need be. */
int runners_check_config(const char *config, struct error *err);
/* Every entry of that runner; told either way. */
int runners_remove(const char *config, const struct entry *entry);
