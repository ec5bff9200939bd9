/* core/cli/misuse.c - what is wrong, above all with the command line, said in one line instead of a page
 * of help. */
#include <errno.h>
#include <getopt.h>
#include <stdarg.h>
#include <stdio.h>

#include "core/base/str.h"
#include "core/cli/cli.h"

#define LINE_MAX_BYTES 4096

static void say(const struct buf *line)
{
    autobuf struct buf shown = BUF_INIT;

    str_display(&shown, buf_str(line), line->len, LINE_MAX_BYTES);
    (void) fprintf(stderr, "%s\n", buf_str(&shown));
}

void cli_say(const char *fmt, ...)
{
    autobuf struct buf line = BUF_INIT;
    va_list args;

    va_start(args, fmt);
    buf_vaddf(&line, fmt, args);
    va_end(args);
    say(&line);
}

int cli_misuse(const char *command, const char *fmt, ...)
{
    autobuf struct buf line = BUF_INIT;
    va_list args;

    buf_addf(&line, "flotilla %s: ", command);
    va_start(args, fmt);
    buf_vaddf(&line, fmt, args);
    va_end(args);
    buf_addf(&line, "; see `flotilla %s --help`", command);
    say(&line);
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
