/* core/cli/misuse.c - a wrong command line, said in one line instead of a page of help. */
#include <errno.h>
#include <getopt.h>
#include <stdarg.h>
#include <stdio.h>

#include "core/base/str.h"
#include "core/cli/cli.h"

int cli_misuse(const char *command, const char *fmt, ...)
{
    va_list args;

    (void) fprintf(stderr, "flotilla %s: ", command);
    va_start(args, fmt);
    (void) vfprintf(stderr, fmt, args);
    va_end(args);
    (void) fprintf(stderr, "; see `flotilla %s --help`\n", command);
    return -EINVAL;
}

int cli_wrong_option(const char *command, int c, char *const *argv)
{
    const char letter[] = { '-', (char) optopt, '\0' };
    bool is_long = str_starts(argv[optind - 1], "--");
    const char *option = is_long ? argv[optind - 1] : letter;

    if (c == ':')
        return cli_misuse(command, "option %s needs a value", option);
    if (is_long && optopt != 0)
        return cli_misuse(command, "option %s takes no value", option);
    return cli_misuse(command, "there is no option %s", option);
}
