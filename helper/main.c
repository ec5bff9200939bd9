/* helper/main.c - flotilla-helper: a table of commands, called as `gitlab-runner COMMAND` is on an
 * instance, by whatever name.
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

#include "core/base/fs.h"
#include "core/base/str.h"
#include "helper/commands.h"
#include "helper/options.h"
#include "helper/say.h"

/* Sorted by name; ends with an empty row. */
static const struct command commands[] = {
    { "artifacts-downloader", run_artifacts_downloader, "fetch and unpack a job's artifacts",
      true },
    { "artifacts-uploader", run_artifacts_uploader, "pack and send a job's artifacts", true },
    { "cache-archiver", run_cache_archiver, "pack a cache and send it to its store", true },
    { "cache-extractor", run_cache_extractor, "fetch a cache from its store and unpack it", true },
    { "cache-init", run_cache_init, "make folders writable for everybody", false },
#ifndef FLOTILLA_HELPER_STATIC /* of a container's service: nobody asks that one */
    { "health-check", run_health_check, "wait until a TCP port answers", false },
#endif
    { "read-logs", run_read_logs, "follow a file", false },
    { "stream", run_stream, "run a command whose archive goes through stdin or stdout", false },
    { NULL, NULL, NULL, false },
};

/* Before the command. */
struct globals {
    bool debug, version, help;
    const char *level, *format;
};
static const struct option global_options[] = {
    OPTION("debug", "RUNNER_DEBUG", OPTION_FLAG, globals, debug, "say more"),
    OPTION("log-level", "LOG_LEVEL", OPTION_TEXT, globals, level,
           "debug, info, warn, error or fatal (info)"),
    OPTION("log-format", "LOG_FORMAT", OPTION_TEXT, globals, format,
           "taken, of no effect: lines are those of a job's log"),
    OPTION("version", NULL, OPTION_FLAG, globals, version, "name this version"),
    OPTION("v", NULL, OPTION_FLAG, globals, version, "the same"),
    { 0 }
};

static void usage(FILE *out)
{
    (void) fprintf(out,
                   "Usage: flotilla-helper [--debug] [--log-level LEVEL] COMMAND [OPTIONS]\n\n");
    for (const struct command *command = commands; command->name; command++)
        (void) fprintf(out, "  %-20s  %s\n", command->name, command->what);
    (void) fprintf(out, "\n`flotilla-helper COMMAND --help` lists the options of one,\n"
                        "`flotilla-helper --version` names this one.\n");
}

static const struct command *find(const char *name)
{
    for (const struct command *command = commands; command->name; command++)
        if (str_eq(name, command->name))
            return command;
    return NULL;
}

const struct command *commands_find_streamed(const char *name)
{
    const struct command *command = find(name);

    return command && command->streamed ? command : NULL;
}

static void set_level(const struct globals *globals)
{
    enum say_level level = SAY_INFO;

    if (!str_empty(globals->level) && say_parse_level(globals->level, &level) < 0)
        say(SAY_WARNING, "log level '%s' is none of debug, info, warn, error, fatal; ignoring",
            globals->level);
    say_set_level(globals->debug ? SAY_DEBUG : level);
}

int main(int argc, char **argv)
{
    struct globals globals = { 0 };
    auto_options const struct option_set sets[] = { { global_options, &globals }, { 0 } };
    const struct command *command;
    int at = 1;

    if (fs_open_std_null() < 0 || signal(SIGPIPE, SIG_IGN) == SIG_ERR)
        return 1;
    if (argc < 2 || str_eq(argv[1], "--help") || str_eq(argv[1], "-h")) {
        usage(argc < 2 ? stderr : stdout);
        return argc < 2 ? 1 : 0;
    }
    if (options_read(sets, argc, argv, &at) != OPTIONS_RUN)
        return 1;
    if (globals.version) {
        (void) printf("flotilla-helper %s\n", FLOTILLA_VERSION);
        return 0;
    }
    set_level(&globals);
    command = at < argc ? find(argv[at]) : NULL;
    if (command)
        return command->run(argc - at, argv + at);
    return say_fatal("there is no command '%s'; `flotilla-helper --help` lists them",
                     at < argc ? argv[at] : "");
}
