/* core/store/ledger.c - opening the ledger, its statements, its transactions (ledger.h).
 *
 * jobs.c, instances.c, intents.c, drains.c and journal.c hold what is done with them. */
#include <errno.h>
#include <string.h>
#include <sys/stat.h>

#include "core/base/mem.h"
#include "core/base/str.h"
#include "core/store/internal.h"

#define JOB_COLUMNS                                                                                \
    "seq, group_id, coordinator_url, runner, job_id, project_id, name, state, token, payload, "    \
    "worker_key, instance_id, slot, concurrent_id, concurrent_project_id, sent_offset, "           \
    "result_state, failure_reason, exit_code, log_size, log_crc, timeout_s, received_ms, "         \
    "assigned_ms, started_ms, finished_ms, closed_ms, message, worker_pid, debug_trace, vm, "      \
    "session"

#define INSTANCE_COLUMNS                                                                           \
    "group_id, id, life, state, cause, uses, first_seen_ms, ready_ms, idle_since_ms, gone_ms, "    \
    "remove_reason"

static const char *const sql[SQL_COUNT] = {
    [SQL_BEGIN] = "BEGIN IMMEDIATE",
    [SQL_COMMIT] = "COMMIT",
    [SQL_ROLLBACK] = "ROLLBACK",
    [SQL_BEGIN_STEP] = "SAVEPOINT step",
    [SQL_END_STEP] = "RELEASE step",
    [SQL_UNDO_STEP] = "ROLLBACK TO step",
    [SQL_FIND_GROUP] = "SELECT id, epoch FROM groups WHERE key = ?1",
    [SQL_ADD_GROUP] = "INSERT INTO groups (key, epoch) VALUES (?1, ?2)",
    [SQL_RAISE_EPOCH] = "UPDATE groups SET epoch = ?2 WHERE id = ?1",
    /* REPLACE deletes and inserts in one step: a row that is gone makes way, its uses are kept. */
    [SQL_ADD_INSTANCE] =
        "REPLACE INTO instances SELECT ?1, ?2, ?3, ?4, ?5, max(?6, coalesce((SELECT uses FROM "
        "instances WHERE group_id = ?1 AND id = ?2 AND NOT ?12), 0)), ?7, ?8, ?9, ?10, ?11 WHERE "
        "NOT EXISTS "
        "(SELECT 1 FROM instances WHERE group_id = ?1 AND id = ?2 AND life != 'gone')",
    [SQL_PUT_INSTANCE] =
        "UPDATE instances SET life = ?3, state = ?4, uses = ?6, ready_ms = ?8, idle_since_ms = ?9, "
        "remove_reason = ?10, gone_ms = ?11 WHERE group_id = ?1 AND id = ?2",
    /* By group, because the key of the table begins with it. Another's that lives comes first. */
    [SQL_FIND_FORMER] =
        "SELECT " INSTANCE_COLUMNS " FROM instances WHERE group_id IN (SELECT id FROM groups) AND "
        "id = ?2 AND (group_id = ?1 OR life != 'gone') ORDER BY group_id = ?1 LIMIT 1",
    [SQL_EACH_INSTANCE] = "SELECT " INSTANCE_COLUMNS " FROM instances WHERE group_id = ?1 AND "
                          "life != 'gone' ORDER BY first_seen_ms, id",
    [SQL_EACH_LIVING_INSTANCE] = "SELECT " INSTANCE_COLUMNS " FROM instances WHERE life != 'gone' "
                                 "ORDER BY group_id, first_seen_ms, id",
    [SQL_EACH_ORDERED] = "SELECT first_seen_ms FROM instances WHERE group_id = ?1 AND cause = "
                         "'requested' AND first_seen_ms >= ?2 ORDER BY first_seen_ms",
    [SQL_EACH_GONE] = "SELECT gone_ms FROM instances WHERE group_id = ?1 AND life = 'gone' AND "
                      "gone_ms >= ?2 ORDER BY gone_ms",
    [SQL_COUNT_USE] = "UPDATE instances SET uses = uses + 1, idle_since_ms = 0 "
                      "WHERE group_id = ?1 AND id = ?2",
    [SQL_START_IDLE] =
        "UPDATE instances SET idle_since_ms = ?3 WHERE group_id = ?1 AND id = ?2 AND NOT EXISTS "
        "(SELECT 1 FROM slots WHERE group_id = ?1 AND instance_id = ?2)",
    [SQL_ADD_JOB] =
        "INSERT INTO jobs (" JOB_COLUMNS ") VALUES (?11, ?1, ?2, ?3, ?4, ?5, ?6, 'received', ?7, "
        "?8, '', '', 0, 0, 0, 0, '', '', 0, 0, 0, ?9, ?10, 0, 0, 0, 0, '', 0, 0, '', ?12)",
    /* SQLite counts on in the first row of that name, whatever others say. */
    [SQL_SKIP_SEQ] =
        "REPLACE INTO sqlite_sequence (rowid, name, seq) SELECT first, 'jobs', ?1 FROM (SELECT "
        "min(rowid) AS first, seq AS last FROM sqlite_sequence WHERE name = 'jobs') WHERE ?1 > "
        "coalesce(last, 0)",
    [SQL_ACKNOWLEDGE_JOB] =
        "UPDATE jobs SET state = 'acknowledged' WHERE seq = ?1 AND state = 'received'",
    [SQL_ASSIGN_JOB] =
        "UPDATE jobs SET state = 'assigned', instance_id = ?2, slot = ?3, worker_key = ?4, "
        "assigned_ms = ?5, concurrent_id = ?6, concurrent_project_id = ?7 WHERE seq = ?1 AND state "
        "IN ('received', 'acknowledged')",
    [SQL_REASSIGN_JOB] =
        "UPDATE jobs SET worker_key = ?4 WHERE seq = ?1 AND state = 'assigned' AND "
        "instance_id = ?2 AND slot = ?3",
    [SQL_HOLD_SLOT] = "INSERT INTO slots SELECT group_id, ?2, ?3, ?1 FROM jobs WHERE seq = ?1",
    [SQL_START_JOB] = "UPDATE jobs SET state = 'running', payload = NULL, started_ms = ?2, "
                      "worker_pid = ?3, debug_trace = ?4 "
                      "WHERE seq = ?1 AND state = 'assigned'",
    [SQL_NOTE_WORKER] = "UPDATE jobs SET worker_pid = ?2 WHERE seq = ?1 AND state = 'running'",
    [SQL_NOTE_VM] = "UPDATE jobs SET vm = ?2 WHERE seq = ?1 AND state IN ('assigned', 'running')",
    [SQL_FINISH_JOB] =
        "UPDATE jobs SET state = 'finished', payload = NULL, session = NULL, result_state = ?2, "
        "failure_reason = ?3, exit_code = ?4, log_size = ?5, log_crc = ?6, message = ?7, "
        "finished_ms = ?8 "
        "WHERE seq = ?1 AND state IN ('received', 'acknowledged', 'assigned', 'running')",
    [SQL_FREE_SLOT] = "DELETE FROM slots WHERE seq = ?1 RETURNING group_id, instance_id",
    [SQL_NOTE_SENT] = "UPDATE jobs SET sent_offset = ?2, log_size = ?3, log_crc = ?4 WHERE "
                      "seq = ?1 AND state NOT IN ('finished', 'closed')",
    [SQL_CLOSE_JOB] =
        "UPDATE jobs SET state = 'closed', token = NULL, payload = NULL, session = NULL, "
        "message = CASE WHEN ?2 = '' THEN message ELSE ?2 END, closed_ms = ?3 "
        "WHERE seq = ?1 AND state != 'closed'",
    [SQL_JOB_STATE] = "SELECT state FROM jobs WHERE seq = ?1",
    [SQL_JOB_GROUP] = "SELECT group_id FROM jobs WHERE seq = ?1",
    [SQL_EACH_OPEN_JOB] = "SELECT " JOB_COLUMNS " FROM jobs WHERE state != 'closed' ORDER BY seq",
    [SQL_EACH_JOB_NAMED] =
        "SELECT " JOB_COLUMNS " FROM jobs WHERE seq IN (SELECT max(seq) FROM jobs WHERE job_id = "
        "?1 GROUP BY coordinator_url) ORDER BY seq",
    [SQL_ADD_INTENT] = "INSERT INTO intents VALUES (?1, ?2, ?3, ?4, ?5, ?6, 'open', ?7, 0, '')",
    [SQL_END_INTENT] = "UPDATE intents SET state = ?2, count = ?3, message = ?4, ended_ms = ?5 "
                       "WHERE request_id = ?1",
    [SQL_EACH_LATE_INTENT] =
        "SELECT request_id, group_id, epoch, count, kind, ids, state, created_ms, ended_ms FROM "
        "intents WHERE group_id = ?1 AND (state = 'open' OR (kind = 'increase' AND count > 0 AND "
        "state IN ('done', 'failed') AND ended_ms > ?2)) ORDER BY created_ms",
    [SQL_FIND_HOST_KEY] =
        "SELECT type, key FROM host_keys WHERE group_id = ?1 AND instance_id = ?2",
    [SQL_ADD_HOST_KEY] = "INSERT INTO host_keys VALUES (?1, ?2, ?3, ?4)",
    [SQL_NOTE_WARMTH] = "INSERT INTO warmth VALUES (?1, ?2, ?3, ?4) ON CONFLICT DO UPDATE SET "
                        "used_ms = ?4",
    [SQL_ADD_DRAIN] = "INSERT INTO drains VALUES (?1, ?2, ?3) ON CONFLICT DO NOTHING",
    [SQL_DROP_DRAIN] = "DELETE FROM drains WHERE group_id = ?1 AND instance_id = ?2",
    [SQL_FIND_DRAIN] = "SELECT since_ms FROM drains WHERE group_id = ?1 AND instance_id = ?2",
    [SQL_PUT_HOLD] =
        "INSERT OR REPLACE INTO holds VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)",
    [SQL_DROP_HOLD] = "DELETE FROM holds WHERE group_id = ?1 AND instance_id = ?2",
    [SQL_EACH_HOLD] =
        "SELECT instance_id, until_ms, since_ms, who, by_rule, job_id, directory, vm, "
        "vm_address FROM holds WHERE group_id = ?1",
    [SQL_FIND_CERTIFICATE] = "SELECT certificate, key FROM session_server WHERE host = ?1 AND "
                             "made_ms > ?2 AND made_ms < ?3",
    [SQL_PUT_CERTIFICATE] = "INSERT OR REPLACE INTO session_server VALUES (1, ?1, ?2, ?3, ?4)",
    [SQL_ADD_JOURNAL] = "INSERT INTO journal (group_id, line) VALUES (?1, ?2)",
    [SQL_DROP_JOURNAL] =
        "DELETE FROM journal WHERE group_id = ?1 AND id < (SELECT max(id) FROM journal WHERE "
        "group_id = ?1 AND line = 'begin')",
    [SQL_KEEP_JOURNALS] =
        "DELETE FROM journal WHERE group_id NOT IN (SELECT value FROM json_each(?1))",
    /* hardening.md §9: what ended is kept for 7 days, at most 10,000 rows of a kind. */
    [SQL_PRUNE_JOBS] =
        "DELETE FROM jobs WHERE state = 'closed' AND (closed_ms < ?1 - 604800000 OR seq <= "
        "(SELECT max(seq) FROM jobs) - 10000)",
    [SQL_PRUNE_INSTANCES] =
        "DELETE FROM instances WHERE life = 'gone' AND (gone_ms < ?1 - 604800000 OR gone_ms < "
        "(SELECT gone_ms FROM instances WHERE life = 'gone' ORDER BY gone_ms DESC LIMIT 1 OFFSET "
        "9999))",
    [SQL_PRUNE_INTENTS] =
        "DELETE FROM intents WHERE state != 'open' AND (ended_ms < ?1 - 604800000 OR ended_ms < "
        "(SELECT ended_ms FROM intents WHERE state != 'open' ORDER BY ended_ms DESC LIMIT 1 OFFSET "
        "9999))",
    /* What is known of an instance goes with its row: one that comes back shows its old key. */
    [SQL_PRUNE_HOST_KEYS] = "DELETE FROM host_keys WHERE (group_id, instance_id) NOT IN "
                            "(SELECT group_id, id FROM instances)",
    [SQL_PRUNE_WARMTH] = "DELETE FROM warmth WHERE (group_id, instance_id) NOT IN "
                         "(SELECT group_id, id FROM instances)",
    [SQL_PRUNE_DRAINS] = "DELETE FROM drains WHERE instance_id != '' AND (group_id, instance_id) "
                         "NOT IN (SELECT group_id, id FROM instances)",
};

