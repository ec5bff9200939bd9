/* core/store/look.c - reads a ledger beside a manager that may be writing to it, for who has no struct
 * ledger: past_jobs.c and journal.c. */
#include <errno.h>

#include "core/base/mem.h"
#include "core/store/internal.h"

#define BUSY_MS 5000

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

static int each_row(sqlite3 *db, const char *query, const char *text, ledger_row_fn fn, void *arg)
{
    sqlite3_stmt *stmt = NULL;
    int r = sqlite3_prepare_v2(db, query, -1, &stmt, NULL);

    if (r == SQLITE_OK && text)
        r = sqlite3_bind_text(stmt, 1, text, -1, SQLITE_STATIC);
    if (r == SQLITE_OK)
        while ((r = sqlite3_step(stmt)) == SQLITE_ROW)
            fn(arg, stmt);
    (void) sqlite3_finalize(stmt);
    return r;
}

int ledger_look(const char *dir, const char *query, const char *text, ledger_row_fn fn, void *arg,
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
        r = each_row(db, query, text, fn, arg);
    }
    r = r == SQLITE_DONE ? 0 : failed(db, path, err);
    (void) sqlite3_close(db);
    return r;
}
