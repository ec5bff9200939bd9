/* core/store/drains.c - what an operator drains, so that it stays drained over a restart. The
 * supervisor writes it before it acts on it (core/supervisor/operator.c). */
#include <errno.h>

#include "core/store/internal.h"

static sqlite3_stmt *drain_statement(struct ledger *ledger, enum statement which, int64_t group_id,
                                     const char *instance_id, struct error *err)
{
    sqlite3_stmt *stmt = ledger_statement(ledger, which, err);

    if (!stmt)
        return NULL;
    (void) sqlite3_bind_int64(stmt, 1, group_id);
    (void) sqlite3_bind_text(stmt, 2, instance_id, -1, SQLITE_STATIC);
    return stmt;
}

int ledger_add_drain(struct ledger *ledger, int64_t group_id, const char *instance_id,
                     struct error *err)
{
    sqlite3_stmt *stmt = drain_statement(ledger, SQL_ADD_DRAIN, group_id, instance_id, err);

    if (!stmt)
        return -EIO;
    (void) sqlite3_bind_int64(stmt, 3, ledger_now(ledger));
    return ledger_step(ledger, stmt, err);
}

int ledger_drop_drain(struct ledger *ledger, int64_t group_id, const char *instance_id,
                      struct error *err)
{
    sqlite3_stmt *stmt = drain_statement(ledger, SQL_DROP_DRAIN, group_id, instance_id, err);

    return stmt ? ledger_step(ledger, stmt, err) : -EIO;
}

int ledger_find_drain(struct ledger *ledger, int64_t group_id, const char *instance_id,
                      int64_t *ret_since_ms, struct error *err)
{
    sqlite3_stmt *stmt = drain_statement(ledger, SQL_FIND_DRAIN, group_id, instance_id, err);
    int r;

    if (!stmt)
        return -EIO;
    r = sqlite3_step(stmt);
    if (r == SQLITE_ROW)
        *ret_since_ms = sqlite3_column_int64(stmt, 0);
    else if (r != SQLITE_DONE)
        (void) ledger_error(ledger, err, "looking for a drain");
    (void) sqlite3_reset(stmt);
    return r == SQLITE_ROW ? 1 : r == SQLITE_DONE ? 0 : -EIO;
}
