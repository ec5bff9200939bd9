/* tests/unit/store/test_ledger.c - mirrors core/store/: every step forward, every step back refused in C and in SQL,
 * and no secret left in the bytes. */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <cmocka.h>
#include <sqlite3.h>

#include "core/base/fs.h"
#include "core/base/mem.h"
#include "core/base/str.h"
#include "core/fleet/fleet.h"
#include "core/store/journal.h"
#include "core/store/ledger.h"

#define TOKEN "glcbt-thisIsTheTokenOfTheJob"
#define SESSION "theSessionOfItsTerminal"

struct fixture {
    char dir[64];
    struct ledger *ledger;
    int64_t group_id, epoch, seq;
};

static int set_up(void **state)
{
    struct fixture *f = mem_zero(sizeof(*f));
    int64_t epoch = 0;

    (void) str_copy(f->dir, sizeof(f->dir), "/tmp/ledger-XXXXXX");
    assert_non_null(mkdtemp(f->dir));
    assert_int_equal(ledger_open(f->dir, &clock_system, &f->ledger, NULL), 0);
    assert_int_equal(ledger_open_group(f->ledger, "key", &f->group_id, &epoch, NULL), 0);
    assert_true(epoch > 0);
    f->epoch = epoch;
    *state = f;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *f = *state;

    ledger_close(f->ledger);
    (void) fs_remove_tree(AT_FDCWD, f->dir);
    free(f);
    return 0;
}

static void add_job(struct fixture *f)
{
    struct ledger_job row = { .group_id = f->group_id,
                              .job_id = 42,
                              .project_id = 9,
                              .coordinator_url = "https://gitlab.example.com",
                              .runner = "r",
                              .name = "x'); DROP TABLE jobs;--",
                              .token = secret_from_str(TOKEN),
                              .payload = secret_from_str("{\"token\":\"" TOKEN "\"}"),
                              .session = secret_from_str(SESSION) };
    struct ledger_instance instance = { .group_id = f->group_id,
                                        .id = "i-1",
                                        .state = INSTANCE_RUNNING };

    assert_int_equal(ledger_add_instance(f->ledger, &instance, NULL), 0);
    assert_int_equal(ledger_add_job(f->ledger, &row, NULL), 0);
    f->seq = row.seq;
    ledger_job_done(&row);
}

static int count_rows(const struct fixture *f, const char *table)
{
    sqlite3 *db = NULL;
    sqlite3_stmt *stmt = NULL;
    char path[128], query[64];
    int n;

    (void) snprintf(path, sizeof(path), "%s/ledger.db", f->dir);
    (void) snprintf(query, sizeof(query), "SELECT count(*) FROM %s", table);
    assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
    assert_int_equal(sqlite3_prepare_v2(db, query, -1, &stmt, NULL), SQLITE_OK);
    assert_int_equal(sqlite3_step(stmt), SQLITE_ROW);
    n = sqlite3_column_int(stmt, 0);
    (void) sqlite3_finalize(stmt);
    (void) sqlite3_close(db);
    return n;
}

static int assign(struct fixture *f, int64_t seq, const char *instance, int64_t slot,
                  int64_t number, struct error *err)
{
    struct ledger_assignment to = { .instance_id = instance,
                                    .worker_key = "k",
                                    .slot = slot,
                                    .concurrent_id = number,
                                    .concurrent_project_id = number };

    return ledger_assign_job(f->ledger, seq, &to, err);
}

static bool bytes_hold(const struct fixture *f, const char *name, const char *needle)
{
    autobuf struct buf data = BUF_INIT;
    char path[128];

    (void) snprintf(path, sizeof(path), "%s/%s", f->dir, name);
    if (fs_read_file(AT_FDCWD, path, 16 * 1024 * 1024, &data, NULL) < 0)
        return false;
    return data.len > 0 && memmem(data.data, data.len, needle, strlen(needle)) != NULL;
}

static void copy_session(void *arg, struct ledger_job *row)
{
    struct buf *out = arg;

    buf_add_str(out, row->session ? secret_reveal(row->session) : "-");
}

static void assert_session(struct fixture *f, const char *want)
{
    autobuf struct buf session = BUF_INIT;

    assert_int_equal(ledger_each_open_job(f->ledger, copy_session, &session, NULL), 0);
    assert_string_equal(buf_str(&session), want);
}

