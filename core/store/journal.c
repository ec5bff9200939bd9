/* core/store/journal.c - the journals of fleets (core/fleet/journal.h), so that their decisions can be
 * taken again. Written by the supervisor, a second's lines at a time; read beside it. */
#include "core/store/journal.h"

#include <errno.h>
#include <inttypes.h>

#include "core/base/str.h"
#include "core/store/internal.h"

/* A journal that begins anew takes the place of all but the one before it. */
static int drop_old(struct ledger *ledger, int64_t group_id, struct error *err)
{
    sqlite3_stmt *stmt = ledger_statement(ledger, SQL_DROP_JOURNAL, err);

    if (!stmt)
        return -EIO;
    (void) sqlite3_bind_int64(stmt, 1, group_id);
    return ledger_step(ledger, stmt, err);
}

static int add_line(struct ledger *ledger, const struct journal_line *line, struct error *err)
{
    sqlite3_stmt *stmt = ledger_statement(ledger, SQL_ADD_JOURNAL, err);

    if (!stmt)
        return -EIO;
    (void) sqlite3_bind_int64(stmt, 1, line->group_id);
    (void) sqlite3_bind_text(stmt, 2, line->text, -1, SQLITE_STATIC);
    return ledger_step(ledger, stmt, err);
}

int ledger_add_journal(struct ledger *ledger, const struct journal_line *lines, size_t n,
                       struct error *err)
{
    int r = ledger_begin(ledger, err);

    if (r < 0)
        return r;
    for (size_t i = 0; r == 0 && i < n; i++) {
        if (str_eq(lines[i].text, "begin"))
            r = drop_old(ledger, lines[i].group_id, err);
        if (r == 0)
            r = add_line(ledger, &lines[i], err);
    }
    return ledger_end(ledger, r, err);
}

int ledger_keep_journals(struct ledger *ledger, const int64_t *group_ids, size_t n,
                         struct error *err)
{
    sqlite3_stmt *stmt = ledger_statement(ledger, SQL_KEEP_JOURNALS, err);
    autobuf struct buf ids = BUF_INIT;

    if (!stmt)
        return -EIO;
    for (size_t i = 0; i < n; i++)
        buf_addf(&ids, "%s%" PRId64, i > 0 ? "," : "[", group_ids[i]);
    buf_add_str(&ids, n > 0 ? "]" : "[]");
    if (buf_error(&ids) < 0)
        return error_set(err, -ENOMEM, "pruning journals: out of memory");
    (void) sqlite3_bind_text(stmt, 1, buf_str(&ids), (int) ids.len, SQLITE_STATIC);
    return ledger_step(ledger, stmt, err);
}

struct reading {
    journal_fn fn;
    void *arg;
};

static void take_line(void *arg, sqlite3_stmt *row)
{
    const struct reading *reading = arg;

    reading->fn(reading->arg, sqlite3_column_int64(row, 0), column_text(row, 1),
                column_text(row, 2));
}

int journal_each(const char *dir, journal_fn fn, void *arg, struct error *err)
{
    struct reading reading = { fn, arg };

    return ledger_look(dir,
                       "SELECT journal.group_id, key, line FROM journal JOIN groups ON groups.id = "
                       "journal.group_id ORDER BY journal.group_id, journal.id",
                       NULL, take_line, &reading, err);
}
