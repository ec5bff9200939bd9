/* tests/unit/base/test_fs.c - mirrors core/base/fs.c */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core/base/fs.h"
#include "core/base/io.h"
#include "core/base/mem.h"
#include "core/base/str.h"
#include "tests/harness/harness.h"

static int open_dir(const char *path)
{
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

    assert_true(fd >= 0);
    return fd;
}

static void test_read_file_keeps_to_its_limit(void **unused)
{
    static const struct {
        const char *why;
        size_t max;
        int want;
    } cases[] = {
        { "exactly as long as allowed", 10000, 0 },
        { "one byte too long", 9999, -EFBIG },
    };
    auto_ptr(harness_remove_dir) char *dir = harness_temp_dir();
    autoclose int dir_fd = open_dir(dir);
    autofree char *text = mem_zero(10001);

    memset(text, 'a', 10000);
    harness_write(dir, "f", text);
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        autobuf struct buf out = BUF_INIT;
        int r = fs_read_file(dir_fd, "f", cases[i].max, &out, NULL);

        if (r != cases[i].want || (r == 0 && strcmp(out.data, text) != 0))
            fail_msg("%s: got %d", cases[i].why, r);
    }
}

static void test_read_file_names_the_file_that_is_missing(void **unused)
{
    autobuf struct buf out = BUF_INIT;
    struct error err = { 0 };

    assert_int_equal(fs_read_file(AT_FDCWD, "/nowhere/at all", 10, &out, &err), -ENOENT);
    assert_string_equal(err.message, "/nowhere/at all: No such file or directory");
}

static size_t count_entries(const char *path)
{
    autoclosedir DIR *dir = opendir(path);
    size_t count = 0;

    assert_non_null(dir);
    while (readdir(dir))
        count++;
    return count - 2;
}

static void test_replace_file_sets_mode_and_contents(void **unused)
{
    auto_ptr(harness_remove_dir) char *dir = harness_temp_dir();
    autoclose int dir_fd = open_dir(dir);
    autofree char *text = NULL;
    struct stat st;

    assert_int_equal(fs_replace_file(dir_fd, "state", "one", 3, 0600, NULL), 0);
    assert_int_equal(fs_replace_file(dir_fd, "state", "two!", 4, 0640, NULL), 0);
    text = harness_read(dir, "state");
    assert_string_equal(text, "two!");
    assert_int_equal(fstatat(dir_fd, "state", &st, 0), 0);
    assert_int_equal(st.st_mode & 07777, 0640);
    assert_int_equal(count_entries(dir), 1);
}

/* Else a manager of another account could not read what root registered for it. */
static void test_a_file_of_root_belongs_to_whom_its_directory_does(void **unused)
{
    auto_ptr(harness_remove_dir) char *dir = harness_temp_dir();
    autoclose int dir_fd = open_dir(dir);
    struct stat st;

    if (geteuid() != 0)
        harness_skip("only root has files of others");
    assert_int_equal(fchown(dir_fd, 1234, 1235), 0);
    assert_int_equal(fs_replace_file(dir_fd, "config", "x", 1, 0600, NULL), 0);
    assert_int_equal(fstatat(dir_fd, "config", &st, 0), 0);
    assert_int_equal(st.st_uid, 1234);
    assert_int_equal(st.st_gid, 1235);
    assert_int_equal(st.st_mode & 07777, 0600);
}

static void test_a_file_for_people_has_the_mode_of_their_umask(void **unused)
{
    auto_ptr(harness_remove_dir) char *dir = harness_temp_dir();
    autoclose int dir_fd = open_dir(dir);
    mode_t before = umask(027);
    struct stat st;

    (void) unused;
    fs_keep_private();
    assert_int_equal(fs_replace_file(dir_fd, "page", "x", 1, fs_user_mode(0644), NULL), 0);
    assert_int_equal(umask(before), 077);
    assert_int_equal(fstatat(dir_fd, "page", &st, 0), 0);
    assert_int_equal(st.st_mode & 07777, 0640);
}

static int replace(void *arg)
{
    return fs_replace_file(*(int *) arg, "state", "newer", 5, 0600, NULL);
}