static void test_a_job_goes_forward_and_leaves_no_secret(void **state)
{
    struct fixture *f = *state;

    add_job(f);
    assert_int_equal(ledger_acknowledge_job(f->ledger, f->seq, NULL), 0);
    assert_int_equal(assign(f, f->seq, "i-1", 0, 0, NULL), 0);
    assert_int_equal(assign(f, f->seq, "i-1", 0, 0, NULL), 0);
    assert_int_equal(ledger_start_job(f->ledger, f->seq, 77, true, NULL), 0);
    assert_int_equal(ledger_settle(f->ledger, NULL), 0);
    assert_true(bytes_hold(f, "ledger.db-wal", TOKEN));
    assert_session(f, SESSION);
    assert_int_equal(ledger_finish_job(f->ledger, f->seq, "success", NULL, 0, 10, 7, "", NULL), 0);
    assert_session(f, "-"); /* it ends with what ran */
    assert_int_equal(ledger_close_job(f->ledger, f->seq, "", NULL), 0);
    assert_int_equal(ledger_checkpoint(f->ledger, NULL), 0);
    assert_false(bytes_hold(f, "ledger.db", TOKEN));
    assert_false(bytes_hold(f, "ledger.db-wal", TOKEN));
    assert_false(bytes_hold(f, "ledger.db", SESSION));
    assert_false(bytes_hold(f, "ledger.db-wal", SESSION));
}

/* Made from `from_ms` to `to_ms` before or after now. */
static int find_certificate(struct fixture *f, const char *host, int64_t from_ms, int64_t to_ms,
                            const char *want)
{
    auto_ptr(secret_free) struct secret *key = NULL;
    autofree char *certificate = NULL;
    int64_t now = clock_wall_ms(&clock_system);
    int r = ledger_find_certificate(f->ledger, host, now + from_ms, now + to_ms, &certificate, &key,
                                    NULL);

    if (r == 1) {
        assert_string_equal(certificate, want);
        assert_string_equal(secret_reveal(key), "key");
    }
    return r;
}

static void test_one_certificate_is_kept(void **state)
{
    struct fixture *f = *state;
    auto_ptr(secret_free) struct secret *key = secret_from_str("key");

    assert_int_equal(find_certificate(f, "host", -60000, 60000, ""), 0);
    assert_int_equal(ledger_put_certificate(f->ledger, "host", "first", key, NULL), 0);
    assert_int_equal(ledger_put_certificate(f->ledger, "other", "second", key, NULL), 0);
    assert_int_equal(find_certificate(f, "host", -60000, 60000, ""), 0);
    assert_int_equal(find_certificate(f, "other", -60000, 60000, "second"), 1);
    assert_int_equal(find_certificate(f, "other", 60000, 120000, ""), 0);
    assert_int_equal(find_certificate(f, "other", -120000, -60000, ""), 0);
}

static void test_steps_back_are_refused(void **state)
{
    struct fixture *f = *state;
    struct error err = { 0 };

    add_job(f);
    assert_int_equal(ledger_start_job(f->ledger, f->seq, 0, false, &err),
                     -EPERM); /* never assigned */
    assert_int_equal(assign(f, f->seq, "i-1", 0, 0, NULL), 0);
    assert_int_equal(ledger_acknowledge_job(f->ledger, f->seq, &err), -EPERM);
    assert_non_null(strstr(err.message, "is assigned and cannot be acknowledged"));
    assert_int_equal(assign(f, f->seq, "i-2", 0, 0, &err), -EPERM);
    assert_int_equal(
        ledger_finish_job(f->ledger, f->seq, "failed", "script_failure", 1, 0, 0, "", NULL), 0);
    assert_int_equal(ledger_finish_job(f->ledger, f->seq, "success", NULL, 0, 0, 0, "", &err),
                     -EPERM);
    assert_int_equal(ledger_close_job(f->ledger, f->seq, "", NULL), 0);
    assert_int_equal(ledger_close_job(f->ledger, f->seq, "", &err), -EPERM);
    assert_int_equal(ledger_note_sent(f->ledger, f->seq, 1, 1, 7, &err), -EPERM);
}

static void test_two_jobs_never_hold_one_slot(void **state)
{
    struct fixture *f = *state;
    struct ledger_job other = {
        .group_id = f->group_id, .job_id = 43, .coordinator_url = "u", .runner = "r"
    };
    struct error err = { 0 };

    add_job(f);
    assert_int_equal(ledger_add_job(f->ledger, &other, NULL), 0);
    assert_int_equal(assign(f, f->seq, "i-1", 0, 0, NULL), 0);
    assert_int_equal(assign(f, other.seq, "i-1", 0, 0, &err), -EPERM);
    assert_int_equal(assign(f, other.seq, "i-1", 1, 1, NULL), 0);
}

