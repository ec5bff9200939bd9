/* nestingd/main.c - flotilla-nesting, the daemon behind nesting.sock: a table of subcommands. */
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "core/base/fs.h"
#include "core/base/str.h"
#include "nestingd/commands.h"

#define PROGRAM "flotilla-nesting"
#define LINE_MAX_BYTES 4096

static const struct {
    const char *name, *usage, *summary;
    int (*run)(int argc, char **argv);
} commands[] = {
    { "serve", "[-hypervisor tart|qemu] [-config FILE] [-state DIR]", "be the daemon",
      command_serve },
    { "init", "[-config FILE]", "give the daemon its settings", command_init },
    { "create", "IMAGE [SLOT]", "make a VM of an image", command_create },
    { "delete", "ID", "remove a VM", command_delete },
    { "list", "", "print the VMs", command_list },
    { "shutdown", "", "let the daemon wait for another init", command_shutdown },
    { "version", "", "print what this program is", command_version },
};

static void say(const char *command, const char *text, const char *more)
{
    autobuf struct buf line = BUF_INIT;
    autobuf struct buf shown = BUF_INIT;

    buf_addf(&line, PROGRAM " %s: %s%s", command, text, more);
    str_display(&shown, buf_str(&line), line.len, LINE_MAX_BYTES);
    (void) fprintf(stderr, "%s\n", buf_str(&shown));
}

int command_failed(const char *command, const struct error *err)
{
    say(command, err->message, "");
    return EXIT_FAILED;
}

int command_misused(const char *command, const char *fmt, ...)
{
    autobuf struct buf text = BUF_INIT;
    va_list args;

    va_start(args, fmt);
    buf_vaddf(&text, fmt, args);
    va_end(args);
    say(command, buf_str(&text), "; see `man " PROGRAM "`");
    return EXIT_MISUSE;
}

static void usage(FILE *out)
{
    (void) fprintf(out, "Usage: " PROGRAM " COMMAND\n\n");
    for (size_t i = 0; i < ARRAY_LEN(commands); i++)
        (void) fprintf(out, "  %-8s  %-51s  %s\n", commands[i].name, commands[i].usage,
                       commands[i].summary);
    (void) fprintf(out, "\nThe socket is NESTING_SOCKET, else nesting.sock in its usual place; see "
                        "`man " PROGRAM "`.\n");
}

/* No image and no VM has such a name. */
static bool is_help(const char *word)
{
    return str_eq(word, "--help") || str_eq(word, "-help") || str_eq(word, "-h");
}

int main(int argc, char **argv)
{
    fs_keep_private();
    (void) signal(SIGPIPE, SIG_IGN);
    if (fs_open_std_null() < 0)
        return 125;
    if (argc < 2) {
        usage(stderr);
        return EXIT_MISUSE;
    }
    if (is_help(argv[1]) || str_eq(argv[1], "help") || (argc == 3 && is_help(argv[2]))) {
        usage(stdout);
        return EXIT_SUCCESS;
    }
    for (size_t i = 0; i < ARRAY_LEN(commands); i++)
        if (str_eq(argv[1], commands[i].name))
            return commands[i].run(argc - 1, argv + 1);
    say(argv[1], "there is no such command", "");
    usage(stderr);
    return EXIT_MISUSE;
}
