/* tests/unit/base/test_io.c - mirrors core/base/io.c */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "core/base/fs.h"
#include "core/base/io.h"
#include "tests/harness/harness.h"

static void test_nth_call_fails_with_the_error_given(void **unused)
{
    auto_ptr(harness_remove_dir) char *dir = harness_temp_dir();
    autofree char *path = harness_path(dir, "f");
    char data[4];
    int fd;

    harness_need_faults();
    harness_write(dir, "f", "abcdef");
    (void) io_fail_at(2, IO_FAULT_FAIL, ENOSPC);
    fd = io_openat(AT_FDCWD, path, O_RDWR | O_CLOEXEC, 0);
    assert_true(fd >= 0);
    errno = 0;
    assert_int_equal(io_write(fd, "x", 1), -1);
    assert_int_equal(errno, ENOSPC);
    assert_int_equal(io_read(fd, data, 3), 3); /* only that one */
    assert_int_equal(io_fail_at(0, IO_FAULT_FAIL, 0), 3);
    (void) close(fd);
}

static void test_short_calls_move_one_byte(void **unused)
{
    auto_ptr(harness_remove_dir) char *dir = harness_temp_dir();
    autofree char *path = harness_path(dir, "f");
    autoclose int fd = -1;
    char data[8];

    harness_need_faults();
    harness_write(dir, "f", "abcdef");
    fd = open(path, O_RDWR | O_CLOEXEC);
    assert_true(fd >= 0);
    (void) io_fail_at(1, IO_FAULT_SHORT, 0);
    assert_int_equal(io_pread(fd, data, 6, 0), 1);
    (void) io_fail_at(1, IO_FAULT_SHORT, 0);
    assert_int_equal(io_read(fd, data, 6), 1);
    (void) io_fail_at(1, IO_FAULT_SHORT, 0);
    assert_int_equal(io_write(fd, "xyz", 3), 1);
    (void) io_fail_at(1, IO_FAULT_SHORT, 0);
    assert_int_equal(io_fsync(fd), 0); /* there is no shorter fsync */
    (void) io_fail_at(0, IO_FAULT_FAIL, 0);
}

static void test_write_all_goes_on_after_short_writes_and_interruptions(void **unused)
{
    auto_ptr(harness_remove_dir) char *dir = harness_temp_dir();
    autofree char *path = harness_path(dir, "f");
    autofree char *text = NULL;
    autoclose int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);

    harness_need_faults();
    assert_true(fd >= 0);
    (void) io_fail_at(1, IO_FAULT_SHORT, 0);
    assert_int_equal(fs_write_all(fd, "abc", 3), 0);
    assert_int_equal(io_fail_at(1, IO_FAULT_FAIL, EINTR), 2);
    assert_int_equal(fs_write_all(fd, "def", 3), 0);
    assert_int_equal(io_fail_at(1, IO_FAULT_FAIL, ENOSPC), 2);
    assert_int_equal(fs_write_all(fd, "ghi", 3), -ENOSPC);
    (void) io_fail_at(0, IO_FAULT_FAIL, 0);
    text = harness_read(dir, "f");
    assert_string_equal(text, "abcdef");
}

static void test_seam_is_off_by_default(void **unused)
{
    assert_int_equal(io_fail_at(0, IO_FAULT_FAIL, 0), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_seam_is_off_by_default),
        cmocka_unit_test(test_nth_call_fails_with_the_error_given),
        cmocka_unit_test(test_short_calls_move_one_byte),
        cmocka_unit_test(test_write_all_goes_on_after_short_writes_and_interruptions),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