static void read_pid(void *arg, struct ledger_job *row)
{
    *(int64_t *) arg = row->worker_pid;
}

static void test_a_jobs_process_may_be_known_after_its_start(void **state)
{
    struct fixture *f = *state;
    struct error err = { 0 };
    int64_t pid = -1;

    add_job(f);
    assert_int_equal(assign(f, f->seq, "i-1", 0, 0, NULL), 0);
    assert_int_equal(ledger_note_worker(f->ledger, f->seq, 77, &err), -EPERM);
    assert_int_equal(ledger_start_job(f->ledger, f->seq, 0, false, NULL), 0);
    assert_int_equal(ledger_note_worker(f->ledger, f->seq, 77, NULL), 0);
    assert_int_equal(ledger_each_open_job(f->ledger, read_pid, &pid, NULL), 0);
    assert_int_equal(pid, 77);
}

static void read_vm(void *arg, struct ledger_job *row)
{
    (void) str_copy(arg, sizeof(row->vm), row->vm);
}

static void test_a_job_has_its_vm_while_it_has_a_slot(void **state)
{
    struct fixture *f = *state;
    struct error err = { 0 };
    char vm[256] = "?";

    add_job(f);
    assert_int_equal(ledger_each_open_job(f->ledger, read_vm, vm, NULL), 0);
    assert_string_equal(vm, "");
    assert_int_equal(ledger_note_vm(f->ledger, f->seq, "vm-1", &err), -EPERM);
    assert_int_equal(assign(f, f->seq, "i-1", 0, 0, NULL), 0);
    assert_int_equal(ledger_note_vm(f->ledger, f->seq, "vm-1", NULL), 0);
    assert_int_equal(ledger_start_job(f->ledger, f->seq, 0, false, NULL), 0);
    assert_int_equal(ledger_note_vm(f->ledger, f->seq, "vm-2", NULL), 0); /* another try's */
    assert_int_equal(ledger_each_open_job(f->ledger, read_vm, vm, NULL), 0);
    assert_string_equal(vm, "vm-2");
}

static void read_numbers(void *arg, struct ledger_job *row)
{
    int64_t *numbers = arg;

    if (numbers[0] >= 0)
        return; /* the first row's are there */
    numbers[0] = row->concurrent_id;
    numbers[1] = row->concurrent_project_id;
}

/* Both numbers come back with the row, and no second job of the project gets them meanwhile. */
static void test_two_jobs_never_share_a_directory(void **state)
{
    struct fixture *f = *state;
    struct ledger_job other = { .group_id = f->group_id,
                                .job_id = 43,
                                .project_id = 9,
                                .coordinator_url = "u",
                                .runner = "r" };
    struct ledger_assignment to = {
        .instance_id = "i-1", .worker_key = "k", .slot = 1, .concurrent_id = 5
    };
    struct error err = { 0 };
    int64_t numbers[2] = { -1, -1 };

    add_job(f);
    assert_int_equal(ledger_add_job(f->ledger, &other, NULL), 0);
    to.concurrent_project_id = 7;
    assert_int_equal(ledger_assign_job(f->ledger, f->seq, &to, NULL), 0);
    assert_int_equal(ledger_each_open_job(f->ledger, read_numbers, numbers, NULL), 0);
    assert_int_equal(numbers[0], 5);
    assert_int_equal(numbers[1], 7);
    assert_int_equal(assign(f, other.seq, "i-2", 0, 7, &err), -EPERM);
    assert_int_equal(assign(f, other.seq, "i-2", 0, 5, &err), -EPERM);
    assert_int_equal(
        ledger_finish_job(f->ledger, f->seq, "failed", "script_failure", 1, 0, 0, "", NULL), 0);
    assert_int_equal(assign(f, other.seq, "i-2", 0, 7, NULL), 0);
}

static void test_slots_for_many_jobs_are_one_transaction(void **state)
{
    struct fixture *f = *state;

    add_job(f);
    assert_int_equal(ledger_begin(f->ledger, NULL), 0);
    assert_int_equal(assign(f, f->seq, "i-1", 0, 0, NULL), 0);
    assert_int_equal(ledger_end(f->ledger, -EIO, NULL), -EIO);
    assert_int_equal(count_rows(f, "slots"), 0); /* undone */
    assert_int_equal(ledger_begin(f->ledger, NULL), 0);
    assert_int_equal(assign(f, f->seq, "i-1", 0, 0, NULL), 0);
    assert_int_equal(ledger_end(f->ledger, 0, NULL), 0);
    assert_int_equal(count_rows(f, "slots"), 1);
}

