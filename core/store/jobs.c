/* core/store/jobs.c - jobs in the ledger: each step of processes.md "Job states".
 *
 * Secrets are bound, never put into SQL text, and nulled in the transaction that ends their use. */
#include <errno.h>
#include <inttypes.h>

#include "core/base/str.h"
#include "core/store/internal.h"

static const char *const states[] = { "received", "acknowledged", "assigned",
                                      "running",  "finished",     "closed" };

const char *job_state_name(enum job_state state)
{
    return (size_t) state < ARRAY_LEN(states) ? states[state] : "unknown";
}

int ledger_add_job(struct ledger *ledger, struct ledger_job *row, struct error *err)
{
    sqlite3_stmt *stmt = ledger_statement(ledger, SQL_ADD_JOB, err);
    int r;

    if (!stmt)
        return -EIO;
    (void) sqlite3_bind_int64(stmt, 1, row->group_id);
    (void) sqlite3_bind_text(stmt, 2, row->coordinator_url, -1, SQLITE_STATIC);
    (void) sqlite3_bind_text(stmt, 3, row->runner, -1, SQLITE_STATIC);
    (void) sqlite3_bind_int64(stmt, 4, row->job_id);
    (void) sqlite3_bind_int64(stmt, 5, row->project_id);
    (void) sqlite3_bind_text(stmt, 6, row->name ? row->name : "", -1, SQLITE_STATIC);
    bind_secret(stmt, 7, row->token);
    bind_secret(stmt, 8, row->payload);
    (void) sqlite3_bind_int64(stmt, 9, row->timeout_s);
    (void) sqlite3_bind_int64(stmt, 10, row->received_ms);
    if (row->seq > 0)
        (void) sqlite3_bind_int64(stmt, 11, row->seq);
    bind_secret(stmt, 12, row->session);
    r = ledger_step_late(ledger, stmt, err);
    if (r < 0)
        return r;
    row->seq = sqlite3_last_insert_rowid(ledger->db);
    row->state = JOB_RECEIVED;
    return 0;
}

/* A step whose WHERE matched nothing came from the wrong state. */
static int refused(struct ledger *ledger, int64_t seq, const char *step, struct error *err)
{
    sqlite3_stmt *stmt = ledger_statement(ledger, SQL_JOB_STATE, err);
    char state[16] = "missing";

    if (!stmt)
        return -EIO;
    (void) sqlite3_bind_int64(stmt, 1, seq);
    if (sqlite3_step(stmt) == SQLITE_ROW)
        (void) str_copy(state, sizeof(state), column_text(stmt, 0));
    (void) sqlite3_reset(stmt);
    return error_set(err, -EPERM, "ledger %s: job row %" PRId64 " is %s and cannot be %s",
                     ledger->path, seq, state, step);
}

static int step_job(struct ledger *ledger, sqlite3_stmt *stmt, int64_t seq, const char *step,
                    struct error *err)
{
    int r = ledger_step_late(ledger, stmt, err);

    if (r == 0 && sqlite3_changes(ledger->db) == 0)
        r = refused(ledger, seq, step, err);
    return r;
}

int ledger_acknowledge_job(struct ledger *ledger, int64_t seq, struct error *err)
{
    sqlite3_stmt *stmt = ledger_statement(ledger, SQL_ACKNOWLEDGE_JOB, err);

    if (!stmt)
        return -EIO;
    (void) sqlite3_bind_int64(stmt, 1, seq);
    return step_job(ledger, stmt, seq, "acknowledged", err);
}

static sqlite3_stmt *assignment(struct ledger *ledger, enum statement which, int64_t seq,
                                const struct ledger_assignment *to, struct error *err)
{
    sqlite3_stmt *stmt = ledger_statement(ledger, which, err);

    if (!stmt)
        return NULL;
    (void) sqlite3_bind_int64(stmt, 1, seq);
    (void) sqlite3_bind_text(stmt, 2, to->instance_id, -1, SQLITE_STATIC);
    (void) sqlite3_bind_int64(stmt, 3, to->slot);
    if (which == SQL_HOLD_SLOT)
        return stmt;
    (void) sqlite3_bind_text(stmt, 4, to->worker_key, -1, SQLITE_STATIC);
    if (which == SQL_REASSIGN_JOB)
        return stmt;
    (void) sqlite3_bind_int64(stmt, 5, ledger_now(ledger));
    (void) sqlite3_bind_int64(stmt, 6, to->concurrent_id);
    (void) sqlite3_bind_int64(stmt, 7, to->concurrent_project_id);
    return stmt;
}