/* SQLite undoes a statement alone when that is refused, but the whole transaction when the disk fails it: with the late
 * rows that are in it. */
int ledger_error(struct ledger *ledger, struct error *err, const char *what)
{
    int code = sqlite3_extended_errcode(ledger->db) & 0xff;
    int r = code == SQLITE_CONSTRAINT                         ? -EPERM
            : code == SQLITE_FULL                             ? -ENOSPC
            : code == SQLITE_CORRUPT || code == SQLITE_NOTADB ? -EUCLEAN
            : code == SQLITE_NOMEM                            ? -ENOMEM
            : code == SQLITE_BUSY                             ? -EBUSY
                                                              : -EIO;

    if (ledger->late == LATE_OPEN && sqlite3_get_autocommit(ledger->db))
        ledger->late = LATE_LOST;
    return error_set(err, r, "ledger %s: %s: %s", ledger->path, what, sqlite3_errmsg(ledger->db));
}

static int lost(struct ledger *ledger, struct error *err)
{
    return error_set(err, -EIO, "ledger %s: the changes before this one are lost", ledger->path);
}

sqlite3_stmt *ledger_statement(struct ledger *ledger, enum statement which, struct error *err)
{
    sqlite3_stmt **stmt = &ledger->statements[which];

    if (ledger->late == LATE_LOST) {
        (void) lost(ledger, err);
        return NULL;
    }
    if (*stmt) {
        (void) sqlite3_reset(*stmt);
        (void) sqlite3_clear_bindings(*stmt);
        return *stmt;
    }
    if (sqlite3_prepare_v3(ledger->db, sql[which], -1, SQLITE_PREPARE_PERSISTENT, stmt, NULL) !=
        SQLITE_OK) {
        (void) ledger_error(ledger, err, "preparing a statement");
        return NULL;
    }
    return *stmt;
}

