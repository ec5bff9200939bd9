/* core/store/damage.c - is the ledger what we wrote, and what is done with one that is not
 * (hardening.md R1, R13). The supervisor moves it away and begins a new one. */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "core/base/io.h"
#include "core/base/str.h"
#include "core/store/internal.h"

/* A disk that fails or memory that is short says nothing about the ledger: only SQLite's own word
 * that the file is damaged counts. */
int ledger_quick_check(struct ledger *ledger, struct error *err)
{
    sqlite3_stmt *stmt = NULL;
    int r = sqlite3_prepare_v2(ledger->db, "PRAGMA quick_check(1)", -1, &stmt, NULL);

    if (r == SQLITE_OK)
        r = sqlite3_step(stmt);
    if (r != SQLITE_ROW)
        r = ledger_error(ledger, err, "checking it");
    else if (!str_eq(column_text(stmt, 0), "ok"))
        r = error_set(err, -EUCLEAN, "ledger %s: %s", ledger->path, column_text(stmt, 0));
    else
        r = 0;
    (void) sqlite3_finalize(stmt);
    return r;
}

bool ledger_is_there(int dir_fd)
{
    struct stat st;

    return fstatat(dir_fd, "ledger.db", &st, AT_SYMLINK_NOFOLLOW) == 0 && st.st_size > 0;
}

static int move(int dir_fd, const char *suffix, const char *name, struct error *err)
{
    char from[32], to[96];

    (void) snprintf(from, sizeof(from), "ledger.db%s", suffix);
    (void) snprintf(to, sizeof(to), "%s%s", name, suffix);
    if (renameat2(dir_fd, from, dir_fd, to, RENAME_NOREPLACE) == 0 || (*suffix && errno == ENOENT))
        return 0;
    return error_errno(err, -errno, "damaged ledger: %s cannot be moved to %s", from, to);
}

/* The ledger itself goes last: until then the next start meets it again and goes on here. Its WAL
 * beside a new ledger would be applied to it. */
int ledger_set_aside(int dir_fd, const struct clock *clock, char *ret_name, size_t size,
                     struct error *err)
{
    time_t now = (time_t) (clock_wall_ms(clock) / 1000);
    autoclose int dir = openat(dir_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    struct tm utc;
    char time[32];
    int r;

    (void) gmtime_r(&now, &utc);
    (void) strftime(time, sizeof(time), "%Y%m%dT%H%M%SZ", &utc);
    (void) snprintf(ret_name, size, "ledger.db.damaged-%s", time);
    r = move(dir_fd, "-shm", ret_name, err);
    if (r == 0)
        r = move(dir_fd, "-wal", ret_name, err);
    if (r == 0)
        r = move(dir_fd, "", ret_name, err);
    if (r == 0 && (dir < 0 || io_fsync(dir) < 0))
        r = error_errno(err, -errno, "damaged ledger: its directory cannot be synced");
    return r;
}
