/* core/store/internal.h - statements and transactions, for the ledger's own files. */
#pragma once

#include <sqlite3.h>

#include "core/store/ledger.h"

/* Every statement is prepared once and kept; the enum is its place in the table of ledger.c. */
enum statement {
    SQL_BEGIN,
    SQL_COMMIT,
    SQL_ROLLBACK,
    SQL_BEGIN_STEP,
    SQL_END_STEP,
    SQL_UNDO_STEP,
    SQL_FIND_GROUP,
    SQL_ADD_GROUP,
    SQL_RAISE_EPOCH,
    SQL_ADD_INSTANCE,
    SQL_PUT_INSTANCE,
    SQL_FIND_FORMER,
    SQL_EACH_INSTANCE,
    SQL_EACH_LIVING_INSTANCE,
    SQL_EACH_ORDERED,
    SQL_EACH_GONE,
    SQL_COUNT_USE,
    SQL_START_IDLE,
    SQL_ADD_JOB,
    SQL_SKIP_SEQ,
    SQL_ACKNOWLEDGE_JOB,
    SQL_ASSIGN_JOB,
    SQL_REASSIGN_JOB,
    SQL_HOLD_SLOT,
    SQL_START_JOB,
    SQL_NOTE_WORKER,
    SQL_NOTE_VM,
    SQL_FINISH_JOB,
    SQL_FREE_SLOT,
    SQL_NOTE_SENT,
    SQL_CLOSE_JOB,
    SQL_JOB_STATE,
    SQL_JOB_GROUP,
    SQL_EACH_OPEN_JOB,
    SQL_EACH_JOB_NAMED,
    SQL_ADD_INTENT,
    SQL_END_INTENT,
    SQL_EACH_LATE_INTENT,
    SQL_FIND_HOST_KEY,
    SQL_ADD_HOST_KEY,
    SQL_NOTE_WARMTH,
    SQL_ADD_DRAIN,
    SQL_DROP_DRAIN,
    SQL_FIND_DRAIN,
    SQL_PUT_HOLD,
    SQL_DROP_HOLD,
    SQL_EACH_HOLD,
    SQL_FIND_CERTIFICATE,
    SQL_PUT_CERTIFICATE,
    SQL_ADD_JOURNAL,
    SQL_DROP_JOURNAL,
    SQL_KEEP_JOURNALS,
    SQL_PRUNE_JOBS,
    SQL_PRUNE_INSTANCES,
    SQL_PRUNE_INTENTS,
    SQL_PRUNE_HOST_KEYS,
    SQL_PRUNE_WARMTH,
    SQL_PRUNE_DRAINS,
    SQL_COUNT
};

struct ledger {
    sqlite3 *db;
    const struct clock *clock;
    sqlite3_stmt *statements[SQL_COUNT];
    char *path;
    enum { LATE_NONE, LATE_OPEN, LATE_LOST } late; /* their transaction (ledger_settle()) */
};

int schema_apply(struct ledger *ledger, struct error *err);       /* schema.c */
int ledger_quick_check(struct ledger *ledger, struct error *err); /* damage.c */

/* reserve.c: room for the ledger of this directory, and for every write of SQLite's from now on. A
 * disk that has none left for it gets it later, by reserve_refill(). */
int reserve_open(const char *dir, struct error *err);
void reserve_close(void);
#ifdef FLOTILLA_FAULTS
void sqlite_seam_install(void);
#else
static inline void sqlite_seam_install(void)
{
}
#endif

/* look.c: the rows of a query to the ledger in `dir`; `text`, unless it is NULL, is its parameter. */
typedef void (*ledger_row_fn)(void *arg, sqlite3_stmt *row);
int ledger_look(const char *dir, const char *query, const char *text, ledger_row_fn fn, void *arg,
                struct error *err);

/* ledger.c */
/* A prepared statement, reset and without bindings; NULL with err set when it can't be prepared. */
sqlite3_stmt *ledger_statement(struct ledger *ledger, enum statement which, struct error *err);
/* Steps a statement that returns no rows; resets it. -EPERM when a trigger or CHECK refuses. Late rows
 * are on disk with it. */
int ledger_step(struct ledger *ledger, sqlite3_stmt *stmt, struct error *err);
/* The same, and what it changes is late. */
int ledger_step_late(struct ledger *ledger, sqlite3_stmt *stmt, struct error *err);
/* Several late steps of which all or none hold; ledger_end_late() is given their result, and returns it. */
int ledger_begin_late(struct ledger *ledger, struct error *err);
int ledger_end_late(struct ledger *ledger, int r, struct error *err);
int ledger_error(struct ledger *ledger, struct error *err, const char *what);
static inline int64_t ledger_now(const struct ledger *ledger)
{
    return clock_wall_ms(ledger->clock);
}
static inline const char *column_text(sqlite3_stmt *stmt, int i)
{
    const char *text = (const char *) sqlite3_column_text(stmt, i);

    return text ? text : "";
}
/* NULL where the column is, and when memory is short. */
static inline struct secret *column_secret(sqlite3_stmt *stmt, int i)
{
    const char *text = (const char *) sqlite3_column_text(stmt, i);

    return text ? secret_new(text, (size_t) sqlite3_column_bytes(stmt, i)) : NULL;
}
/* Borrowed until the statement is reset. */
static inline void bind_secret(sqlite3_stmt *stmt, int i, const struct secret *secret)
{
    if (secret)
        (void) sqlite3_bind_text(stmt, i, secret_reveal(secret), (int) secret_len(secret),
                                 SQLITE_STATIC);
}
