/* core/cli/register_ask.c - the questions of `flotilla register`, on standard error, with their defaults. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>

#include "core/base/io.h"
#include "core/base/mem.h"
#include "core/base/str.h"
#include "core/cli/register.h"

#define ANSWER_MAX 4096

/* Byte by byte: what follows the line is for the next question. -EINTR: somebody wants to end it. */
static int read_line(struct buf *line)
{
    char c;
    ssize_t n;

    while ((n = io_read(STDIN_FILENO, &c, 1)) == 1 && c != '\n')
        if (line->len < ANSWER_MAX)
            buf_add_char(line, c);
    if (n < 0)
        return -errno;
    while (line->len > 0 && (unsigned char) line->data[line->len - 1] <= ' ')
        line->data[--line->len] = '\0';
    return n == 0 && line->len == 0 ? -ENODATA : 0;
}

static const char *trim_start(const struct buf *line)
{
    return buf_str(line) + strspn(buf_str(line), " \t");
}

static int tell_end(const char *option, int r)
{
    if (r == -ENODATA)
        cli_say("flotilla register: the input ended before --%s was answered; with "
                "--non-interactive everything is taken from options",
                option);
    else if (r != -EINTR)
        cli_say("flotilla register: reading the answer for --%s: %s", option, strerror(-r));
    return r;
}

static int tell_missing(const char *option)
{
    cli_say("flotilla register: --%s needs to be entered; see `flotilla register --help`", option);
    return -EINVAL;
}

int register_ask(const struct register_options *options, const char *option, const char *question,
                 bool may_be_empty, char **answer)
{
    while (options->silent <= 0) {
        autobuf struct buf line = BUF_INIT;
        int r;

        cli_say("%s", question);
        if (!str_empty(*answer))
            (void) fprintf(stderr, "[%s]: ", *answer);
        r = read_line(&line);
        if (r < 0)
            return tell_end(option, r);
        if (*trim_start(&line)) {
            free(*answer);
            *answer = mem_strdup(trim_start(&line));
            return *answer ? 0 : -ENOMEM;
        }
        if (may_be_empty || !str_empty(*answer))
            return 0;
    }
    return str_empty(*answer) && !may_be_empty ? tell_missing(option) : 0;
}

/* The terminal shows nothing of what is typed. Is `former` to be put back? */
static bool hide_input(struct termios *former)
{
    struct termios hidden;

    if (tcgetattr(STDIN_FILENO, former) < 0)
        return false;
    hidden = *former;
    hidden.c_lflag &= ~(tcflag_t) ECHO;
    return tcsetattr(STDIN_FILENO, TCSAFLUSH, &hidden) == 0;
}

static int read_secret_line(struct buf *line)
{
    struct termios former;
    bool hidden = hide_input(&former);
    int r = read_line(line);

    if (hidden) {
        (void) tcsetattr(STDIN_FILENO, TCSAFLUSH, &former);
        (void) fputc('\n', stderr);
    }
    return r;
}

int register_ask_secret(const struct register_options *options, const char *option,
                        const char *question, struct secret **answer)
{
    while (!*answer && options->silent <= 0) {
        autobuf struct buf line = BUF_SECRET;
        int r;

        cli_say("%s", question);
        r = read_secret_line(&line);
        if (r < 0)
            return tell_end(option, r);
        if (*trim_start(&line))
            *answer = secret_from_str(trim_start(&line));
    }
    return *answer ? 0 : tell_missing(option);
}