/* Old or new, never a mixture, and nothing left lying about. */
static void test_replace_file_survives_each_failing_call(void **unused)
{
    auto_ptr(harness_remove_dir) char *dir = harness_temp_dir();
    autoclose int dir_fd = open_dir(dir);

    harness_need_faults();
    harness_write(dir, "state", "old");
    for (size_t n = 1;; n++) {
        autofree char *text = NULL;
        size_t counted;
        int r;

        (void) io_fail_at(n, IO_FAULT_FAIL, EIO);
        r = fs_replace_file(dir_fd, "state", "newer", 5, 0600, NULL);
        counted = io_fail_at(0, IO_FAULT_FAIL, 0);
        text = harness_read(dir, "state");
        if (counted < n) {
            assert_int_equal(r, 0);
            assert_string_equal(text, "newer");
            assert_true(n > 4); /* open, write, fsync, rename, fsync of the directory */
            break;
        }
        assert_int_equal(r, -EIO);
        assert_true(strcmp(text, "old") == 0 || strcmp(text, "newer") == 0);
        assert_int_equal(count_entries(dir), 1);
    }
}

static void test_replace_file_survives_short_writes_and_failing_allocations(void **unused)
{
    auto_ptr(harness_remove_dir) char *dir = harness_temp_dir();
    autoclose int dir_fd = open_dir(dir);
    autofree char *text = NULL;

    harness_need_faults();
    assert_true(harness_shorten_each_call(replace, &dir_fd) > 4);
    text = harness_read(dir, "state");
    assert_string_equal(text, "newer");
    assert_int_equal(harness_fail_each_allocation(replace, &dir_fd), 1);
    assert_int_equal(count_entries(dir), 1);
}

static void test_mkdirs_makes_what_is_missing(void **unused)
{
    auto_ptr(harness_remove_dir) char *dir = harness_temp_dir();
    autofree char *path = harness_path(dir, "a/b//c");
    autofree char *blocked = harness_path(dir, "file/x");
    struct error err = { 0 };
    struct stat st;

    assert_int_equal(fs_mkdirs(path, 0700, NULL), 0);
    assert_int_equal(fs_mkdirs(path, 0700, NULL), 0);
    assert_int_equal(stat(path, &st), 0);
    assert_true(S_ISDIR(st.st_mode));
    harness_write(dir, "file", "");
    assert_int_equal(fs_mkdirs(blocked, 0700, &err), -ENOTDIR);
}

static void test_private_dir_must_be_ours_alone(void **unused)
{
    static const struct {
        const char *why;
        mode_t mode;
        int want;
    } cases[] = {
        { "ours alone", 0700, 0 },
        { "the group may read", 0750, -EPERM },
        { "others may enter", 0701, -EPERM },
        { "everybody may write", 0777, -EPERM },
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        auto_ptr(harness_remove_dir) char *dir = harness_temp_dir();
        struct error err = { 0 };
        int fd = -7, r;

        assert_int_equal(chmod(dir, cases[i].mode), 0);
        r = fs_open_private_dir(dir, &fd, &err);
        if (r != cases[i].want || (r < 0 && fd != -7))
            fail_msg("%s: got %d, descriptor %d", cases[i].why, r, fd);
        if (r < 0)
            assert_non_null(strstr(err.message, "chmod 700"));
        else
            assert_int_equal(fcntl(fd, F_GETFD) & FD_CLOEXEC, FD_CLOEXEC);
        if (r == 0)
            (void) close(fd);
    }
}

static void test_private_dir_is_made_with_its_parents(void **unused)
{
    auto_ptr(harness_remove_dir) char *dir = harness_temp_dir();
    autofree char *path = harness_path(dir, "state/flotilla");
    autoclose int fd = -1;
    struct stat st;

    assert_int_equal(fs_open_private_dir(path, &fd, NULL), 0);
    assert_int_equal(fstat(fd, &st), 0);
    assert_int_equal(st.st_mode & 07777, 0700);
}

static void test_private_dir_of_another_user_is_refused(void **unused)
{
    auto_ptr(harness_remove_dir) char *dir = NULL;
    struct error err = { 0 };
    int fd = -7;

    if (geteuid() != 0)
        harness_skip("only root can make a file of somebody else's");
    dir = harness_temp_dir();
    assert_int_equal(chown(dir, 12345, 12345), 0);
    assert_int_equal(fs_open_private_dir(dir, &fd, &err), -EPERM);
    assert_int_equal(fd, -7);
    assert_non_null(strstr(err.message, "belongs to user 12345"));
}

