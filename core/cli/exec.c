/* core/cli/exec.c - `flotilla exec`: the options; core/exec does the rest. */
#include "core/exec/exec.h"

#include <getopt.h>
#include <stdio.h>

#include "core/base/harden.h"
#include "core/cli/cli.h"

static void usage(void)
{
    (void) printf(
        "Usage: flotilla exec [--file FILE] [--config FILE] [--state-dir DIR]\n"
        "                     [--plugin-dir DIR[:DIR]] [--report OUT.html]\n"
        "                     [--artifacts DIR] [--cache DIR] [--verbose] [JOB...]\n"
        "Runs the pipeline of .gitlab-ci.yml, or only the named jobs, on instances of this "
        "machine.\n"
        "Jobs see HEAD and the uncommitted changes of tracked files. A manual job runs\n"
        "only when it is named.\n"
        "\n"
        "  --file FILE       another file than .gitlab-ci.yml, here or at the repository's top\n"
        "  --config FILE     a config.toml; its runners take the jobs, from here instead of "
        "GitLab.\n"
        "                    Their instances are removed at the end: name a group of its own\n"
        "  --state-dir DIR   keep the manager's state there instead of in a temporary directory\n"
        "  --plugin-dir DIR  where plugins are looked for first; then in FLOTILLA_PLUGIN_PATH,\n"
        "                    the installed folder and PATH\n"
        "  --report FILE     at the end, write a page of HTML: jobs and instances over time\n"
        "  --artifacts DIR   keep there what jobs upload, instead of dropping it at the end\n"
        "  --cache DIR       keep the caches of jobs there for the next run; not with --config,\n"
        "                    where cache_dir says so\n"
        "  --verbose         also what the manager notes\n"
        "\n"
        "On a terminal the run is shown as a board, else (and where TERM is dumb) as lines.\n"
        "Ctrl-C ends the jobs and removes the instances, a second one kills them at once.\n"
        "Exit status: 0 when the pipeline passed, 1 when it failed or could not run,\n"
        "2 for a wrong command line, 130 when it was interrupted.\n");
}

/* 0 to go on; 1 when all is said; negative for a wrong use. */
static int parse_options(int argc, char **argv, struct exec_options *ret, enum log_level *level)
{
    static const struct option options[] = {
        { "file", required_argument, NULL, 'f' },
        { "config", required_argument, NULL, 'c' },
        { "state-dir", required_argument, NULL, 's' },
        { "plugin-dir", required_argument, NULL, 'p' },
        { "report", required_argument, NULL, 'r' },
        { "artifacts", required_argument, NULL, 'a' },
        { "cache", required_argument, NULL, 'k' },
        { "verbose", no_argument, NULL, 'v' },
        { "help", no_argument, NULL, 'h' },
        { NULL, 0, NULL, 0 },
    };
    int c;

    while ((c = getopt_long(argc, argv, ":f:c:vh", options, NULL)) != -1) {
        switch (c) {
        case 'f':
            ret->file = optarg;
            break;
        case 'c':
            ret->config = optarg;
            break;
        case 's':
            ret->state_dir = optarg;
            break;
        case 'p':
            ret->plugin_dirs = optarg;
            break;
        case 'r':
            ret->report = optarg;
            break;
        case 'a':
            ret->artifacts = optarg;
            break;
        case 'k':
            ret->cache = optarg;
            break;
        case 'v':
            *level = LOG_LEVEL_INFO;
            break;
        case 'h':
            usage();
            return 1;
        default:
            return cli_wrong_option("exec", c, argv);
        }
    }
    ret->names = (const char *const *) argv + optind;
    ret->n_names = (size_t) (argc - optind);
    return 0;
}

int cli_exec(int argc, char **argv)
{
    struct exec_options options = { .self_exe = cli_self_exe() };
    enum log_level level = LOG_LEVEL_WARNING;
    int r = parse_options(argc, argv, &options, &level);
    int status;

    if (r != 0)
        return r > 0 ? 0 : 2;
    if (harden_process() < 0)
        return 1;
    log_open(2, LOG_FORMAT_TEXT, level);
    status = exec_run(&options);
    log_flush();
    return status;
}
