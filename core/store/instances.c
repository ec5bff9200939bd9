/* core/store/instances.c - groups, instances, host keys and warmth in the ledger. */
#include <errno.h>

#include "core/base/str.h"
#include "core/fleet/fleet.h"
#include "core/store/internal.h"

static const char *const lives[] = { "present", "removing", "gone" };
static const char *const causes[] = { "requested", "unexpected", "preexisted" };

static int index_of(const char *const *names, size_t n, const char *name)
{
    for (size_t i = 0; i < n; i++)
        if (str_eq(names[i], name))
            return (int) i;
    return 0;
}

int ledger_open_group(struct ledger *ledger, const char *key, int64_t *ret_id, int64_t *ret_epoch,
                      struct error *err)
{
    sqlite3_stmt *stmt;
    int64_t id = 0, epoch = 0;
    int r = ledger_begin(ledger, err);

    if (r < 0)
        return r;
    stmt = ledger_statement(ledger, SQL_FIND_GROUP, err);
    r = stmt ? 0 : -EIO;
    if (r == 0) {
        (void) sqlite3_bind_text(stmt, 1, key, -1, SQLITE_STATIC);
        if (sqlite3_step(stmt) == SQLITE_ROW) {
            id = sqlite3_column_int64(stmt, 0);
            epoch = sqlite3_column_int64(stmt, 1);
        }
        (void) sqlite3_reset(stmt);
        stmt = ledger_statement(ledger, id ? SQL_RAISE_EPOCH : SQL_ADD_GROUP, err);
        r = stmt ? 0 : -EIO;
    }
    if (r == 0 && id) {
        (void) sqlite3_bind_int64(stmt, 1, id);
        (void) sqlite3_bind_int64(stmt, 2, epoch + 1);
    } else if (r == 0) {
        (void) sqlite3_bind_text(stmt, 1, key, -1, SQLITE_STATIC);
        /* Above all epochs of a ledger that was lost: no group starts once a millisecond. */
        epoch = MAX(ledger_now(ledger) - 1, (int64_t) 0);
        (void) sqlite3_bind_int64(stmt, 2, epoch + 1);
    }
    if (r == 0)
        r = ledger_step(ledger, stmt, err);
    if (r == 0 && !id)
        id = sqlite3_last_insert_rowid(ledger->db);
    r = ledger_end(ledger, r, err);
    if (r < 0)
        return r;
    *ret_id = id;
    *ret_epoch = epoch + 1;
    return 0;
}

static int write_instance(struct ledger *ledger, enum statement which,
                          const struct ledger_instance *row, const char *refusal, struct error *err)
{
    sqlite3_stmt *stmt = ledger_statement(ledger, which, err);
    int r;

    if (!stmt)
        return -EIO;
    (void) sqlite3_bind_int64(stmt, 1, row->group_id);
    (void) sqlite3_bind_text(stmt, 2, row->id, -1, SQLITE_STATIC);
    (void) sqlite3_bind_text(stmt, 3, lives[row->life], -1, SQLITE_STATIC);
    (void) sqlite3_bind_text(stmt, 4, instance_state_name((enum instance_state) row->state), -1,
                             SQLITE_STATIC);
    (void) sqlite3_bind_text(stmt, 5, causes[row->cause], -1, SQLITE_STATIC);
    (void) sqlite3_bind_int64(stmt, 6, row->uses);
    (void) sqlite3_bind_int64(stmt, 7, row->first_seen_ms);
    (void) sqlite3_bind_int64(stmt, 8, row->ready_ms);
    (void) sqlite3_bind_int64(stmt, 9, row->idle_since_ms);
    (void) sqlite3_bind_text(stmt, 10, row->remove_reason, -1, SQLITE_STATIC);
    (void) sqlite3_bind_int64(stmt, 11, row->gone_ms);
    if (which == SQL_ADD_INSTANCE)
        (void) sqlite3_bind_int(stmt, 12, row->anew);
    r = ledger_step(ledger, stmt, err);
    if (r == 0 && sqlite3_changes(ledger->db) == 0)
        r = error_set(err, -EPERM, "ledger %s: instance %s %s", ledger->path, row->id, refusal);
    return r;
}

