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

static void read_intent(sqlite3_stmt *stmt, struct ledger_intent *ret)
{
    *ret = (struct ledger_intent) { .group_id = sqlite3_column_int64(stmt, 1),
                                    .epoch = sqlite3_column_int64(stmt, 2),
                                    .count = sqlite3_column_int64(stmt, 3),
                                    .ids = (const char *) sqlite3_column_text(stmt, 5),
                                    .created_ms = sqlite3_column_int64(stmt, 7),
                                    .ended_ms = sqlite3_column_int64(stmt, 8) };
    (void) str_copy(ret->request_id, sizeof(ret->request_id), column_text(stmt, 0));
    (void) str_copy(ret->kind, sizeof(ret->kind), column_text(stmt, 4));
    for (size_t i = 0; i < ARRAY_LEN(states); i++)
        if (str_eq(states[i], column_text(stmt, 6)))
            ret->state = (enum intent_state) i;
}

int ledger_each_late_intent(struct ledger *ledger, int64_t group_id, int64_t since_ms,
                            void (*on_row)(void *arg, const struct ledger_intent *intent),
                            void *arg, struct error *err)
{
    sqlite3_stmt *stmt = ledger_statement(ledger, SQL_EACH_LATE_INTENT, err);
    struct ledger_intent intent;
    int r;

    if (!stmt)
        return -EIO;
    (void) sqlite3_bind_int64(stmt, 1, group_id);
    (void) sqlite3_bind_int64(stmt, 2, since_ms);
    while ((r = sqlite3_step(stmt)) == SQLITE_ROW) {
        read_intent(stmt, &intent);
        on_row(arg, &intent);
    }
    r = r == SQLITE_DONE ? 0 : ledger_error(ledger, err, "reading intents");
    (void) sqlite3_reset(stmt);
    return r;
}
