/* tests/unit/store/test_late_rows.c - mirrors core/store/ledger.c, ledger_settle(): late rows are on the disk all at
 * once, with the next change that is not late at the latest, or not at all and that is told. */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <sqlite3.h>

#include "core/base/fs.h"
#include "core/base/io.h"
#include "core/base/mem.h"
#include "core/store/ledger.h"
#include "tests/harness/harness.h"

struct fixture {
    char *dir;
    struct ledger *ledger;
    int64_t group_id, jobs;
};

static int set_up(void **state)
{
    struct fixture *f = mem_zero(sizeof(*f));
    int64_t epoch;

    f->dir = harness_temp_dir();
    assert_int_equal(ledger_open(f->dir, &clock_system, &f->ledger, NULL), 0);
    assert_int_equal(ledger_open_group(f->ledger, "key", &f->group_id, &epoch, NULL), 0);
    *state = f;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *f = *state;

    ledger_close(f->ledger);
    (void) fs_remove_tree(AT_FDCWD, f->dir);
    free(f->dir);
    free(f);
    return 0;
}

static int64_t add_job(struct fixture *f)
{
    struct ledger_job row = { .group_id = f->group_id,
                              .job_id = ++f->jobs,
                              .coordinator_url = "u",
                              .runner = "r",
                              .name = "n" };

    assert_int_equal(ledger_add_job(f->ledger, &row, NULL), 0);
    return row.seq;
}

/* As another process finds them: what is on the disk. */
static int jobs_stored(const struct fixture *f, const char *state)
{
    autofree char *path = mem_printf("%s/ledger.db", f->dir);
    sqlite3 *db = NULL;
    sqlite3_stmt *stmt = NULL;
    int n;

    assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
    assert_int_equal(
        sqlite3_prepare_v2(db, "SELECT count(*) FROM jobs WHERE state = ?1", -1, &stmt, NULL),
        SQLITE_OK);
    assert_int_equal(sqlite3_bind_text(stmt, 1, state, -1, SQLITE_STATIC), SQLITE_OK);
    assert_int_equal(sqlite3_step(stmt), SQLITE_ROW);
    n = sqlite3_column_int(stmt, 0);
    (void) sqlite3_finalize(stmt);
    (void) sqlite3_close(db);
    return n;
}

static void test_they_are_stored_together(void **state)
{
    struct fixture *f = *state;
    int64_t first = add_job(f);

    (void) add_job(f);
    assert_int_equal(ledger_acknowledge_job(f->ledger, first, NULL), 0);
    assert_true(ledger_is_late(f->ledger));
    assert_int_equal(jobs_stored(f, "received") + jobs_stored(f, "acknowledged"), 0);
    assert_int_equal(ledger_settle(f->ledger, NULL), 0);
    assert_false(ledger_is_late(f->ledger));
    assert_int_equal(jobs_stored(f, "received"), 1);
    assert_int_equal(jobs_stored(f, "acknowledged"), 1);
    assert_int_equal(ledger_settle(f->ledger, NULL), 0);
}

static void test_any_other_change_stores_them(void **state)
{
    struct fixture *f = *state;

    (void) add_job(f);
    assert_int_equal(ledger_add_drain(f->ledger, f->group_id, "", NULL), 0);
    assert_int_equal(jobs_stored(f, "received"), 1);
    (void) add_job(f);
    assert_int_equal(ledger_begin(f->ledger, NULL), 0);
    assert_int_equal(jobs_stored(f, "received"), 2);
    (void) add_job(f); /* part of what begins here */
    assert_int_equal(ledger_end(f->ledger, -ECANCELED, NULL), -ECANCELED);
    assert_int_equal(jobs_stored(f, "received"), 2);
    (void) add_job(f);
    assert_int_equal(ledger_checkpoint(f->ledger, NULL), 0);
    assert_int_equal(jobs_stored(f, "received"), 3);
}

static void test_a_refused_step_takes_no_other_with_it(void **state)
{
    struct fixture *f = *state;
    int64_t seq = add_job(f);

    assert_int_equal(ledger_acknowledge_job(f->ledger, seq, NULL), 0);
    assert_int_equal(ledger_acknowledge_job(f->ledger, seq, NULL), -EPERM);
    assert_int_equal(ledger_settle(f->ledger, NULL), 0);
    assert_int_equal(jobs_stored(f, "acknowledged"), 1);
}

/* A slot is taken: of the second job's assignment nothing holds, of the first one's all. */
static void test_an_assignment_holds_as_a_whole(void **state)
{
    const struct ledger_assignment first = { .instance_id = "i-1", .worker_key = "k" }, second = {
        .instance_id = "i-1", .worker_key = "k", .concurrent_id = 1, .concurrent_project_id = 1
    };
    struct fixture *f = *state;
    struct ledger_instance instance = { .group_id = f->group_id, .id = "i-1" };
    struct error err = { 0 };
    int64_t a, b;

    assert_int_equal(ledger_add_instance(f->ledger, &instance, NULL), 0);
    a = add_job(f);
    b = add_job(f);
    assert_int_equal(ledger_assign_job(f->ledger, a, &first, NULL), 0);
    assert_int_equal(ledger_assign_job(f->ledger, b, &second, &err), -EPERM);
    assert_int_equal(ledger_settle(f->ledger, NULL), 0);
    assert_int_equal(jobs_stored(f, "assigned"), 1);
    assert_int_equal(jobs_stored(f, "received"), 1);
}

static void test_what_the_disk_did_not_take_is_told_for_good(void **state)
{
    struct fixture *f = *state;
    struct error err = { 0 };

    (void) add_job(f);
    (void) io_fail_at(1, IO_FAULT_FAIL, EIO);
    assert_true(ledger_settle(f->ledger, &err) < 0);
    (void) io_fail_at(0, IO_FAULT_FAIL, 0);
    assert_true(*err.message);
    assert_int_equal(jobs_stored(f, "received"), 0);
    assert_true(ledger_settle(f->ledger, &err) < 0);
    assert_true(ledger_add_drain(f->ledger, f->group_id, "", &err) < 0);
    assert_true(ledger_begin(f->ledger, &err) < 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_they_are_stored_together, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_any_other_change_stores_them, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_a_refused_step_takes_no_other_with_it, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(test_an_assignment_holds_as_a_whole, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_what_the_disk_did_not_take_is_told_for_good, set_up,
                                        tear_down),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
