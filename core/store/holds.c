/* core/store/holds.c - instances that stay for somebody who looks at them, so that they do over a restart, too. The
 * supervisor writes a hold before it acts on it (core/supervisor/hold.c). */
#include <errno.h>

#include "core/store/internal.h"

static void bind_text(sqlite3_stmt *stmt, int i, const char *text)
{
    (void) sqlite3_bind_text(stmt, i, text ? text : "", -1, SQLITE_STATIC);
}

int ledger_put_hold(struct ledger *ledger, int64_t group_id, const struct ledger_hold *hold,
                    struct error *err)
{
    sqlite3_stmt *stmt = ledger_statement(ledger, SQL_PUT_HOLD, err);

    if (!stmt)
        return -EIO;
    (void) sqlite3_bind_int64(stmt, 1, group_id);
    bind_text(stmt, 2, hold->instance_id);
    (void) sqlite3_bind_int64(stmt, 3, hold->until_ms);
    (void) sqlite3_bind_int64(stmt, 4, hold->since_ms);
    bind_text(stmt, 5, hold->who);
    (void) sqlite3_bind_int(stmt, 6, hold->by_rule);
    (void) sqlite3_bind_int64(stmt, 7, hold->job_id);
    bind_text(stmt, 8, hold->directory);
    bind_text(stmt, 9, hold->vm);
    bind_text(stmt, 10, hold->vm_address);
    return ledger_step(ledger, stmt, err);
}

int ledger_drop_hold(struct ledger *ledger, int64_t group_id, const char *instance_id,
                     struct error *err)
{
    sqlite3_stmt *stmt = ledger_statement(ledger, SQL_DROP_HOLD, err);

    if (!stmt)
        return -EIO;
    (void) sqlite3_bind_int64(stmt, 1, group_id);
    bind_text(stmt, 2, instance_id);
    return ledger_step(ledger, stmt, err);
}

int ledger_each_hold(struct ledger *ledger, int64_t group_id,
                     void (*on_row)(void *arg, const struct ledger_hold *hold), void *arg,
                     struct error *err)
{
    sqlite3_stmt *stmt = ledger_statement(ledger, SQL_EACH_HOLD, err);
    int r;

    if (!stmt)
        return -EIO;
    (void) sqlite3_bind_int64(stmt, 1, group_id);
    while ((r = sqlite3_step(stmt)) == SQLITE_ROW) {
        const struct ledger_hold hold = { .instance_id = column_text(stmt, 0),
                                          .until_ms = sqlite3_column_int64(stmt, 1),
                                          .since_ms = sqlite3_column_int64(stmt, 2),
                                          .who = column_text(stmt, 3),
                                          .by_rule = sqlite3_column_int(stmt, 4) != 0,
                                          .job_id = sqlite3_column_int64(stmt, 5),
                                          .directory = column_text(stmt, 6),
                                          .vm = column_text(stmt, 7),
                                          .vm_address = column_text(stmt, 8) };

        on_row(arg, &hold);
    }
    if (r != SQLITE_DONE)
        (void) ledger_error(ledger, err, "reading holds");
    (void) sqlite3_reset(stmt);
    return r == SQLITE_DONE ? 0 : -EIO;
}
