/* core/cli/migrate.c - `flotilla migrate`: a config.toml of GitLab Runner as one for flotilla, each difference told. */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <stdio.h>

#include "core/base/fs.h"
#include "core/base/harden.h"
#include "core/base/str.h"
#include "core/cli/cli.h"
#include "core/config/migrate.h"

#define FILE_MAX ((size_t) 4 * 1024 * 1024)

static const char usage[] =
    "Usage: flotilla migrate FILE\n"
    "Reads a config.toml of GitLab Runner and prints it as one for flotilla. What means the same\n"
    "stays as it is written, with its comments: all of the executor instance, and tokens. What "
    "was\n"
    "for docker-autoscaler or docker+machine is changed, what was for other executors commented\n"
    "out. Each difference is a comment there and a line FILE:LINE: sentence on stderr.\n"
    "\n"
    "  umask 077; flotilla migrate /etc/gitlab-runner/config.toml >config.toml\n"
    "  flotilla config check config.toml\n"
    "\n"
    "Two managers must not use one group of a cloud at the same time.\n"
    "Exit status: 0, 1 when the file cannot be read or changed, 2 for a wrong command line.\n";

static int parse_options(int argc, char **argv, const char **ret_file)
{
    static const struct option options[] = {
        { "help", no_argument, NULL, 'h' },
        { NULL, 0, NULL, 0 },
    };
    int c;

    while ((c = getopt_long(argc, argv, ":h", options, NULL)) != -1) {
        if (c != 'h')
            return cli_wrong_option("migrate", c, argv);
        (void) fputs(usage, stdout);
        return 1;
    }
    if (optind == argc)
        return cli_misuse("migrate", "the name of a file is missing");
    *ret_file = argv[optind++];
    if (optind < argc)
        return cli_misuse("migrate", "there is no argument '%s'", argv[optind]);
    return 0;
}

static void say(void *arg, int line, const char *sentence)
{
    const char *file = arg;

    cli_say("%s:%d: %s", file, line, sentence);
}

static int print(const struct buf *text)
{
    if (fwrite(buf_str(text), 1, text->len, stdout) == text->len && fflush(stdout) == 0)
        return 0;
    cli_say("flotilla: the configuration cannot be written: %m");
    return 1;
}

int cli_migrate(int argc, char **argv)
{
    autobuf struct buf former = BUF_SECRET, text = BUF_SECRET;
    const char *file = NULL;
    struct error err = { 0 };
    int r = parse_options(argc, argv, &file);

    if (r != 0)
        return r > 0 ? 0 : 2;
    r = harden_process();
    if (r == 0)
        r = fs_read_file(AT_FDCWD, file, FILE_MAX, &former, &err);
    if (r == 0)
        r = migrate(&former, file, say, (void *) file, &text, &err);
    if (r < 0) {
        cli_say("flotilla: %s", err.message);
        return 1;
    }
    return print(&text);
}