static int step(struct ledger *ledger, sqlite3_stmt *stmt, struct error *err)
{
    int r = sqlite3_step(stmt), result = 0;

    if (r != SQLITE_DONE && r != SQLITE_ROW)
        result = ledger_error(ledger, err, "refused");
    (void) sqlite3_reset(stmt);
    (void) sqlite3_clear_bindings(stmt);
    return result;
}

int ledger_step(struct ledger *ledger, sqlite3_stmt *stmt, struct error *err)
{
    int r = step(ledger, stmt, err);

    return r < 0 ? r : ledger_settle(ledger, err);
}

static int run(struct ledger *ledger, enum statement which, struct error *err)
{
    sqlite3_stmt *stmt = ledger_statement(ledger, which, err);

    return stmt ? step(ledger, stmt, err) : -EIO;
}

/* The transaction of late rows, unless the caller is in one; `ret_begun`: nothing else is in it yet. */
static int open_late(struct ledger *ledger, bool *ret_begun, struct error *err)
{
    int r = 0;

    *ret_begun = sqlite3_get_autocommit(ledger->db) && ledger->late == LATE_NONE;
    if (*ret_begun)
        r = run(ledger, SQL_BEGIN, err);
    if (*ret_begun && r == 0)
        ledger->late = LATE_OPEN;
    return r;
}

