/* tests/unit/store/test_past_jobs.c - mirrors core/store/past_jobs.c: what a ledger remembers, read while
 * its manager has it open. */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "core/base/fs.h"
#include "core/base/str.h"
#include "core/store/ledger.h"
#include "core/store/past_jobs.h"
#include "tests/harness/fake_clock.h"

#define BEGAN INT64_C(1700000000000)

struct stage {
    char dir[64];
    struct clock_fake clock;
    struct ledger *ledger;
    int64_t group_id, n;
};

static void open_stage(struct stage *stage)
{
    int64_t epoch;

    *stage = (struct stage) { .dir = "/tmp/past-jobs-XXXXXX" };
    assert_non_null(mkdtemp(stage->dir));
    clock_fake_init(&stage->clock, BEGAN);
    assert_int_equal(ledger_open(stage->dir, &stage->clock.clock, &stage->ledger, NULL), 0);
    assert_int_equal(ledger_open_group(stage->ledger, "key", &stage->group_id, &epoch, NULL), 0);
}

static void close_stage(struct stage *stage)
{
    ledger_close(stage->ledger);
    (void) fs_remove_tree(AT_FDCWD, stage->dir);
}

static int64_t receive(struct stage *stage, const char *runner)
{
    struct ledger_job row = { .group_id = stage->group_id,
                              .job_id = ++stage->n,
                              .coordinator_url = "https://gitlab.example.com",
                              .runner = runner,
                              .name = "j",
                              .received_ms = clock_wall_ms(&stage->clock.clock),
                              .token = secret_from_str("t"),
                              .payload = secret_from_str("{}") };

    assert_int_equal(ledger_add_job(stage->ledger, &row, NULL), 0);
    ledger_job_done(&row);
    return row.seq;
}

/* It waits for a second, and holds its slot for `seconds`. */
static void pass(struct stage *stage, const char *runner, int64_t seconds, bool close)
{
    int64_t seq = receive(stage, runner);
    struct ledger_instance instance = { .group_id = stage->group_id };
    struct ledger_assignment to = { .instance_id = instance.id, .worker_key = "k" };

    (void) snprintf(instance.id, sizeof(instance.id), "i-%d", (int) seq);
    assert_int_equal(ledger_add_instance(stage->ledger, &instance, NULL), 0);
    clock_fake_advance(&stage->clock, 1000);
    assert_int_equal(ledger_assign_job(stage->ledger, seq, &to, NULL), 0);
    clock_fake_advance(&stage->clock, seconds * 1000);
    assert_int_equal(
        ledger_finish_job(stage->ledger, seq, "failed", "script_failure", 1, 0, 0, "", NULL), 0);
    if (close)
        assert_int_equal(ledger_close_job(stage->ledger, seq, "", NULL), 0);
}

struct told {
    int64_t received_ms[8], duration_ms[8];
    size_t n;
};

static void tell(void *arg, int64_t received_ms, int64_t duration_ms)
{
    struct told *told = arg;

    told->received_ms[told->n] = received_ms;
    told->duration_ms[told->n++] = duration_ms;
}

static void test_jobs_that_ran_and_ended_are_told(void **unused)
{
    struct stage stage;
    struct told all = { 0 }, one = { 0 };

    open_stage(&stage);
    pass(&stage, "a", 60, true);
    pass(&stage, "b", 5, true);
    pass(&stage, "a", 7, false); /* GitLab has not heard of its end */
    (void) receive(&stage, "a"); /* it waits */
    assert_int_equal(ledger_settle(stage.ledger, NULL), 0);
    assert_int_equal(past_jobs_each(stage.dir, NULL, tell, &all, NULL), 0);
    assert_int_equal(all.n, 3);
    assert_true(all.received_ms[0] == BEGAN && all.duration_ms[0] == 60000);
    assert_true(all.received_ms[1] == BEGAN + 61000 && all.duration_ms[1] == 5000);
    assert_int_equal(past_jobs_each(stage.dir, "a", tell, &one, NULL), 0);
    assert_int_equal(one.n, 2);
    assert_true(one.received_ms[1] == BEGAN + 67000 && one.duration_ms[1] == 7000);
    close_stage(&stage);
}

static void test_what_is_no_ledger_is_told(void **unused)
{
    struct stage stage;
    struct told told = { 0 };
    struct error err = { 0 };
    int dir;

    open_stage(&stage);
    assert_int_equal(past_jobs_each("/nonexistent", NULL, tell, &told, &err), -ENOENT);
    assert_string_equal(err.message, "there is no ledger at /nonexistent/ledger.db; --state-dir "
                                     "names the directory of another");
    ledger_close(stage.ledger);
    stage.ledger = NULL;
    assert_int_equal(fs_open_private_dir(stage.dir, &dir, NULL), 0);
    assert_int_equal(fs_replace_file(dir, "ledger.db", "no database at all", 18, 0600, NULL), 0);
    (void) close(dir);
    assert_int_equal(past_jobs_each(stage.dir, NULL, tell, &told, &err), -EIO);
    assert_non_null(strstr(err.message, "cannot be read: "));
    assert_int_equal(told.n, 0);
    close_stage(&stage);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_jobs_that_ran_and_ended_are_told),
        cmocka_unit_test(test_what_is_no_ledger_is_told),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