static int64_t job_group(struct ledger *ledger, int64_t seq)
{
    sqlite3_stmt *stmt = ledger_statement(ledger, SQL_JOB_GROUP, NULL);
    int64_t group_id = 0;

    if (!stmt)
        return 0;
    (void) sqlite3_bind_int64(stmt, 1, seq);
    if (sqlite3_step(stmt) == SQLITE_ROW)
        group_id = sqlite3_column_int64(stmt, 0);
    (void) sqlite3_reset(stmt);
    return group_id;
}

static int first_assignment(struct ledger *ledger, int64_t seq, const struct ledger_assignment *to,
                            struct error *err)
{
    sqlite3_stmt *stmt = assignment(ledger, SQL_ASSIGN_JOB, seq, to, err);
    int r = stmt ? step_job(ledger, stmt, seq, "assigned", err) : -EIO;

    if (r < 0)
        return r;
    stmt = assignment(ledger, SQL_HOLD_SLOT, seq, to, err);
    r = stmt ? ledger_step_late(ledger, stmt, err) : -EIO;
    if (r < 0)
        return r;
    stmt = ledger_statement(ledger, SQL_COUNT_USE, err);
    if (!stmt)
        return -EIO;
    (void) sqlite3_bind_int64(stmt, 1, job_group(ledger, seq));
    (void) sqlite3_bind_text(stmt, 2, to->instance_id, -1, SQLITE_STATIC);
    return ledger_step_late(ledger, stmt, err);
}

int ledger_assign_job(struct ledger *ledger, int64_t seq, const struct ledger_assignment *to,
                      struct error *err)
{
    sqlite3_stmt *stmt;
    int r = ledger_begin_late(ledger, err);

    if (r < 0)
        return r;
    stmt = assignment(ledger, SQL_REASSIGN_JOB, seq, to, err);
    r = stmt ? ledger_step_late(ledger, stmt, err) : -EIO;
    if (r == 0 && sqlite3_changes(ledger->db) == 0)
        r = first_assignment(ledger, seq, to, err);
    return ledger_end_late(ledger, r, err);
}

int ledger_restore_job(struct ledger *ledger, struct ledger_job *row, struct error *err)
{
    const struct ledger_assignment to = { .instance_id = row->instance_id,
                                          .worker_key = row->worker_key,
                                          .slot = row->slot,
                                          .concurrent_id = row->concurrent_id,
                                          .concurrent_project_id = row->concurrent_project_id };
    int r = ledger_begin(ledger, err);

    if (r < 0)
        return r;
    r = ledger_add_job(ledger, row, err);
    if (r == 0)
        r = first_assignment(ledger, row->seq, &to, err);
    if (r == 0)
        r = ledger_start_job(ledger, row->seq, row->worker_pid, row->debug_trace, err);
    if (r == 0 && *row->vm)
        r = ledger_note_vm(ledger, row->seq, row->vm, err);
    if (r == 0)
        row->state = JOB_RUNNING;
    return ledger_end(ledger, r, err);
}

int ledger_start_job(struct ledger *ledger, int64_t seq, int64_t worker_pid, bool debug_trace,
                     struct error *err)
{
    sqlite3_stmt *stmt = ledger_statement(ledger, SQL_START_JOB, err);

    if (!stmt)
        return -EIO;
    (void) sqlite3_bind_int64(stmt, 1, seq);
    (void) sqlite3_bind_int64(stmt, 2, ledger_now(ledger));
    (void) sqlite3_bind_int64(stmt, 3, worker_pid);
    (void) sqlite3_bind_int64(stmt, 4, debug_trace);
    return step_job(ledger, stmt, seq, "started", err);
}

int ledger_note_worker(struct ledger *ledger, int64_t seq, int64_t worker_pid, struct error *err)
{
    sqlite3_stmt *stmt = ledger_statement(ledger, SQL_NOTE_WORKER, err);

    if (!stmt)
        return -EIO;
    (void) sqlite3_bind_int64(stmt, 1, seq);
    (void) sqlite3_bind_int64(stmt, 2, worker_pid);
    return step_job(ledger, stmt, seq, "noted as run by a process", err);
}

int ledger_note_vm(struct ledger *ledger, int64_t seq, const char *vm, struct error *err)
{
    sqlite3_stmt *stmt = ledger_statement(ledger, SQL_NOTE_VM, err);
    int r;

    if (!stmt)
        return -EIO;
    (void) sqlite3_bind_int64(stmt, 1, seq);
    (void) sqlite3_bind_text(stmt, 2, vm, -1, SQLITE_STATIC);
    r = step_job(ledger, stmt, seq, "noted as run in a VM", err);
    return r < 0 ? r : ledger_settle(ledger, err); /* steps of jobs are late else */
}