int ledger_step_late(struct ledger *ledger, sqlite3_stmt *stmt, struct error *err)
{
    bool begun;
    int r = open_late(ledger, &begun, err);

    if (r < 0)
        return r;
    r = step(ledger, stmt, err);
    if (begun && ledger->late == LATE_LOST)
        ledger->late = LATE_NONE; /* there were no others */
    return r;
}

int ledger_begin_late(struct ledger *ledger, struct error *err)
{
    bool begun;
    int r = open_late(ledger, &begun, err);

    return r < 0 ? r : run(ledger, SQL_BEGIN_STEP, err);
}

int ledger_end_late(struct ledger *ledger, int r, struct error *err)
{
    if (r < 0 && !sqlite3_get_autocommit(ledger->db))
        (void) run(ledger, SQL_UNDO_STEP, NULL);
    if (!sqlite3_get_autocommit(ledger->db)) {
        int ended = run(ledger, SQL_END_STEP, err);

        r = r < 0 ? r : ended;
    }
    return r;
}

int ledger_end(struct ledger *ledger, int r, struct error *err)
{
    if (r == 0)
        r = run(ledger, SQL_COMMIT, err);
    if (r < 0 && !sqlite3_get_autocommit(ledger->db))
        (void) run(ledger, SQL_ROLLBACK, NULL);
    return r;
}

int ledger_settle(struct ledger *ledger, struct error *err)
{
    int r;

    if (ledger->late == LATE_NONE)
        return 0;
    if (ledger->late == LATE_LOST)
        return lost(ledger, err);
    r = ledger_end(ledger, 0, err);
    ledger->late = r < 0 ? LATE_LOST : LATE_NONE;
    return r;
}

bool ledger_is_late(const struct ledger *ledger)
{
    return ledger->late != LATE_NONE;
}

int ledger_begin(struct ledger *ledger, struct error *err)
{
    int r = ledger_settle(ledger, err);

    return r < 0 ? r : run(ledger, SQL_BEGIN, err);
}

