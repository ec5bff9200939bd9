/* core/supervisor/spool.c - the spool files from the supervisor's side: made with their lock, read,
 * completed when a worker died, removed when their job is closed (docs/design/processes.md). */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>

#include "core/base/fs.h"
#include "core/base/io.h"
#include "core/base/str.h"
#include "core/supervisor/spool.h"
#include "core/supervisor/strangers.h"

#define LOG_TOPIC "spool"
#include "core/base/log.h"

static void spool_name(char name[32], int64_t seq)
{
    (void) snprintf(name, 32, "%" PRId64 ".log", seq);
}

static int open_locked(struct supervisor *supervisor, int64_t seq, int flags, int *ret_fd)
{
    autoclose int fd = -1;
    char name[32];

    spool_name(name, seq);
    fd = io_openat(supervisor->spool_dir_fd, name,
                   O_RDWR | O_APPEND | O_NOFOLLOW | O_CLOEXEC | flags, 0600);
    if (fd < 0)
        return -errno;
    if (flock(fd, LOCK_EX | LOCK_NB) < 0)
        return -errno;
    *ret_fd = take_fd(&fd);
    return 0;
}

int spool_create(struct supervisor *supervisor, int64_t seq, int *ret_fd, struct error *err)
{
    int r = open_locked(supervisor, seq, O_CREAT, ret_fd);

    if (r < 0)
        return error_errno(err, r, "spool of job row %" PRId64, seq);
    return 0;
}

int spool_open(struct supervisor *supervisor, int64_t seq)
{
    char name[32];
    int fd;

    spool_name(name, seq);
    fd = io_openat(supervisor->spool_dir_fd, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC, 0);
    return fd < 0 ? -errno : fd;
}

int spool_try_lock(struct supervisor *supervisor, int64_t seq, int *ret_fd)
{
    int r = open_locked(supervisor, seq, O_CREAT, ret_fd);

    if (r == -EWOULDBLOCK)
        return 0;
    if (r < 0) {
        log_error("spool of job row %" PRId64 ": %s, trying again", seq, strerror(-r));
        return 0;
    }
    return 1;
}

int64_t spool_size(struct supervisor *supervisor, int64_t seq)
{
    struct stat st;
    char name[32];

    spool_name(name, seq);
    if (fstatat(supervisor->spool_dir_fd, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
        return 0;
    return st.st_size;
}

/* Only after the worker's death. No masker sees the line: job_finish() says what it may hold. */
void spool_append_line(int fd, const char *line)
{
    autobuf struct buf text = BUF_INIT;
    struct stat st;
    char last = '\n';
    int r;

    if (fstat(fd, &st) == 0 && st.st_size > 0 && pread(fd, &last, 1, st.st_size - 1) != 1)
        last = '\n';
    buf_addf(&text, "%s\033[31;1mERROR: %s\033[0;m\n", last == '\n' ? "" : "\n", line);
    r = buf_error(&text);
    if (r == 0)
        r = reserve_write_all(fd, text.data, text.len);
    if (r < 0)
        log_error("spool: the last line of a job could not be written: %s, ignoring", strerror(-r));
}

void spool_append_last(struct supervisor *supervisor, int64_t seq, const char *line)
{
    autoclose int fd = -1;
    char name[32];

    spool_name(name, seq);
    fd = openat(supervisor->spool_dir_fd, name, O_RDWR | O_APPEND | O_NOFOLLOW | O_CLOEXEC);
    if (fd >= 0)
        spool_append_line(fd, line);
    else
        log_error("spool %s: the last line could not be written: %s, ignoring", name,
                  strerror(errno));
}

void spool_remove(struct supervisor *supervisor, int64_t seq)
{
    char name[32];

    spool_name(name, seq);
    if (unlinkat(supervisor->spool_dir_fd, name, 0) < 0 && errno != ENOENT)
        log_warning("spool %s: cannot be removed: %s, ignoring", name, strerror(errno));
}

int spool_each(struct supervisor *supervisor, const char *suffix,
               int (*fn)(struct supervisor *supervisor, int64_t seq, struct error *err),
               struct error *err)
{
    autoclosedir DIR *dir = fs_open_dir(supervisor->spool_dir_fd, ".");
    const struct dirent *entry;
    int r = 0;

    if (!dir)
        return error_errno(err, -errno, "spool directory");
    while (r == 0 && (entry = readdir(dir))) {
        char digits[24];
        const char *dot = strchr(entry->d_name, '.');
        size_t len = dot ? (size_t) (dot - entry->d_name) : 0;
        int64_t seq;

        if (!dot || !str_eq(dot, suffix) || len >= sizeof(digits))
            continue;
        memcpy(digits, entry->d_name, len);
        digits[len] = '\0';
        if (parse_i64(digits, 1, INT64_MAX, &seq) == 0)
            r = fn(supervisor, seq, err);
    }
    return r;
}

static int sweep(struct supervisor *supervisor, int64_t seq, struct error *err)
{
    (void) err;
    if (!job_find(supervisor, seq) && !strangers_knows(supervisor, seq))
        spool_remove(supervisor, seq);
    return 0;
}

/* At start: files whose job is closed were left by a crash between closing and removing. */
void spool_sweep(struct supervisor *supervisor)
{
    struct error err = { 0 };

    if (spool_each(supervisor, ".log", sweep, &err) < 0)
        log_warning("%s, ignoring", err.message);
}