/* The same rules once more below C: raw SQL on the file. */
static void test_triggers_refuse_what_c_would_not_do(void **state)
{
    static const char *const statements[] = {
        "UPDATE jobs SET state = 'received'",    "UPDATE jobs SET state = 'nonsense'",
        "UPDATE jobs SET state = 'closed'", /* with its token */
        "UPDATE groups SET epoch = 0",           "UPDATE groups SET epoch = epoch",
        "UPDATE instances SET uses = -1",        "UPDATE instances SET uses = 0",
        "UPDATE instances SET life = 'present'", "UPDATE intents SET state = 'open'",
        "UPDATE host_keys SET key = 'other'",
    };
    struct fixture *f = *state;
    struct ledger_instance gone = {
        .group_id = f->group_id, .id = "i-9", .life = LIFE_GONE, .uses = 3
    };
    struct ledger_intent intent = {
        .group_id = f->group_id, .epoch = 1, .count = 1, .request_id = "u", .kind = "increase"
    };
    sqlite3 *db = NULL;
    char path[128];

    add_job(f);
    assert_int_equal(assign(f, f->seq, "i-1", 0, 0, NULL), 0);
    assert_int_equal(ledger_add_instance(f->ledger, &gone, NULL), 0);
    assert_int_equal(ledger_add_intent(f->ledger, &intent, NULL), 0);
    assert_int_equal(ledger_end_intent(f->ledger, "u", INTENT_DONE, 1, "", NULL), 0);
    assert_int_equal(
        ledger_check_host_key(f->ledger, f->group_id, "i-1", "ssh-ed25519", "AAAA", NULL), 0);
    (void) snprintf(path, sizeof(path), "%s/ledger.db", f->dir);
    assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
    for (size_t i = 0; i < ARRAY_LEN(statements); i++)
        if (sqlite3_exec(db, statements[i], NULL, NULL, NULL) != SQLITE_CONSTRAINT)
            fail_msg("not refused: %s", statements[i]);
    (void) sqlite3_close(db);
}

static void test_a_changed_host_key_is_refused(void **state)
{
    struct fixture *f = *state;
    struct error err = { 0 };

    assert_int_equal(
        ledger_check_host_key(f->ledger, f->group_id, "i-1", "ssh-ed25519", "AAAA", NULL), 0);
    assert_int_equal(
        ledger_check_host_key(f->ledger, f->group_id, "i-1", "ssh-ed25519", "AAAA", NULL), 0);
    assert_int_equal(
        ledger_check_host_key(f->ledger, f->group_id, "i-1", "ssh-ed25519", "BBBB", &err),
        -EKEYREJECTED);
    assert_int_equal(
        ledger_check_host_key(f->ledger, f->group_id, "i-2", "ssh-ed25519", "BBBB", NULL), 0);
}

static void test_an_instance_never_comes_back_by_a_change(void **state)
{
    struct fixture *f = *state;
    struct ledger_instance row = { .group_id = f->group_id, .id = "i-1", .uses = 2 };
    struct error err = { 0 };

    assert_int_equal(ledger_put_instance(f->ledger, &row, &err), -EPERM);
    assert_non_null(strstr(err.message, "instance i-1 is not known"));
    assert_int_equal(ledger_add_instance(f->ledger, &row, NULL), 0);
    row.life = LIFE_REMOVING;
    assert_int_equal(ledger_put_instance(f->ledger, &row, NULL), 0);
    row.life = LIFE_PRESENT;
    assert_int_equal(ledger_put_instance(f->ledger, &row, &err), -EPERM);
    row.life = LIFE_GONE;
    assert_int_equal(ledger_put_instance(f->ledger, &row, NULL), 0);
    row.life = LIFE_PRESENT;
    assert_int_equal(ledger_put_instance(f->ledger, &row, &err), -EPERM);
    assert_non_null(strstr(err.message, "only goes forward"));
}

static void keep_row(void *arg, const struct ledger_instance *row)
{
    *(struct ledger_instance *) arg = *row;
}

