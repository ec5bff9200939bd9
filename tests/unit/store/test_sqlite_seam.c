/* tests/unit/store/test_sqlite_seam.c - a disk that fails at any read or write of the ledger loses
 * nothing that was said to be stored (mirrors core/store/sqlite_seam.c). */
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
#include "core/base/io.h"
#include "core/base/mem.h"
#include "core/base/str.h"
#include "core/fleet/fleet.h"
#include "core/store/ledger.h"
#include "tests/harness/harness.h"

#define NOT_BEGUN (-1)

/* How far a job's row was said to have come. */
struct progress {
    int state; /* enum job_state, or NOT_BEGUN */
    int64_t seq;
};

/* A late step is said to be there when it is on the disk. */
static int settled(struct ledger *ledger, int r, struct progress *at, int state, struct error *err)
{
    if (r == 0)
        r = ledger_settle(ledger, err);
    if (r == 0)
        at->state = state;
    return r;
}

static int store_job(struct ledger *ledger, struct progress *at, struct error *err)
{
    struct ledger_job row = { .coordinator_url = "https://gitlab.example.com",
                              .runner = "r",
                              .name = "n",
                              .job_id = 42,
                              .token = secret_from_str("token"),
                              .payload = secret_from_str("{}") };
    struct ledger_instance instance = { .id = "i-1", .state = INSTANCE_RUNNING };
    struct ledger_assignment to = { .instance_id = "i-1", .worker_key = "k" };
    int64_t epoch;
    int r = ledger_open_group(ledger, "key", &row.group_id, &epoch, err);

    instance.group_id = row.group_id;
    if (r == 0)
        r = ledger_add_instance(ledger, &instance, err);
    if (r == 0)
        r = ledger_add_job(ledger, &row, err);
    r = settled(ledger, r, at, JOB_RECEIVED, err);
    at->seq = row.seq;
    if (r == 0)
        r = ledger_acknowledge_job(ledger, row.seq, err);
    r = settled(ledger, r, at, JOB_ACKNOWLEDGED, err);
    if (r == 0)
        r = ledger_assign_job(ledger, row.seq, &to, err);
    r = settled(ledger, r, at, JOB_ASSIGNED, err);
    if (r == 0)
        r = ledger_start_job(ledger, row.seq, 1, false, err);
    r = settled(ledger, r, at, JOB_RUNNING, err);
    if (r == 0)
        r = ledger_finish_job(ledger, row.seq, "success", NULL, 0, 1, 1, "", err);
    r = settled(ledger, r, at, JOB_FINISHED, err);
    ledger_job_done(&row);
    return r;
}

static void take_state(void *arg, struct ledger_job *row)
{
    *(int *) arg = (int) row->state;
}

/* The row is where it was said to be, or one step further: the step whose answer was a failure. */
static void assert_nothing_lost(const char *dir, const struct progress *said, size_t n)
{
    struct ledger *ledger = NULL;
    struct error err = { 0 };
    int state = NOT_BEGUN;

    if (ledger_open(dir, &clock_system, &ledger, &err) < 0)
        fail_msg("after failure %zu the ledger cannot be opened: %s", n, err.message);
    assert_int_equal(ledger_each_open_job(ledger, take_state, &state, &err), 0);
    if (state < said->state || state > said->state + 1)
        fail_msg("after failure %zu the job is in state %d, it was said to be in %d", n, state,
                 said->state);
    ledger_close(ledger);
}

/* One life of a ledger whose n-th read or write fails; false when it had fewer. */
static bool fail_nth(size_t n, enum io_fault fault, int code)
{
    autofree char *dir = harness_temp_dir();
    struct progress said = { .state = NOT_BEGUN };
    struct ledger *ledger = NULL;
    struct error err = { 0 };
    size_t calls;
    int r;

    (void) io_fail_at(n, fault, code);
    r = ledger_open(dir, &clock_system, &ledger, &err);
    if (r == 0)
        r = store_job(ledger, &said, &err);
    if (r < 0 && !*err.message)
        fail_msg("failure %zu has no sentence", n);
    ledger_close(ledger);
    calls = io_fail_at(0, fault, 0);
    assert_nothing_lost(dir, &said, n);
    (void) fs_remove_tree(AT_FDCWD, dir);
    return n <= calls;
}

static void test_a_disk_that_fails_once_loses_nothing(void **state)
{
    static const struct {
        enum io_fault fault;
        int code;
    } rows[] = { { IO_FAULT_FAIL, ENOSPC }, { IO_FAULT_FAIL, EIO }, { IO_FAULT_SHORT, 0 } };

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        size_t n = 1;

        while (fail_nth(n, rows[i].fault, rows[i].code))
            n++;
        assert_true(n > 20); /* else SQLite does not go through the seam */
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_disk_that_fails_once_loses_nothing),
    };

    /* Hundreds of ledgers, for which no disk has to be awaited: what fails, and is lost, is the seam's. */
    if (access("/dev/shm", W_OK) == 0)
        (void) setenv("TMPDIR", "/dev/shm", 1);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
