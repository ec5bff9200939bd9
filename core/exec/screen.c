/* core/exec/screen.c - escape sequences that every terminal of the last decades knows (screen.h).
 *
 * Giving back must also work from a signal handler, so that all it needs is static and it calls
 * nothing but system calls. */
#include "core/exec/screen.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <termios.h>
#include <unistd.h>

#include "core/base/fs.h"
#include "core/base/str.h"

#define ENTER "\x1b[?1049h\x1b[?25l\x1b[?7l"
#define LEAVE "\x1b[0m\x1b[?7h\x1b[?25h\x1b[?1049l"
#define PROBLEM_MAX 4096
#define DEFAULT_WIDTH 80
#define DEFAULT_HEIGHT 24

static const int fatal_signals[] = { SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGABRT, SIGQUIT };

static struct {
    volatile sig_atomic_t entered;
    bool handlers; /* are set: once for the process */
    bool silenced; /* echo was on, `before` is how it was */
    struct termios before;
    int kept,
        real; /* what stderr writes to meanwhile, and wrote to before; -1 = stderr is elsewhere */
} screen = { .kept = -1, .real = -1 };

bool screen_is_possible(void)
{
    const char *term = getenv("TERM");

    return isatty(STDOUT_FILENO) == 1 && !str_empty(term) && !str_eq(term, "dumb") &&
           tcgetpgrp(STDOUT_FILENO) == getpgrp();
}

/* Problems quote what others wrote; whoever wrote them, nothing here reaches the terminal that it
 * would obey. */
static void disarm(char *text, ssize_t len)
{
    for (ssize_t i = 0; i < len; i++)
        if (((unsigned char) text[i] < ' ' && text[i] != '\n' && text[i] != '\t') ||
            text[i] == 0x7f ||
            (i > 0 && (unsigned char) text[i - 1] == 0xc2 && (unsigned char) text[i] < 0xa0))
            text[i] = '?';
}

static void tell_kept(void)
{
    static char part[PROBLEM_MAX];
    off_t at = 0;
    ssize_t n;

    while ((n = pread(screen.kept, part, sizeof(part), at)) > 0) {
        disarm(part, n);
        (void) fs_write_all(STDERR_FILENO, part, (size_t) n);
        at += n;
    }
}

/* A background process that sets a terminal is stopped, unless it ignores that. */
static void set_terminal(const struct termios *wanted)
{
    sigset_t stop, before;

    (void) sigemptyset(&stop);
    (void) sigaddset(&stop, SIGTTOU);
    (void) sigprocmask(SIG_BLOCK, &stop, &before);
    (void) tcsetattr(STDOUT_FILENO, TCSANOW, wanted);
    (void) sigprocmask(SIG_SETMASK, &before, NULL);
}

void screen_leave(void)
{
    int saved = errno;

    if (!screen.entered)
        return;
    screen.entered = 0;
    (void) fs_write_all(STDOUT_FILENO, LEAVE, strlen(LEAVE));
    if (screen.silenced)
        set_terminal(&screen.before);
    if (screen.kept >= 0) {
        (void) dup2(screen.real, STDERR_FILENO);
        tell_kept();
        (void) close(screen.kept);
        (void) close(screen.real);
        screen.kept = screen.real = -1;
    }
    errno = saved;
}

/* The action is the default one again when this runs (SA_RESETHAND). */
static void on_fatal(int signum)
{
    screen_leave();
    (void) raise(signum);
}

static void set_handlers(void)
{
    const struct sigaction action = { .sa_handler = on_fatal,
                                      .sa_flags = (int) SA_RESETHAND | SA_NODEFER };

    if (screen.handlers)
        return;
    screen.handlers = true;
    for (size_t i = 0; i < ARRAY_LEN(fatal_signals); i++)
        (void) sigaction(fatal_signals[i], &action, NULL);
}

static void keep_problems(void)
{
    if (isatty(STDERR_FILENO) != 1)
        return;
    screen.kept = memfd_create("problems", MFD_CLOEXEC);
    screen.real = fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 3);
    if (screen.kept >= 0 && screen.real >= 0 && dup2(screen.kept, STDERR_FILENO) >= 0)
        return;
    if (screen.kept >= 0)
        (void) close(screen.kept);
    if (screen.real >= 0)
        (void) close(screen.real);
    screen.kept = screen.real = -1;
}

void screen_enter(void)
{
    struct termios quiet;

    if (screen.entered)
        return;
    set_handlers();
    keep_problems();
    screen.silenced = tcgetattr(STDOUT_FILENO, &screen.before) == 0;
    screen.entered = 1;
    if (screen.silenced) {
        quiet = screen.before;
        quiet.c_lflag &= ~(tcflag_t) ECHO;
        set_terminal(&quiet);
    }
    (void) fs_write_all(STDOUT_FILENO, ENTER, strlen(ENTER));
}

void screen_size(size_t *ret_width, size_t *ret_height)
{
    struct winsize size = { 0 };

    (void) ioctl(STDOUT_FILENO, TIOCGWINSZ, &size);
    *ret_width = size.ws_col > 0 ? size.ws_col : DEFAULT_WIDTH;
    *ret_height = size.ws_row > 0 ? size.ws_row : DEFAULT_HEIGHT;
}

static const char *colour_of(enum board_style style)
{
    static const char *const colours[] = {
        [BOARD_PLAIN] = "",        [BOARD_TITLE] = "\x1b[1m",  [BOARD_BUSY] = "\x1b[36m",
        [BOARD_GOOD] = "\x1b[32m", [BOARD_BAD] = "\x1b[1;31m", [BOARD_FAINT] = "\x1b[2m",
    };

    return getenv("NO_COLOR") ? "" : colours[style];
}

void screen_show(const struct board_page *page, bool anew)
{
    autobuf struct buf out = BUF_INIT;
    const char *at = buf_str(&page->text);

    buf_add_str(&out, anew ? "\x1b[2J\x1b[H" : "\x1b[H");
    for (size_t i = 0; i < page->n_lines; i++) {
        size_t len = strcspn(at, "\n");

        buf_add_str(&out, colour_of(page->styles[i]));
        buf_add(&out, at, len);
        buf_add_str(&out, i + 1 < page->n_lines ? "\x1b[0m\x1b[K\r\n" : "\x1b[0m\x1b[K");
        at += len + 1;
    }
    buf_add_str(&out, "\x1b[J");
    if (screen.entered && buf_error(&out) == 0)
        (void) fs_write_all(STDOUT_FILENO, out.data, out.len);
}

void screen_problem(struct buf *out)
{
    char end[PROBLEM_MAX];
    struct stat st = { 0 };
    const char *line;
    ssize_t n = 0;

    if (screen.kept >= 0 && fstat(screen.kept, &st) == 0)
        n = pread(screen.kept, end, sizeof(end), MAX(st.st_size - PROBLEM_MAX, 0));
    while (n > 0 && end[n - 1] == '\n')
        n--;
    line = n > 0 ? memrchr(end, '\n', (size_t) n) : NULL;
    line = line ? line + 1 : end;
    buf_add(out, line, n > 0 ? (size_t) (end + n - line) : 0);
}
