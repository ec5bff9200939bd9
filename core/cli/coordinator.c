/* core/cli/coordinator.c - `flotilla coordinator`: the options; core/exec does the rest. */
#include <getopt.h>
#include <stdio.h>

#include "core/base/harden.h"
#include "core/cli/cli.h"
#include "core/exec/exec.h"

#define LISTEN_DEFAULT "127.0.0.1:0"

static void usage(void)
{
    (void) printf(
        "Usage: flotilla coordinator [--file FILE] [--listen HOST:PORT] [JOB...]\n"
        "Gives the jobs of .gitlab-ci.yml, or only the named ones, to runners that ask for them "
        "as\n"
        "they ask GitLab, and ends when all have ended. Prints the URL and the token for their\n"
        "configuration.\n"
        "\n"
        "  --file FILE         another file than .gitlab-ci.yml, here or at the repository's top\n"
        "  --listen HOST:PORT  where to listen; " LISTEN_DEFAULT " (any free port) by default\n"
        "\n"
        "Jobs clone from a folder of this machine, so runners must run here, as this user. What\n"
        "runners send is not encrypted: listen on 127.0.0.1 or [::1].\n"
        "Ctrl-C tells runners to end their jobs and waits for them, a second one does not wait.\n"
        "Exit status: 0 when the pipeline passed, 1 when it failed or could not be served,\n"
        "2 for a wrong command line, 130 when it was interrupted.\n");
}

/* 0 to go on; 1 when all is said; negative for a wrong use. */
static int parse_options(int argc, char **argv, struct exec_options *ret)
{
    static const struct option options[] = {
        { "file", required_argument, NULL, 'f' },
        { "listen", required_argument, NULL, 'l' },
        { "help", no_argument, NULL, 'h' },
        { NULL, 0, NULL, 0 },
    };
    int c;

    while ((c = getopt_long(argc, argv, ":f:l:h", options, NULL)) != -1) {
        switch (c) {
        case 'f':
            ret->file = optarg;
            break;
        case 'l':
            ret->listen = optarg;
            break;
        case 'h':
            usage();
            return 1;
        default:
            return cli_wrong_option("coordinator", c, argv);
        }
    }
    ret->names = (const char *const *) argv + optind;
    ret->n_names = (size_t) (argc - optind);
    return 0;
}

int cli_coordinator(int argc, char **argv)
{
    struct exec_options options = { .listen = LISTEN_DEFAULT };
    int r = parse_options(argc, argv, &options);
    int status;

    if (r != 0)
        return r > 0 ? 0 : 2;
    if (harden_process() < 0)
        return 1;
    log_open(2, LOG_FORMAT_TEXT, LOG_LEVEL_WARNING);
    status = exec_run(&options);
    log_flush();
    return status;
}