/* hardening_39: the new incarnation keeps what the old one was used for, and its host key. */
static void test_an_id_that_was_gone_may_appear_again(void **state)
{
    struct fixture *f = *state;
    struct ledger_instance row = { .group_id = f->group_id, .id = "i-1", .uses = 3 }, found;
    struct error err = { 0 };

    assert_int_equal(ledger_add_instance(f->ledger, &row, NULL), 0);
    assert_int_equal(ledger_add_instance(f->ledger, &row, &err), -EPERM);
    assert_non_null(strstr(err.message, "is there already"));
    assert_int_equal(ledger_find_former(f->ledger, f->group_id, "i-1", &found, NULL), 1);
    assert_int_equal(
        ledger_check_host_key(f->ledger, f->group_id, "i-1", "ssh-ed25519", "AAAA", NULL), 0);
    row.life = LIFE_GONE;
    assert_int_equal(ledger_put_instance(f->ledger, &row, NULL), 0);
    row = (struct ledger_instance) { .group_id = f->group_id, .id = "i-1", .first_seen_ms = 77 };
    assert_int_equal(ledger_add_instance(f->ledger, &row, NULL), 0);
    assert_int_equal(ledger_each_instance(f->ledger, f->group_id, keep_row, &found, NULL), 0);
    assert_int_equal(found.life, LIFE_PRESENT);
    assert_int_equal(found.uses, 3);
    assert_int_equal(found.first_seen_ms, 77);
    assert_int_equal(ledger_put_instance(
                         f->ledger,
                         &(struct ledger_instance) {
                             .group_id = f->group_id, .id = "i-1", .life = LIFE_GONE, .uses = 3 },
                         NULL),
                     0);
    row.anew = true;
    assert_int_equal(ledger_add_instance(f->ledger, &row, NULL), 0);
    assert_int_equal(ledger_each_instance(f->ledger, f->group_id, keep_row, &found, NULL), 0);
    assert_int_equal(found.uses, 0);
    assert_int_equal(
        ledger_check_host_key(f->ledger, f->group_id, "i-1", "ssh-ed25519", "BBBB", NULL),
        -EKEYREJECTED);
}

static void test_many_changes_are_one_transaction(void **state)
{
    struct fixture *f = *state;
    struct ledger_instance row = { .group_id = f->group_id, .id = "i-1" }, found = { 0 };
    int64_t id = 0, epoch = 0;

    assert_int_equal(ledger_begin(f->ledger, NULL), 0);
    assert_int_equal(ledger_add_instance(f->ledger, &row, NULL), 0);
    row.state = INSTANCE_RUNNING;
    assert_int_equal(ledger_put_instance(f->ledger, &row, NULL), 0);
    assert_true(ledger_open_group(f->ledger, "another", &id, &epoch, NULL) < 0);
    assert_int_equal(ledger_end(f->ledger, -EIO, NULL), -EIO);
    assert_int_equal(ledger_each_instance(f->ledger, f->group_id, keep_row, &found, NULL), 0);
    assert_string_equal(found.id, ""); /* undone */
    assert_int_equal(ledger_begin(f->ledger, NULL), 0);
    assert_int_equal(ledger_add_instance(f->ledger, &row, NULL), 0);
    assert_int_equal(ledger_end(f->ledger, 0, NULL), 0);
    assert_int_equal(ledger_each_instance(f->ledger, f->group_id, keep_row, &found, NULL), 0);
    assert_string_equal(found.id, "i-1");
}

static void test_another_groups_instance_is_found_before_ones_own_that_is_gone(void **state)
{
    struct fixture *f = *state;
    struct ledger_instance row = { .id = "i-1", .uses = 1 }, found;
    int64_t other = 0, epoch = 0;

    assert_int_equal(ledger_open_group(f->ledger, "other", &other, &epoch, NULL), 0);
    assert_int_equal(ledger_find_former(f->ledger, f->group_id, "i-1", &found, NULL), 0);
    row.group_id = f->group_id;
    row.life = LIFE_GONE;
    assert_int_equal(ledger_add_instance(f->ledger, &row, NULL), 0);
    row.group_id = other;
    assert_int_equal(ledger_add_instance(f->ledger, &row, NULL), 0);
    assert_int_equal(ledger_find_former(f->ledger, f->group_id, "i-1", &found, NULL), 1);
    assert_int_equal(found.group_id, f->group_id); /* the other's is gone, too */
    row.life = LIFE_PRESENT;
    assert_int_equal(ledger_add_instance(f->ledger, &row, NULL), 0);
    assert_int_equal(ledger_find_former(f->ledger, f->group_id, "i-1", &found, NULL), 1);
    assert_int_equal(found.group_id, other);
}

static void note_intent(void *arg, const struct ledger_intent *intent)
{
    (void) snprintf(strchr(arg, '\0'), 16, "%.10s ", intent->request_id);
}