int ledger_add_instance(struct ledger *ledger, const struct ledger_instance *row, struct error *err)
{
    return write_instance(ledger, SQL_ADD_INSTANCE, row, "is there already", err);
}

int ledger_put_instance(struct ledger *ledger, const struct ledger_instance *row, struct error *err)
{
    return write_instance(ledger, SQL_PUT_INSTANCE, row, "is not known", err);
}

static void read_instance(sqlite3_stmt *stmt, struct ledger_instance *ret)
{
    enum instance_state state = INSTANCE_CREATING;

    *ret = (struct ledger_instance) { .group_id = sqlite3_column_int64(stmt, 0) };
    (void) str_copy(ret->id, sizeof(ret->id), column_text(stmt, 1));
    ret->life = (enum ledger_life) index_of(lives, ARRAY_LEN(lives), column_text(stmt, 2));
    (void) instance_state_parse(column_text(stmt, 3), &state);
    ret->state = (int) state;
    ret->cause = index_of(causes, ARRAY_LEN(causes), column_text(stmt, 4));
    ret->uses = sqlite3_column_int64(stmt, 5);
    ret->first_seen_ms = sqlite3_column_int64(stmt, 6);
    ret->ready_ms = sqlite3_column_int64(stmt, 7);
    ret->idle_since_ms = sqlite3_column_int64(stmt, 8);
    ret->gone_ms = sqlite3_column_int64(stmt, 9);
    (void) str_copy(ret->remove_reason, sizeof(ret->remove_reason), column_text(stmt, 10));
}

int ledger_find_former(struct ledger *ledger, int64_t group_id, const char *id,
                       struct ledger_instance *ret, struct error *err)
{
    sqlite3_stmt *stmt = ledger_statement(ledger, SQL_FIND_FORMER, err);
    int r;

    if (!stmt)
        return -EIO;
    (void) sqlite3_bind_int64(stmt, 1, group_id);
    (void) sqlite3_bind_text(stmt, 2, id, -1, SQLITE_STATIC);
    r = sqlite3_step(stmt);
    if (r == SQLITE_ROW)
        read_instance(stmt, ret);
    else if (r != SQLITE_DONE)
        (void) ledger_error(ledger, err, "looking for an instance");
    (void) sqlite3_reset(stmt);
    return r == SQLITE_ROW ? 1 : r == SQLITE_DONE ? 0 : -EIO;
}

static int each_time(struct ledger *ledger, enum statement which, int64_t group_id,
                     int64_t since_ms, void (*on_row)(void *arg, int64_t at_ms), void *arg,
                     struct error *err)
{
    sqlite3_stmt *stmt = ledger_statement(ledger, which, err);
    int r;

    if (!stmt)
        return -EIO;
    (void) sqlite3_bind_int64(stmt, 1, group_id);
    (void) sqlite3_bind_int64(stmt, 2, since_ms);
    while ((r = sqlite3_step(stmt)) == SQLITE_ROW)
        on_row(arg, sqlite3_column_int64(stmt, 0));
    r = r == SQLITE_DONE ? 0 : ledger_error(ledger, err, "reading instances");
    (void) sqlite3_reset(stmt);
    return r;
}

int ledger_each_ordered(struct ledger *ledger, int64_t group_id, int64_t since_ms,
                        void (*on_row)(void *arg, int64_t first_seen_ms), void *arg,
                        struct error *err)
{
    return each_time(ledger, SQL_EACH_ORDERED, group_id, since_ms, on_row, arg, err);
}

int ledger_each_gone(struct ledger *ledger, int64_t group_id, int64_t since_ms,
                     void (*on_row)(void *arg, int64_t gone_ms), void *arg, struct error *err)
{
    return each_time(ledger, SQL_EACH_GONE, group_id, since_ms, on_row, arg, err);
}

static int each_instance(struct ledger *ledger, sqlite3_stmt *stmt,
                         void (*on_row)(void *arg, const struct ledger_instance *row), void *arg,
                         struct error *err)
{
    struct ledger_instance row;
    int r;

