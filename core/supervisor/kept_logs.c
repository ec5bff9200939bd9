/* core/supervisor/kept_logs.c - see the header. A log is renamed when its job is closed, so keeping it costs no copy; the
 * room that it takes is known without asking the disk again. */
#include "core/supervisor/kept_logs.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>

#include "core/base/io.h"
#include "core/base/mem.h"
#include "core/base/str.h"
#include "core/supervisor/spool.h"

#define LOG_TOPIC "spool"
#include "core/base/log.h"

#define GONE_AT_ONCE 64 /* so that a turn of the loop stays short */
/* As many numbers, and as long, as the ledger keeps rows of ended jobs (ledger_prune()): nobody can name a log without one. */
#define KEPT_MAX 10000
#define KEPT_FOR_MS (7 * 24 * 3600 * INT64_C(1000))
#define MIB (1024 * 1024)

struct kept_logs {
    struct kept_log {
        int64_t seq, size, closed_ms;
    } * items; /* by number */
    size_t n, cap;
    int64_t size; /* of all */
};

static void kept_name(char name[32], int64_t seq)
{
    (void) snprintf(name, 32, "%" PRId64 "%s", seq, KEPT_SUFFIX);
}

/* Never more than is free beside them, so that no disk gets full by them. */
static int64_t room_for(const struct supervisor *supervisor)
{
    struct statvfs disk;
    int64_t beside;

    if (supervisor->disk_short || reserve_is_short() || supervisor->options.passing ||
        fstatvfs(supervisor->spool_dir_fd, &disk) < 0)
        return 0;
    beside = (int64_t) MIN((uint64_t) disk.f_bavail * disk.f_frsize, (uint64_t) INT64_MAX / 2);
    return MIN(supervisor->config->keep_logs_mib * MIB, (beside + supervisor->kept_logs->size) / 2);
}

static void drop(struct supervisor *supervisor, int64_t seq)
{
    char name[32];

    kept_name(name, seq);
    if (unlinkat(supervisor->spool_dir_fd, name, 0) < 0 && errno != ENOENT)
        log_warning("spool %s: cannot be removed: %s, ignoring", name, strerror(errno));
}

void kept_logs_trim(struct supervisor *supervisor)
{
    struct kept_logs *kept = supervisor->kept_logs;
    int64_t room = kept ? room_for(supervisor) : 0;
    size_t gone = 0;

    if (!kept)
        return;
    while (
        gone < MIN(kept->n, (size_t) GONE_AT_ONCE) &&
        (kept->size > room || kept->items[kept->n - 1].seq - kept->items[gone].seq >= KEPT_MAX)) {
        drop(supervisor, kept->items[gone].seq);
        kept->size -= kept->items[gone++].size;
    }
    kept->n -= gone;
    if (gone > 0)
        memmove(kept->items, kept->items + gone, kept->n * sizeof(*kept->items));
}

void kept_logs_prune(struct supervisor *supervisor)
{
    struct kept_logs *kept = supervisor->kept_logs;
    int64_t since_ms = now_wall(supervisor) - KEPT_FOR_MS;
    size_t left = 0;

    for (size_t i = 0; kept && i < kept->n; i++) {
        if (kept->items[i].closed_ms >= since_ms) {
            kept->items[left++] = kept->items[i];
            continue;
        }
        drop(supervisor, kept->items[i].seq);
        kept->size -= kept->items[i].size;
    }
    if (kept)
        kept->n = left;
}

/* Numbers come nearly in order. */
static int add(struct kept_logs *kept, struct kept_log log)
{
    size_t at = kept->n;

    if (kept->n == kept->cap) {
        size_t cap = kept->cap ? 2 * kept->cap : 64;
        struct kept_log *bigger = mem_resize(kept->items, cap, sizeof(*bigger));

        if (!bigger)
            return -ENOMEM;
        kept->items = bigger;
        kept->cap = cap;
    }
    while (at > 0 && kept->items[at - 1].seq > log.seq)
        at--;
    memmove(kept->items + at + 1, kept->items + at, (kept->n - at) * sizeof(*kept->items));
    kept->items[at] = log;
    kept->n++;
    kept->size += log.size;
    return 0;
}

static struct kept_log kept_log(int64_t seq, const struct stat *st)
{
    return (struct kept_log) { .seq = seq,
                               .size = (int64_t) st->st_blocks * 512,
                               .closed_ms = (int64_t) st->st_mtim.tv_sec * 1000 };
}

/* By the clock of its job's row: a step of the system's makes no log old. Should it fail, the log has the time of its last byte. */
static void note_closed(struct supervisor *supervisor, const char *name)
{
    const struct timespec times[2] = { { .tv_nsec = UTIME_OMIT },
                                       { .tv_sec = (time_t) (now_wall(supervisor) / 1000) } };

    (void) utimensat(supervisor->spool_dir_fd, name, times, AT_SYMLINK_NOFOLLOW);
}

static int note(struct supervisor *supervisor, int64_t seq, struct error *err)
{
    struct stat st;
    char name[32];

    (void) err;
    kept_name(name, seq);
    /* A worker that never heard that its result is stored sees by the mode that nobody waits for it (core/job/report.c). */
    if (fstatat(supervisor->spool_dir_fd, name, &st, AT_SYMLINK_NOFOLLOW) < 0 ||
        ((st.st_mode & S_IWUSR) != 0 && fchmodat(supervisor->spool_dir_fd, name, 0400, 0) < 0) ||
        add(supervisor->kept_logs, kept_log(seq, &st)) < 0)
        drop(supervisor, seq);
    return 0;
}

void kept_logs_load(struct supervisor *supervisor)
{
    struct error err = { 0 };

    supervisor->kept_logs = mem_zero(sizeof(*supervisor->kept_logs));
    if (supervisor->kept_logs && spool_each(supervisor, KEPT_SUFFIX, note, &err) < 0)
        log_warning("%s, ignoring", err.message);
}

void kept_logs_take(struct supervisor *supervisor, int64_t seq)
{
    char from[32], to[32];

    if (!supervisor->kept_logs || room_for(supervisor) == 0) {
        spool_remove(supervisor, seq);
        return;
    }
    (void) snprintf(from, sizeof(from), "%" PRId64 ".log", seq);
    kept_name(to, seq);
    /* Before its mode is changed: a spool that we may not write is one whose lock nobody can ask for. */
    if (renameat(supervisor->spool_dir_fd, from, supervisor->spool_dir_fd, to) == 0) {
        note_closed(supervisor, to);
        (void) note(supervisor, seq, NULL);
    } else if (errno != ENOENT) {
        spool_remove(supervisor, seq);
    }
    kept_logs_trim(supervisor);
}

int kept_logs_open(const struct supervisor *supervisor, int64_t seq)
{
    char name[32];
    int fd;

    kept_name(name, seq);
    fd = io_openat(supervisor->spool_dir_fd, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC, 0);
    return fd < 0 ? -errno : fd;
}

void kept_logs_done(struct supervisor *supervisor)
{
    if (supervisor->kept_logs)
        free(supervisor->kept_logs->items);
    free(supervisor->kept_logs);
    supervisor->kept_logs = NULL;
}