static void test_std_null_fills_exactly_what_is_closed(void **unused)
{
    int status = 0;
    pid_t child = fork();

    assert_true(child >= 0);
    if (child == 0) {
        struct stat before, after, null;

        (void) close(0);
        (void) close(2);
        if (fstat(1, &before) < 0 || fs_open_std_null() < 0)
            _exit(1);
        if (fstat(0, &null) < 0 || !S_ISCHR(null.st_mode) || fstat(2, &null) < 0 ||
            !S_ISCHR(null.st_mode))
            _exit(2);
        if (fstat(1, &after) < 0 || before.st_ino != after.st_ino || before.st_dev != after.st_dev)
            _exit(3);
        _exit(0);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
}

static void test_flags_are_added(void **unused)
{
    int pair[2];

    assert_int_equal(pipe(pair), 0);
    assert_int_equal(fs_set_cloexec(pair[0]), 0);
    assert_int_equal(fcntl(pair[0], F_GETFD), FD_CLOEXEC);
    assert_int_equal(fs_set_nonblock(pair[0]), 0);
    assert_int_equal(fcntl(pair[0], F_GETFL) & O_NONBLOCK, O_NONBLOCK);
    (void) close(pair[0]);
    (void) close(pair[1]);
    assert_int_equal(fs_set_cloexec(pair[0]), -EBADF);
    assert_int_equal(fs_set_nonblock(pair[0]), -EBADF);
}

static void test_remove_tree_does_not_follow_links(void **unused)
{
    auto_ptr(harness_remove_dir) char *dir = harness_temp_dir();
    autoclose int dir_fd = open_dir(dir);
    autofree char *kept = NULL;

    assert_int_equal(mkdirat(dir_fd, "kept", 0700), 0);
    harness_write(dir, "kept/file", "still here");
    assert_int_equal(mkdirat(dir_fd, "tree", 0700), 0);
    assert_int_equal(mkdirat(dir_fd, "tree/deep", 0700), 0);
    harness_write(dir, "tree/deep/file", "x");
    assert_int_equal(symlinkat("../kept", dir_fd, "tree/link"), 0);
    assert_int_equal(fs_remove_tree(dir_fd, "tree"), 0);
    assert_int_equal(faccessat(dir_fd, "tree", F_OK, AT_SYMLINK_NOFOLLOW), -1);
    kept = harness_read(dir, "kept/file");
    assert_string_equal(kept, "still here");
    assert_int_equal(fs_remove_tree(dir_fd, "tree"), 0); /* gone is what was wanted */
}

static void test_hardening_P2_who_else_can_change_a_file(void **unused)
{
    static const struct {
        const char *why;
        mode_t file, dir;
        const char *want; /* in the sentence; NULL = nobody can */
        bool readable;
    } cases[] = {
        { "ours alone", 0600, 0700, NULL, false },
        { "others may read it", 0644, 0755, NULL, true },
        { "its group may write it", 0620, 0700, "/key can be written by others (mode 620)", false },
        { "others may write it", 0602, 0700, "/key can be written by others (mode 602)", false },
        { "a parent can be written", 0600, 0777, "/dir can be written by others (mode 777)",
          false },
        { "in a sticky directory none replaces it", 0600, 01777, NULL, false },
    };
    auto_ptr(harness_remove_dir) char *dir = harness_temp_dir();
    autofree char *inner = harness_path(dir, "dir"), *key = harness_path(inner, "key");

    assert_int_equal(mkdir(inner, 0700), 0);
    harness_write(inner, "key", "x");
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct error err = { 0 };
        bool readable = !cases[i].readable;
        int r;

        assert_int_equal(chmod(inner, cases[i].dir) | chmod(key, cases[i].file), 0);
        r = fs_check_private_file(key, &readable, &err);
        if ((r < 0) != (cases[i].want != NULL) || readable != cases[i].readable)
            fail_msg("%s: %d, %d '%s'", cases[i].why, r, readable, err.message);
        if (cases[i].want)
            assert_non_null(strstr(err.message, cases[i].want));
    }
    assert_int_equal(chmod(inner, 0700), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_read_file_keeps_to_its_limit),
        cmocka_unit_test(test_read_file_names_the_file_that_is_missing),
        cmocka_unit_test(test_replace_file_sets_mode_and_contents),
        cmocka_unit_test(test_a_file_of_root_belongs_to_whom_its_directory_does),
        cmocka_unit_test(test_a_file_for_people_has_the_mode_of_their_umask),
        cmocka_unit_test(test_replace_file_survives_each_failing_call),
        cmocka_unit_test(test_replace_file_survives_short_writes_and_failing_allocations),
        cmocka_unit_test(test_mkdirs_makes_what_is_missing),
        cmocka_unit_test(test_private_dir_must_be_ours_alone),
        cmocka_unit_test(test_private_dir_is_made_with_its_parents),
        cmocka_unit_test(test_private_dir_of_another_user_is_refused),
        cmocka_unit_test(test_std_null_fills_exactly_what_is_closed),
        cmocka_unit_test(test_flags_are_added),
        cmocka_unit_test(test_remove_tree_does_not_follow_links),
        cmocka_unit_test(test_hardening_P2_who_else_can_change_a_file),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