static void add_intent(struct fixture *f, const char *id, const char *kind, int64_t created_ms)
{
    struct ledger_intent intent = { .group_id = f->group_id, .epoch = 1, .count = 2 };

    intent.created_ms = created_ms;
    (void) str_copy(intent.request_id, sizeof(intent.request_id), id);
    (void) str_copy(intent.kind, sizeof(intent.kind), kind);
    assert_int_equal(ledger_add_intent(f->ledger, &intent, NULL), 0);
}

static void note_ordered(void *arg, int64_t first_seen_ms)
{
    int64_t *sum = arg;

    *sum += first_seen_ms;
}

static void test_orders_are_found_until_they_have_appeared(void **state)
{
    struct fixture *f = *state;
    struct ledger_instance row = { .group_id = f->group_id, .id = "i-1", .first_seen_ms = 50 };
    char found[64] = "";
    int64_t seen_ms = 0;

    add_intent(f, "open", "increase", 10);
    add_intent(f, "done", "increase", 20);
    add_intent(f, "empty", "increase", 30);
    add_intent(f, "removal", "decrease", 40);
    assert_int_equal(ledger_end_intent(f->ledger, "done", INTENT_DONE, 2, "", NULL), 0);
    assert_int_equal(ledger_end_intent(f->ledger, "empty", INTENT_FAILED, 0, "", NULL), 0);
    assert_int_equal(ledger_end_intent(f->ledger, "removal", INTENT_DONE, 2, "", NULL), 0);
    assert_int_equal(ledger_each_late_intent(f->ledger, f->group_id, 0, note_intent, found, NULL),
                     0);
    assert_string_equal(found, "open done ");
    found[0] = '\0';
    assert_int_equal(
        ledger_each_late_intent(f->ledger, f->group_id, INT64_MAX, note_intent, found, NULL), 0);
    assert_string_equal(found, "open ");
    row.life = LIFE_GONE;
    row.gone_ms = 60;
    assert_int_equal(ledger_add_instance(f->ledger, &row, NULL), 0);
    assert_int_equal(ledger_each_ordered(f->ledger, f->group_id, 51, note_ordered, &seen_ms, NULL),
                     0);
    assert_int_equal(seen_ms, 0);
    assert_int_equal(ledger_each_ordered(f->ledger, f->group_id, 50, note_ordered, &seen_ms, NULL),
                     0);
    assert_int_equal(seen_ms, 50);
    seen_ms = 0;
    assert_int_equal(ledger_each_gone(f->ledger, f->group_id, 61, note_ordered, &seen_ms, NULL), 0);
    assert_int_equal(seen_ms, 0);
    assert_int_equal(ledger_each_gone(f->ledger, f->group_id, 60, note_ordered, &seen_ms, NULL), 0);
    assert_int_equal(seen_ms, 60);
}

/* hardening.md §9: what is known of an instance goes with its row. */
static void test_pruning_takes_keys_and_warmth_of_instances_that_went(void **state)
{
    static const struct {
        const char *id;
        enum ledger_life life;
        int64_t gone_days;
    } cases[] = { { "living", LIFE_PRESENT, 0 },
                  { "week", LIFE_GONE, 8 },
                  { "day", LIFE_GONE, 1 } };
    struct fixture *f = *state;

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct ledger_instance row = { .group_id = f->group_id, .life = cases[i].life };

        (void) str_copy(row.id, sizeof(row.id), cases[i].id);
        row.gone_ms = clock_wall_ms(&clock_system) - cases[i].gone_days * 24 * 3600 * 1000;
        assert_int_equal(ledger_add_instance(f->ledger, &row, NULL), 0);
        assert_int_equal(ledger_check_host_key(f->ledger, f->group_id, row.id, "t", "k", NULL), 0);
        assert_int_equal(ledger_note_warmth(f->ledger, f->group_id, row.id, 7, NULL), 0);
    }
    assert_int_equal(ledger_prune(f->ledger, NULL), 0);
    assert_int_equal(count_rows(f, "instances"), 2);
    assert_int_equal(count_rows(f, "host_keys"), 2);
    assert_int_equal(count_rows(f, "warmth"), 2);
}

static void test_pruning_keeps_the_last_ten_thousand(void **state)
{
    struct fixture *f = *state;
    int64_t now = clock_wall_ms(&clock_system);

    assert_int_equal(ledger_begin(f->ledger, NULL), 0);
    for (int i = 0; i < 10005; i++) {
        struct ledger_instance row = { .group_id = f->group_id,
                                       .life = LIFE_GONE,
                                       .gone_ms = now - i };

        (void) snprintf(row.id, sizeof(row.id), "i-%d", i);
        assert_int_equal(ledger_add_instance(f->ledger, &row, NULL), 0);
    }
    assert_int_equal(ledger_end(f->ledger, 0, NULL), 0);
    assert_int_equal(ledger_prune(f->ledger, NULL), 0);
    assert_int_equal(count_rows(f, "instances"), 10000);
}

