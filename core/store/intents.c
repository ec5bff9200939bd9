/* core/store/intents.c - what we are about to ask a provider for, written before it is asked
 * (hardening.md §10: intent, effect, outcome). */
#include <errno.h>

#include "core/base/str.h"
#include "core/store/internal.h"

static const char *const states[] = { "open", "done", "failed", "resolved" };

int ledger_add_intent(struct ledger *ledger, const struct ledger_intent *intent, struct error *err)
{
    sqlite3_stmt *stmt = ledger_statement(ledger, SQL_ADD_INTENT, err);

    if (!stmt)
        return -EIO;
    (void) sqlite3_bind_text(stmt, 1, intent->request_id, -1, SQLITE_STATIC);
    (void) sqlite3_bind_int64(stmt, 2, intent->group_id);
    (void) sqlite3_bind_int64(stmt, 3, intent->epoch);
    (void) sqlite3_bind_text(stmt, 4, intent->kind, -1, SQLITE_STATIC);
    (void) sqlite3_bind_int64(stmt, 5, intent->count);
    (void) sqlite3_bind_text(stmt, 6, intent->ids, -1, SQLITE_STATIC);
    (void) sqlite3_bind_int64(stmt, 7, intent->created_ms);
    return ledger_step(ledger, stmt, err);
}

int ledger_end_intent(struct ledger *ledger, const char *request_id, enum intent_state state,
                      int64_t count, const char *message, struct error *err)
{
    sqlite3_stmt *stmt = ledger_statement(ledger, SQL_END_INTENT, err);
    int r;

    if (!stmt)
        return -EIO;
    (void) sqlite3_bind_text(stmt, 1, request_id, -1, SQLITE_STATIC);
    (void) sqlite3_bind_text(stmt, 2, states[state], -1, SQLITE_STATIC);
    (void) sqlite3_bind_int64(stmt, 3, count);
    (void) sqlite3_bind_text(stmt, 4, message ? message : "", -1, SQLITE_STATIC);
    (void) sqlite3_bind_int64(stmt, 5, ledger_now(ledger));
    r = ledger_step(ledger, stmt, err);
    if (r == 0 && sqlite3_changes(ledger->db) == 0)
        r = error_set(err, -ENOENT, "ledger %s: there is no intent %s", ledger->path, request_id);
    return r;
}

int ledger_each_open_intent(struct ledger *ledger, int64_t group_id,
                            void (*on_row)(void *arg, const struct ledger_intent *intent),
                            void *arg, struct error *err)
{
    sqlite3_stmt *stmt = ledger_statement(ledger, SQL_EACH_OPEN_INTENT, err);
    int r;

    if (!stmt)
        return -EIO;
    (void) sqlite3_bind_int64(stmt, 1, group_id);
    while ((r = sqlite3_step(stmt)) == SQLITE_ROW) {
        struct ledger_intent intent = { .group_id = sqlite3_column_int64(stmt, 1),
                                        .epoch = sqlite3_column_int64(stmt, 2),
                                        .count = sqlite3_column_int64(stmt, 3),
                                        .ids = (const char *) sqlite3_column_text(stmt, 5),
                                        .state = INTENT_OPEN,
                                        .created_ms = sqlite3_column_int64(stmt, 6) };

        (void) str_copy(intent.request_id, sizeof(intent.request_id), column_text(stmt, 0));
        (void) str_copy(intent.kind, sizeof(intent.kind), column_text(stmt, 4));
        on_row(arg, &intent);
    }
    r = r == SQLITE_DONE ? 0 : ledger_error(ledger, err, "reading intents");
    (void) sqlite3_reset(stmt);
    return r;
}