static int open_database(struct ledger *ledger, struct error *err)
{
    static const char pragmas[] = "PRAGMA journal_mode = WAL;"
                                  "PRAGMA synchronous = FULL;"
                                  "PRAGMA foreign_keys = ON;"
                                  "PRAGMA secure_delete = ON;"
                                  "PRAGMA trusted_schema = OFF;"
                                  "PRAGMA cache_size = -512;"
                                  "PRAGMA temp_store = MEMORY;";

    if (sqlite3_open_v2(ledger->path, &ledger->db,
                        SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX |
                            SQLITE_OPEN_NOFOLLOW | SQLITE_OPEN_EXRESCODE,
                        NULL) != SQLITE_OK)
        return ledger_error(ledger, err, "opening it");
    (void) sqlite3_busy_timeout(ledger->db, 2000);
    if (sqlite3_exec(ledger->db, pragmas, NULL, NULL, NULL) != SQLITE_OK)
        return ledger_error(ledger, err, "setting it up");
    return 0;
}

/* A table that is gone is damage, too, which nobody would notice before it is needed. */
static int check_statements(struct ledger *ledger, struct error *err)
{
    static const char misfit[] = "its tables are not as they were made";
    int r = 0;

    for (size_t i = 0; r == 0 && i < SQL_COUNT; i++) {
        sqlite3_stmt *stmt = NULL;

        if (sqlite3_prepare_v2(ledger->db, sql[i], -1, &stmt, NULL) != SQLITE_OK) {
            r = ledger_error(ledger, err, misfit);
            if (sqlite3_extended_errcode(ledger->db) == SQLITE_ERROR)
                r = error_set(err, -EUCLEAN, "ledger %s: %s: %s", ledger->path, misfit,
                              sqlite3_errmsg(ledger->db));
        }
        (void) sqlite3_finalize(stmt);
    }
    return r;
}

int ledger_open(const char *dir, const struct clock *clock, struct ledger **ret, struct error *err)
{
    struct ledger *ledger = mem_zero(sizeof(*ledger));
    mode_t mask;
    int r;

    if (!ledger || !(ledger->path = mem_printf("%s/ledger.db", dir))) {
        free(ledger);
        return error_set(err, -ENOMEM, "ledger: out of memory");
    }
    ledger->clock = clock;
    sqlite_seam_install();
    mask = umask(077);
    r = reserve_open(dir, err);
    if (r == 0)
        r = open_database(ledger, err);
    if (r == 0)
        r = ledger_quick_check(ledger, err);
    if (r == 0)
        r = schema_apply(ledger, err);
    if (r == 0)
        r = check_statements(ledger, err);
    (void) umask(mask);
    if (r < 0) {
        ledger_close(ledger);
        return r;
    }
    *ret = ledger;
    return 0;
}

void ledger_close(struct ledger *ledger)
{
    if (!ledger)
        return;
    (void) ledger_settle(ledger, NULL);
    for (size_t i = 0; i < SQL_COUNT; i++)
        (void) sqlite3_finalize(ledger->statements[i]);
    (void) sqlite3_close(ledger->db);
    reserve_close();
    free(ledger->path);
    free(ledger);
}

int ledger_checkpoint(struct ledger *ledger, struct error *err)
{
    int r = ledger_settle(ledger, err);

    if (r < 0)
        return r;
    if (sqlite3_wal_checkpoint_v2(ledger->db, NULL, SQLITE_CHECKPOINT_TRUNCATE, NULL, NULL) !=
        SQLITE_OK)
        return ledger_error(ledger, err, "checkpoint");
    return 0;
}

int ledger_check(struct ledger *ledger, struct error *err)
{
    int r = ledger_begin(ledger, err);

    if (r == 0)
        (void) ledger_end(ledger, -ECANCELED, NULL);
    return r;
}

int ledger_skip_seq(struct ledger *ledger, int64_t seq, struct error *err)
{
    sqlite3_stmt *stmt = ledger_statement(ledger, SQL_SKIP_SEQ, err);

    if (!stmt)
        return -EIO;
    (void) sqlite3_bind_int64(stmt, 1, seq);
    return ledger_step(ledger, stmt, err);
}

int ledger_prune(struct ledger *ledger, struct error *err)
{
    static const enum statement prunes[] = { SQL_PRUNE_JOBS,    SQL_PRUNE_INSTANCES,
                                             SQL_PRUNE_INTENTS, SQL_PRUNE_HOST_KEYS,
                                             SQL_PRUNE_WARMTH,  SQL_PRUNE_DRAINS };
    int r = ledger_begin(ledger, err);

    if (r < 0)
        return r;
    for (size_t i = 0; r == 0 && i < ARRAY_LEN(prunes); i++) {
        sqlite3_stmt *stmt = ledger_statement(ledger, prunes[i], err);

        if (stmt && sqlite3_bind_parameter_count(stmt) > 0)
            (void) sqlite3_bind_int64(stmt, 1, ledger_now(ledger));
        r = stmt ? ledger_step(ledger, stmt, err) : -EIO;
    }
    return ledger_end(ledger, r, err);
}
