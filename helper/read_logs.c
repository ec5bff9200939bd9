/* helper/read_logs.c - the command `read-logs`: follows a file and prints its lines, each behind the
 * offset at which the next one begins. */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "core/base/clock.h"
#include "core/base/fault.h"
#include "core/base/io.h"
#include "core/base/str.h"
#include "helper/commands.h"
#include "helper/options.h"
#include "helper/say.h"

#define LINE_SIZE 16384
#define POLL_MS 500
#define EXIT_NO_FILE 100

struct reader {
    const char *path;
    int64_t offset, wait_ms;
};
static const struct option reader_options[] = {
    OPTION("path", NULL, OPTION_TEXT, reader, path, "the file; required"),
    OPTION("offset", NULL, OPTION_NUMBER, reader, offset, "where to begin (0)"),
    OPTION("wait-file-timeout", NULL, OPTION_DURATION, reader, wait_ms,
           "how long the file may be missing at first (1s)"),
    { 0 }
};

static void pause_between(void)
{
    clock_sleep_ms(fault_limit_ms("helper_pause", POLL_MS));
}

/* A descriptor, or negative errno. */
static int open_when_there(const struct reader *reader)
{
    int64_t until = clock_mono_ms(&clock_system) + reader->wait_ms;

    for (;;) {
        int fd = open(reader->path, O_RDONLY | O_CLOEXEC);

        if (fd >= 0 || errno != ENOENT)
            return fd >= 0 ? fd : -errno;
        if (clock_mono_ms(&clock_system) >= until)
            return -ENOENT;
        pause_between();
    }
}

/* A piece that is no whole line is printed as one: it is long, or its end has not come. */
static int print(int64_t *offset, const char *piece, size_t len)
{
    bool whole = piece[len - 1] == '\n';

    *offset += (int64_t) len;
    if (printf("%" PRId64 " %.*s%s", *offset, (int) len, piece, whole ? "" : "\n") < 0)
        return -EIO;
    return 0;
}

static int print_lines(int64_t *offset, const char *data, size_t len)
{
    while (len > 0) {
        const char *end = memchr(data, '\n', len);
        size_t n = end ? (size_t) (end + 1 - data) : len;

        if (print(offset, data, n) < 0)
            return -EIO;
        data += n;
        len -= n;
    }
    return fflush(stdout) == 0 ? 0 : -EIO;
}

/* Until the file vanishes: -ENOENT, or another negative errno. */
static int follow(const char *path, int fd, int64_t offset)
{
    char data[LINE_SIZE];
    struct stat st;

    for (;;) {
        ssize_t n = io_pread(fd, data, sizeof(data), offset);
        const char *end = n > 0 ? memrchr(data, '\n', (size_t) n) : NULL;

        if (n < 0)
            return -errno;
        if (end && n == sizeof(data))
            n = end + 1 - data; /* the rest may be a whole line next time */
        if (n > 0 && print_lines(&offset, data, (size_t) n) < 0)
            return -EIO;
        if (n > 0)
            continue;
        if (stat(path, &st) < 0)
            return -errno;
        pause_between();
    }
}

int run_read_logs(int argc, char **argv)
{
    struct reader reader = { .wait_ms = 1000 };
    auto_options const struct option_set sets[] = { { reader_options, &reader }, { 0 } };
    enum options_next next = options_read(sets, argc, argv, NULL);
    autoclose int fd = -1;
    int r;

    if (next != OPTIONS_RUN)
        return next == OPTIONS_HELP_SHOWN ? 0 : 1;
    if (str_empty(reader.path) || reader.offset < 0)
        return say_fatal("--path must name a file, and --offset must not be negative");
    fd = open_when_there(&reader);
    r = fd < 0 ? fd : follow(reader.path, fd, reader.offset);
    (void) say_fatal("'%s': %s", reader.path, strerror(-r));
    return r == -ENOENT ? EXIT_NO_FILE : 1;
}