/* Deletes the slot row; the instance's idle clock starts when it was the last. */
static int free_slot(struct ledger *ledger, int64_t seq, struct error *err)
{
    sqlite3_stmt *stmt = ledger_statement(ledger, SQL_FREE_SLOT, err);
    char instance_id[256] = "";
    int64_t group_id = 0;
    int r;

    if (!stmt)
        return -EIO;
    (void) sqlite3_bind_int64(stmt, 1, seq);
    r = sqlite3_step(stmt);
    if (r == SQLITE_ROW) {
        group_id = sqlite3_column_int64(stmt, 0);
        (void) str_copy(instance_id, sizeof(instance_id), column_text(stmt, 1));
        r = sqlite3_step(stmt);
    }
    if (r != SQLITE_DONE)
        return ledger_error(ledger, err, "freeing a slot");
    (void) sqlite3_reset(stmt);
    if (!*instance_id)
        return 0;
    stmt = ledger_statement(ledger, SQL_START_IDLE, err);
    if (!stmt)
        return -EIO;
    (void) sqlite3_bind_int64(stmt, 1, group_id);
    (void) sqlite3_bind_text(stmt, 2, instance_id, -1, SQLITE_STATIC);
    (void) sqlite3_bind_int64(stmt, 3, ledger_now(ledger));
    return ledger_step_late(ledger, stmt, err);
}

int ledger_finish_job(struct ledger *ledger, int64_t seq, const char *result_state,
                      const char *failure_reason, int64_t exit_code, int64_t log_size,
                      uint32_t log_crc, const char *message, struct error *err)
{
    sqlite3_stmt *stmt;
    int r = ledger_begin_late(ledger, err);

    if (r < 0)
        return r;
    stmt = ledger_statement(ledger, SQL_FINISH_JOB, err);
    r = stmt ? 0 : -EIO;
    if (r == 0) {
        (void) sqlite3_bind_int64(stmt, 1, seq);
        (void) sqlite3_bind_text(stmt, 2, result_state, -1, SQLITE_STATIC);
        (void) sqlite3_bind_text(stmt, 3, failure_reason ? failure_reason : "", -1, SQLITE_STATIC);
        (void) sqlite3_bind_int64(stmt, 4, exit_code);
        (void) sqlite3_bind_int64(stmt, 5, log_size);
        (void) sqlite3_bind_int64(stmt, 6, log_crc);
        (void) sqlite3_bind_text(stmt, 7, message ? message : "", -1, SQLITE_STATIC);
        (void) sqlite3_bind_int64(stmt, 8, ledger_now(ledger));
        r = step_job(ledger, stmt, seq, "finished", err);
    }
    if (r == 0)
        r = free_slot(ledger, seq, err);
    return ledger_end_late(ledger, r, err);
}

int ledger_note_sent(struct ledger *ledger, int64_t seq, int64_t offset, int64_t log_size,
                     uint32_t log_crc, struct error *err)
{
    sqlite3_stmt *stmt = ledger_statement(ledger, SQL_NOTE_SENT, err);

    if (!stmt)
        return -EIO;
    (void) sqlite3_bind_int64(stmt, 1, seq);
    (void) sqlite3_bind_int64(stmt, 2, offset);
    (void) sqlite3_bind_int64(stmt, 3, log_size);
    (void) sqlite3_bind_int64(stmt, 4, log_crc);
    return step_job(ledger, stmt, seq, "noted as sent", err);
}

int ledger_close_job(struct ledger *ledger, int64_t seq, const char *message, struct error *err)
{
    sqlite3_stmt *stmt;
    int r = ledger_begin(ledger, err);

    if (r < 0)
        return r;
    stmt = ledger_statement(ledger, SQL_CLOSE_JOB, err);
    r = stmt ? 0 : -EIO;
    if (r == 0) {
        (void) sqlite3_bind_int64(stmt, 1, seq);
        (void) sqlite3_bind_text(stmt, 2, message ? message : "", -1, SQLITE_STATIC);
        (void) sqlite3_bind_int64(stmt, 3, ledger_now(ledger));
        r = step_job(ledger, stmt, seq, "closed", err);
    }
    if (r == 0)
        r = free_slot(ledger, seq, err);
    return ledger_end(ledger, r, err);
}

static enum job_state state_of(const char *name)
{
    for (size_t i = 0; i < ARRAY_LEN(states); i++)
        if (str_eq(states[i], name))
            return (enum job_state) i;
    return JOB_CLOSED;
}

