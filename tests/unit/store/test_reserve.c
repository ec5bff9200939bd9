/* tests/unit/store/test_reserve.c - mirrors core/store/reserve.c: the ledger's writes and the last lines of logs find
 * room on a disk that is full. A disk that is really full is in tests/integration/test_full_disk.py. */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "core/base/io.h"
#include "core/store/ledger.h"
#include "tests/harness/harness.h"

static off_t reserve_size(const char *dir)
{
    autofree char *path = harness_path(dir, "ledger.reserve");
    struct stat st;

    assert_int_equal(stat(path, &st), 0);
    return st.st_size;
}

static void test_each_write_without_room_takes_a_piece(void **state)
{
    auto_ptr(harness_remove_dir) char *dir = harness_temp_dir();
    struct ledger *ledger = NULL;
    off_t whole, before;
    size_t n = 0, counted;

    harness_need_faults();
    assert_int_equal(ledger_open(dir, &clock_system, &ledger, NULL), 0);
    whole = before = reserve_size(dir);
    do {
        int64_t id, epoch;

        (void) io_fail_at(++n, IO_FAULT_FAIL, ENOSPC);
        assert_int_equal(ledger_open_group(ledger, "key", &id, &epoch, NULL), 0);
        counted = io_fail_at(0, IO_FAULT_FAIL, 0);
        assert_true(counted < n || reserve_size(dir) < before);
        before = reserve_size(dir);
    } while (counted >= n);
    assert_true(n > 1);
    assert_true(reserve_is_short());
    reserve_refill();
    assert_int_equal(reserve_size(dir), whole);
    ledger_close(ledger);
}

static void test_a_sentence_in_a_log_takes_a_piece(void **state)
{
    auto_ptr(harness_remove_dir) char *dir = harness_temp_dir();
    autofree char *path = harness_path(dir, "log"), *text = NULL;
    autoclose int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    struct ledger *ledger = NULL;
    off_t whole;

    harness_need_faults();
    assert_int_equal(ledger_open(dir, &clock_system, &ledger, NULL), 0);
    whole = reserve_size(dir);
    (void) io_fail_at(1, IO_FAULT_FAIL, ENOSPC);
    assert_int_equal(reserve_write_all(fd, "end\n", 4), 0);
    assert_true(reserve_size(dir) < whole);
    reserve_refill();
    (void) io_fail_at(1, IO_FAULT_FAIL, EDQUOT); /* a quota's word for it */
    assert_int_equal(reserve_write_all(fd, "end\n", 4), 0);
    assert_true(reserve_size(dir) < whole);
    (void) io_fail_at(1, IO_FAULT_FAIL, EIO);
    assert_int_equal(reserve_write_all(fd, "end\n", 4), -EIO);
    (void) io_fail_at(0, IO_FAULT_FAIL, 0);
    text = harness_read(dir, "log");
    assert_string_equal(text, "end\nend\n");
    ledger_close(ledger);
}

static void test_what_is_left_is_found_again(void **state)
{
    auto_ptr(harness_remove_dir) char *dir = harness_temp_dir();
    struct ledger *ledger = NULL;
    off_t whole;

    harness_need_faults();
    assert_int_equal(ledger_open(dir, &clock_system, &ledger, NULL), 0);
    whole = reserve_size(dir);
    ledger_close(ledger);
    assert_int_equal(reserve_size(dir), whole);
    assert_int_equal(ledger_open(dir, &clock_system, &ledger, NULL), 0);
    assert_false(reserve_is_short());
    ledger_close(ledger);
}

/* Nobody would notice before the disk is full. */
static void test_without_a_reserve_there_is_no_ledger(void **state)
{
    auto_ptr(harness_remove_dir) char *dir = harness_temp_dir();
    autofree char *path = harness_path(dir, "ledger.reserve");
    struct ledger *ledger = NULL;
    struct error err = { 0 };

    (void) state;
    assert_int_equal(symlink("/dev/null", path), 0);
    assert_int_equal(ledger_open(dir, &clock_system, &ledger, &err), -ELOOP);
    assert_non_null(strstr(err.message, "ledger.reserve"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_each_write_without_room_takes_a_piece),
        cmocka_unit_test(test_a_sentence_in_a_log_takes_a_piece),
        cmocka_unit_test(test_what_is_left_is_found_again),
        cmocka_unit_test(test_without_a_reserve_there_is_no_ledger),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