static void test_what_is_drained_stays_so_until_it_is_undrained(void **state)
{
    struct fixture *f = *state;
    struct ledger_instance row = { .group_id = f->group_id, .id = "i-1", .life = LIFE_PRESENT };
    int64_t since = 0, again = 0;

    assert_int_equal(ledger_find_drain(f->ledger, f->group_id, "", &since, NULL), 0);
    assert_int_equal(ledger_add_drain(f->ledger, f->group_id, "", NULL), 0);
    assert_int_equal(ledger_add_instance(f->ledger, &row, NULL), 0);
    assert_int_equal(ledger_add_drain(f->ledger, f->group_id, "i-1", NULL), 0);
    assert_int_equal(ledger_add_drain(f->ledger, f->group_id, "i-2", NULL), 0);
    assert_int_equal(ledger_find_drain(f->ledger, f->group_id, "i-1", &since, NULL), 1);
    assert_true(since > 0);
    assert_int_equal(ledger_add_drain(f->ledger, f->group_id, "i-1", NULL), 0);
    assert_int_equal(ledger_find_drain(f->ledger, f->group_id, "i-1", &again, NULL), 1);
    assert_int_equal(again, since);
    assert_int_equal(ledger_prune(f->ledger, NULL), 0); /* i-2 is no instance any more */
    assert_int_equal(count_rows(f, "drains"), 2);
    assert_int_equal(ledger_drop_drain(f->ledger, f->group_id, "i-1", NULL), 0);
    assert_int_equal(ledger_find_drain(f->ledger, f->group_id, "i-1", &again, NULL), 0);
    assert_int_equal(ledger_find_drain(f->ledger, f->group_id, "", &again, NULL), 1);
}

static void count_job(void *arg, struct ledger_job *row)
{
    int64_t *sum = arg;

    *sum = *sum * 100 + row->seq;
}

static void test_the_last_row_of_a_job_is_found_for_each_gitlab(void **state)
{
    struct fixture *f = *state;
    static const char *const urls[] = { "https://one", "https://one", "https://two" };
    int64_t seqs = 0;

    for (size_t i = 0; i < ARRAY_LEN(urls); i++) {
        struct ledger_job row = { .group_id = f->group_id,
                                  .job_id = 42,
                                  .coordinator_url = urls[i],
                                  .runner = "r",
                                  .received_ms = 1 };

        assert_int_equal(ledger_add_job(f->ledger, &row, NULL), 0);
        assert_int_equal(ledger_close_job(f->ledger, row.seq, "", NULL), 0);
    }
    assert_int_equal(ledger_each_job_named(f->ledger, 42, count_job, &seqs, NULL), 0);
    assert_int_equal(seqs, 203);
    seqs = 0;
    assert_int_equal(ledger_each_job_named(f->ledger, 43, count_job, &seqs, NULL), 0);
    assert_int_equal(seqs, 0);
}

static void test_the_epoch_rises_with_each_opening(void **state)
{
    struct fixture *f = *state;
    int64_t id = 0, epoch = 0;

    assert_int_equal(ledger_open_group(f->ledger, "key", &id, &epoch, NULL), 0);
    assert_int_equal(id, f->group_id);
    assert_int_equal(epoch, f->epoch + 1);
}

static void test_a_newer_schema_is_refused(void **state)
{
    struct fixture *f = *state;
    struct error err = { 0 };
    struct ledger *again = NULL;
    sqlite3 *db = NULL;
    char path[128];

    (void) snprintf(path, sizeof(path), "%s/ledger.db", f->dir);
    assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
    assert_int_equal(sqlite3_exec(db, "PRAGMA user_version = 99", NULL, NULL, NULL), SQLITE_OK);
    (void) sqlite3_close(db);
    assert_int_equal(ledger_open(f->dir, &clock_system, &again, &err), -EPROTO);
    assert_non_null(strstr(err.message, "newer flotilla"));
    assert_null(again);
}

static void test_the_file_is_ours_alone(void **state)
{
    struct fixture *f = *state;
    struct stat st;
    char path[128];

    (void) snprintf(path, sizeof(path), "%s/ledger.db", f->dir);
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
}