    while ((r = sqlite3_step(stmt)) == SQLITE_ROW) {
        read_instance(stmt, &row);
        on_row(arg, &row);
    }
    r = r == SQLITE_DONE ? 0 : ledger_error(ledger, err, "reading instances");
    (void) sqlite3_reset(stmt);
    return r;
}

int ledger_each_instance(struct ledger *ledger, int64_t group_id,
                         void (*on_row)(void *arg, const struct ledger_instance *row), void *arg,
                         struct error *err)
{
    sqlite3_stmt *stmt = ledger_statement(ledger, SQL_EACH_INSTANCE, err);

    if (!stmt)
        return -EIO;
    (void) sqlite3_bind_int64(stmt, 1, group_id);
    return each_instance(ledger, stmt, on_row, arg, err);
}

int ledger_each_living_instance(struct ledger *ledger,
                                void (*on_row)(void *arg, const struct ledger_instance *row),
                                void *arg, struct error *err)
{
    sqlite3_stmt *stmt = ledger_statement(ledger, SQL_EACH_LIVING_INSTANCE, err);

    return stmt ? each_instance(ledger, stmt, on_row, arg, err) : -EIO;
}

static int add_host_key(struct ledger *ledger, int64_t group_id, const char *instance_id,
                        const char *type, const char *key, struct error *err)
{
    sqlite3_stmt *stmt = ledger_statement(ledger, SQL_ADD_HOST_KEY, err);

    if (!stmt)
        return -EIO;
    (void) sqlite3_bind_int64(stmt, 1, group_id);
    (void) sqlite3_bind_text(stmt, 2, instance_id, -1, SQLITE_STATIC);
    (void) sqlite3_bind_text(stmt, 3, type, -1, SQLITE_STATIC);
    (void) sqlite3_bind_text(stmt, 4, key, -1, SQLITE_STATIC);
    return ledger_step(ledger, stmt, err);
}

int ledger_find_host_key(struct ledger *ledger, int64_t group_id, const char *instance_id,
                         struct ledger_host_key *ret, struct error *err)
{
    sqlite3_stmt *stmt = ledger_statement(ledger, SQL_FIND_HOST_KEY, err);
    bool known, fits;

    if (!stmt)
        return -EIO;
    (void) sqlite3_bind_int64(stmt, 1, group_id);
    (void) sqlite3_bind_text(stmt, 2, instance_id, -1, SQLITE_STATIC);
    known = sqlite3_step(stmt) == SQLITE_ROW;
    fits = known && str_copy(ret->type, sizeof(ret->type), column_text(stmt, 0)) == 0 &&
           str_copy(ret->key, sizeof(ret->key), column_text(stmt, 1)) == 0;
    (void) sqlite3_reset(stmt);
    if (known && !fits)
        return error_set(err, -EBADMSG, "the host key of instance %s is too long", instance_id);
    return known;
}

int ledger_check_host_key(struct ledger *ledger, int64_t group_id, const char *instance_id,
                          const char *type, const char *key_base64, struct error *err)
{
    struct ledger_host_key known;
    int r = ledger_find_host_key(ledger, group_id, instance_id, &known, err);

    if (r < 0)
        return r;
    if (r == 0)
        return add_host_key(ledger, group_id, instance_id, type, key_base64, err);
    if (!str_eq(known.type, type) || !str_eq(known.key, key_base64))
        return error_set(err, -EKEYREJECTED,
                         "the host key of instance %s is not the one it showed before; nothing was "
                         "sent to it",
                         instance_id);
    return 0;
}

int ledger_note_warmth(struct ledger *ledger, int64_t group_id, const char *instance_id,
                       int64_t project_id, struct error *err)
{
    sqlite3_stmt *stmt = ledger_statement(ledger, SQL_NOTE_WARMTH, err);

    if (!stmt)
        return -EIO;
    (void) sqlite3_bind_int64(stmt, 1, group_id);
    (void) sqlite3_bind_text(stmt, 2, instance_id, -1, SQLITE_STATIC);
    (void) sqlite3_bind_int64(stmt, 3, project_id);
    (void) sqlite3_bind_int64(stmt, 4, ledger_now(ledger));
    return ledger_step_late(ledger, stmt, err);
}
