/* core/store/past_jobs.c - the look into a ledger of past_jobs.h.
 *
 * Needs no more of the schema than the five columns it names, so an older or newer ledger will do. */
#include "core/store/past_jobs.h"

#include <errno.h>
#include <sqlite3.h>

#include "core/base/mem.h"
#include "core/base/str.h"

#define BUSY_MS 5000

static const char select_jobs[] =
    "SELECT received_ms, finished_ms - assigned_ms FROM jobs WHERE assigned_ms > 0 AND finished_ms "
    ">= assigned_ms AND (?1 IS NULL OR runner = ?1) ORDER BY received_ms, seq";

static int failed(sqlite3 *db, const char *path, struct error *err)
{
    int code = db ? sqlite3_errcode(db) : SQLITE_NOMEM;

    if (code == SQLITE_CANTOPEN)
        return error_set(err, -ENOENT,
                         "there is no ledger at %s; --state-dir names the directory of another",
                         path);
    return error_set(err, -EIO, "ledger %s cannot be read: %s", path,
                     db ? sqlite3_errmsg(db) : "out of memory");
}

static int each(sqlite3 *db, const char *runner,
                void (*on_job)(void *arg, int64_t received_ms, int64_t duration_ms), void *arg)
{
    sqlite3_stmt *stmt = NULL;
    int r = sqlite3_prepare_v2(db, select_jobs, -1, &stmt, NULL);

    if (r == SQLITE_OK && runner)
        r = sqlite3_bind_text(stmt, 1, runner, -1, SQLITE_STATIC);
    if (r == SQLITE_OK)
        while ((r = sqlite3_step(stmt)) == SQLITE_ROW)
            on_job(arg, sqlite3_column_int64(stmt, 0), sqlite3_column_int64(stmt, 1));
    (void) sqlite3_finalize(stmt);
    return r;
}

int past_jobs_each(const char *dir, const char *runner,
                   void (*on_job)(void *arg, int64_t received_ms, int64_t duration_ms), void *arg,
                   struct error *err)
{
    autofree char *path = mem_printf("%s/ledger.db", dir);
    sqlite3 *db = NULL;
    int r;

    if (!path)
        return error_set(err, -ENOMEM, "out of memory");
    r = sqlite3_open_v2(path, &db, SQLITE_OPEN_READONLY, NULL);
    if (r == SQLITE_OK) {
        (void) sqlite3_busy_timeout(db, BUSY_MS);
        r = each(db, runner, on_job, arg);
    }
    r = r == SQLITE_DONE ? 0 : failed(db, path, err);
    (void) sqlite3_close(db);
    return r;
}