static void count_line(void *arg, int64_t group_id, const char *key, const char *line)
{
    size_t *n = arg;

    (void) key;
    (void) line;
    n[group_id]++;
}

static void test_the_journals_of_other_groups_go(void **state)
{
    struct fixture *f = *state;
    char begin[] = "begin", line[] = "use i-1";
    int64_t other = 0, epoch = 0;
    size_t n[8] = { 0 };

    assert_int_equal(ledger_open_group(f->ledger, "other", &other, &epoch, NULL), 0);
    {
        const struct journal_line lines[] = {
            { f->group_id, begin }, { other, begin }, { other, line }, { f->group_id, line }
        };

        assert_int_equal(ledger_add_journal(f->ledger, lines, ARRAY_LEN(lines), NULL), 0);
    }
    assert_int_equal(ledger_keep_journals(f->ledger, (int64_t[]) { f->group_id, other }, 2, NULL),
                     0);
    assert_int_equal(journal_each(f->dir, count_line, n, NULL), 0);
    assert_int_equal(n[f->group_id], 2);
    assert_int_equal(n[other], 2);
    assert_int_equal(ledger_keep_journals(f->ledger, &other, 1, NULL), 0);
    assert_int_equal(journal_each(f->dir, count_line, n, NULL), 0);
    assert_int_equal(n[f->group_id], 2);
    assert_int_equal(n[other], 4);
    assert_int_equal(ledger_keep_journals(f->ledger, &other, 0, NULL), 0);
    assert_int_equal(journal_each(f->dir, count_line, n, NULL), 0);
    assert_int_equal(n[other], 4);
}

/* The manager's watchdog asks. */
static void test_a_ledger_that_another_holds_takes_no_change(void **state)
{
    struct fixture *f = *state;
    autofree char *path = mem_printf("%s/ledger.db", f->dir);
    struct error err = { 0 };
    sqlite3 *other = NULL;

    assert_int_equal(ledger_check(f->ledger, &err), 0);
    assert_int_equal(sqlite3_open(path, &other), SQLITE_OK);
    assert_int_equal(sqlite3_exec(other, "BEGIN IMMEDIATE", NULL, NULL, NULL), SQLITE_OK);
    assert_int_equal(ledger_check(f->ledger, &err), -EBUSY);
    assert_int_equal(sqlite3_exec(other, "ROLLBACK", NULL, NULL, NULL), SQLITE_OK);
    assert_int_equal(ledger_check(f->ledger, &err), 0);
    add_job(f); /* none is left open */
    (void) sqlite3_close(other);
}

static void test_numbers_go_on_above_all_that_were_skipped(void **state)
{
    static const int64_t taken[] = { 3, 41, 17, 42, 5 }; /* as a folder lists them: in no order */
    struct fixture *f = *state;

    for (size_t i = 0; i < ARRAY_LEN(taken); i++)
        assert_int_equal(ledger_skip_seq(f->ledger, taken[i], NULL), 0);
    add_job(f);
    assert_int_equal(f->seq, 43);
    assert_int_equal(count_rows(f, "sqlite_sequence WHERE name = 'jobs'"), 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_a_job_goes_forward_and_leaves_no_secret, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(test_one_certificate_is_kept, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_steps_back_are_refused, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_the_journals_of_other_groups_go, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_two_jobs_never_hold_one_slot, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_a_job_has_its_vm_while_it_has_a_slot, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(test_a_jobs_process_may_be_known_after_its_start, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(test_two_jobs_never_share_a_directory, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_slots_for_many_jobs_are_one_transaction, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(test_triggers_refuse_what_c_would_not_do, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(test_a_changed_host_key_is_refused, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_an_instance_never_comes_back_by_a_change, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(test_an_id_that_was_gone_may_appear_again, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(test_many_changes_are_one_transaction, set_up, tear_down),
        cmocka_unit_test_setup_teardown(
            test_another_groups_instance_is_found_before_ones_own_that_is_gone, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_orders_are_found_until_they_have_appeared, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(test_pruning_takes_keys_and_warmth_of_instances_that_went,
                                        set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_pruning_keeps_the_last_ten_thousand, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(test_what_is_drained_stays_so_until_it_is_undrained, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(test_the_last_row_of_a_job_is_found_for_each_gitlab, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(test_a_ledger_that_another_holds_takes_no_change, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(test_numbers_go_on_above_all_that_were_skipped, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(test_the_epoch_rises_with_each_opening, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_a_newer_schema_is_refused, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_the_file_is_ours_alone, set_up, tear_down),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