/* In the order of JOB_COLUMNS. */
static void read_job(sqlite3_stmt *stmt, struct ledger_job *ret)
{
    *ret = (struct ledger_job) { .seq = sqlite3_column_int64(stmt, 0),
                                 .group_id = sqlite3_column_int64(stmt, 1),
                                 .coordinator_url = column_text(stmt, 2),
                                 .runner = column_text(stmt, 3),
                                 .job_id = sqlite3_column_int64(stmt, 4),
                                 .project_id = sqlite3_column_int64(stmt, 5),
                                 .name = column_text(stmt, 6),
                                 .state = state_of(column_text(stmt, 7)),
                                 .token = column_secret(stmt, 8),
                                 .payload = column_secret(stmt, 9),
                                 .slot = sqlite3_column_int64(stmt, 12),
                                 .concurrent_id = sqlite3_column_int64(stmt, 13),
                                 .concurrent_project_id = sqlite3_column_int64(stmt, 14),
                                 .sent_offset = sqlite3_column_int64(stmt, 15),
                                 .exit_code = sqlite3_column_int64(stmt, 18),
                                 .log_size = sqlite3_column_int64(stmt, 19),
                                 .log_crc = (uint32_t) sqlite3_column_int64(stmt, 20),
                                 .timeout_s = sqlite3_column_int64(stmt, 21),
                                 .received_ms = sqlite3_column_int64(stmt, 22),
                                 .assigned_ms = sqlite3_column_int64(stmt, 23),
                                 .started_ms = sqlite3_column_int64(stmt, 24),
                                 .finished_ms = sqlite3_column_int64(stmt, 25),
                                 .closed_ms = sqlite3_column_int64(stmt, 26),
                                 .worker_pid = sqlite3_column_int64(stmt, 28),
                                 .debug_trace = sqlite3_column_int64(stmt, 29) != 0,
                                 .session = column_secret(stmt, 31) };
    (void) str_copy(ret->worker_key, sizeof(ret->worker_key), column_text(stmt, 10));
    (void) str_copy(ret->instance_id, sizeof(ret->instance_id), column_text(stmt, 11));
    (void) str_copy(ret->result_state, sizeof(ret->result_state), column_text(stmt, 16));
    (void) str_copy(ret->failure_reason, sizeof(ret->failure_reason), column_text(stmt, 17));
    (void) str_copy(ret->message, sizeof(ret->message), column_text(stmt, 27));
    (void) str_copy(ret->vm, sizeof(ret->vm), column_text(stmt, 30));
}

void ledger_job_done(struct ledger_job *row)
{
    secret_free(row->token);
    secret_free(row->payload);
    secret_free(row->session);
    row->token = row->payload = row->session = NULL;
}

/* A token that there was no memory for is none that was nulled. */
static bool has_secret(sqlite3_stmt *stmt, int i, const struct secret *secret)
{
    return secret || sqlite3_column_type(stmt, i) == SQLITE_NULL;
}

/* The row's strings live for the callback; its secrets are freed after it. */
static int each_job(struct ledger *ledger, sqlite3_stmt *stmt,
                    void (*on_row)(void *arg, struct ledger_job *row), void *arg, struct error *err)
{
    int r;

    while ((r = sqlite3_step(stmt)) == SQLITE_ROW) {
        struct ledger_job row;
        bool whole;

        read_job(stmt, &row);
        whole = has_secret(stmt, 8, row.token) && has_secret(stmt, 9, row.payload) &&
                has_secret(stmt, 31, row.session);
        if (whole)
            on_row(arg, &row);
        ledger_job_done(&row);
        if (!whole) {
            (void) sqlite3_reset(stmt);
            return error_set(err, -ENOMEM, "ledger %s: reading jobs: out of memory", ledger->path);
        }
    }
    r = r == SQLITE_DONE ? 0 : ledger_error(ledger, err, "reading jobs");
    (void) sqlite3_reset(stmt);
    return r;
}

int ledger_each_open_job(struct ledger *ledger, void (*on_row)(void *arg, struct ledger_job *row),
                         void *arg, struct error *err)
{
    sqlite3_stmt *stmt = ledger_statement(ledger, SQL_EACH_OPEN_JOB, err);

    return stmt ? each_job(ledger, stmt, on_row, arg, err) : -EIO;
}

int ledger_each_job_named(struct ledger *ledger, int64_t job_id,
                          void (*on_row)(void *arg, struct ledger_job *row), void *arg,
                          struct error *err)
{
    sqlite3_stmt *stmt = ledger_statement(ledger, SQL_EACH_JOB_NAMED, err);

    if (!stmt)
        return -EIO;
    (void) sqlite3_bind_int64(stmt, 1, job_id);
    return each_job(ledger, stmt, on_row, arg, err);
}
