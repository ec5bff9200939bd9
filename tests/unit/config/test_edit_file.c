/* tests/unit/config/test_edit_file.c - mirrors core/config/edit_file.c and entries.c: one step, mode and links stay. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/base/fs.h"
#include "core/base/str.h"
#include "core/config/edit.h"
#include "core/config/edit_file.h"
#include "core/config/edit_token.h"
#include "core/config/entries.h"
#include "tests/harness/harness.h"

static int add_line(void *arg, const struct buf *text, struct buf *ret, struct error *err)
{
    (void) err;
    buf_add(ret, buf_str(text), text->len);
    buf_add_str(ret, arg);
    return 0;
}

static int refuse(void *arg, const struct buf *text, struct buf *ret, struct error *err)
{
    (void) add_line(arg, text, ret, err);
    return error_set(err, -EINVAL, "no");
}

static void test_mode_and_owner_stay(void **unused)
{
    auto_ptr(harness_remove_dir) char *dir = harness_temp_dir();
    autofree char *file = harness_path(dir, "config.toml");
    autofree char *text = NULL;
    struct error err = { 0 };
    struct stat st;

    harness_write(dir, "config.toml", "a\n");
    assert_int_equal(chmod(file, 0640), 0);
    if (geteuid() == 0)
        assert_int_equal(chown(file, 12345, 54321), 0);
    assert_int_equal(edit_file(file, 0, add_line, "b\n", &err), 0);
    assert_int_equal(stat(file, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0640);
    if (geteuid() == 0) {
        assert_int_equal(st.st_uid, 12345);
        assert_int_equal(st.st_gid, 54321);
    }
    text = harness_read(dir, "config.toml");
    assert_string_equal(text, "a\nb\n");
}

static void test_a_new_file_is_for_us_alone(void **unused)
{
    auto_ptr(harness_remove_dir) char *dir = harness_temp_dir();
    autofree char *file = harness_path(dir, "config.toml");
    struct error err = { 0 };
    struct stat st;

    assert_int_equal(edit_file(file, 0, add_line, "b\n", &err), 0);
    assert_int_equal(stat(file, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
}

static void test_a_link_is_followed(void **unused)
{
    auto_ptr(harness_remove_dir) char *dir = harness_temp_dir();
    autofree char *link = harness_path(dir, "config.toml");
    autofree char *text = NULL;
    struct error err = { 0 };
    struct stat st;

    harness_write(dir, "real.toml", "a\n");
    assert_int_equal(symlink("real.toml", link), 0);
    assert_int_equal(edit_file(link, 0, add_line, "b\n", &err), 0);
    assert_int_equal(lstat(link, &st), 0);
    assert_true(S_ISLNK(st.st_mode));
    text = harness_read(dir, "real.toml");
    assert_string_equal(text, "a\nb\n");
}

static void test_one_changes_it_at_a_time(void **unused)
{
    auto_ptr(harness_remove_dir) char *dir = harness_temp_dir();
    autofree char *file = harness_path(dir, "config.toml");
    autoclose int other = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    struct error err = { 0 };

    assert_int_equal(flock(other, LOCK_EX), 0);
    assert_int_equal(edit_file(file, 30, add_line, "b\n", &err), -EBUSY);
    assert_non_null(strstr(err.message, "another flotilla is changing it"));
    assert_int_equal(flock(other, LOCK_UN), 0);
    assert_int_equal(edit_file(file, 0, add_line, "b\n", &err), 0);
}

static void test_what_is_refused_changes_nothing(void **unused)
{
    auto_ptr(harness_remove_dir) char *dir = harness_temp_dir();
    autofree char *file = harness_path(dir, "config.toml");
    autofree char *text = NULL;
    struct error err = { 0 };

    harness_write(dir, "config.toml", "a\n");
    assert_int_equal(edit_file(file, 0, refuse, "b\n", &err), -EINVAL);
    assert_int_equal(edit_file(dir, 0, add_line, "b\n", &err), -EINVAL);
    text = harness_read(dir, "config.toml");
    assert_string_equal(text, "a\n");
}

static size_t count_files(const char *dir)
{
    autoclosedir DIR *at = opendir(dir);
    const struct dirent *entry;
    size_t n = 0;

    assert_non_null(at);
    while ((entry = readdir(at)))
        n += entry->d_name[0] != '.' || entry->d_name[1] == 'c';
    return n;
}

/* Before GitLab hears of anything: whose the file is decides, too, whether it can be replaced by one like it. */
static void test_what_could_not_be_replaced_is_known_before(void **unused)
{
    auto_ptr(harness_remove_dir) char *dir = harness_temp_dir();
    autofree char *file = harness_path(dir, "config.toml");
    autofree char *text = NULL;
    struct error err = { 0 };

    harness_write(dir, "config.toml", "a\n");
    assert_int_equal(edit_file_check(file, 0, add_line, "b\n", &err), 0);
    if (geteuid() == 0) {
        assert_int_equal(chmod(dir, 0777), 0);
        assert_int_equal(chmod(file, 0644), 0);
        assert_int_equal(seteuid(54321), 0);
        assert_true(edit_file_check(file, 0, add_line, "b\n", &err) < 0);
        assert_int_equal(seteuid(0), 0);
        assert_non_null(strstr(err.message, file));
    }
    text = harness_read(dir, "config.toml");
    assert_string_equal(text, "a\n");
    assert_int_equal(count_files(dir), 1);
}

static int edit_once(void *file)
{
    struct error err = { 0 };

    return edit_file(file, 0, add_line, "b\n", &err);
}

static void test_every_call_may_fail(void **unused)
{
    auto_ptr(harness_remove_dir) char *dir = harness_temp_dir();
    autofree char *file = harness_path(dir, "config.toml");
    autofree char *text = NULL;
    const char *at;

    harness_need_faults();
    harness_write(dir, "config.toml", "a\n");
    assert_true(harness_fail_each_call(edit_once, file, ENOSPC) > 0);
    text = harness_read(dir, "config.toml");
    assert_true(str_starts(text, "a\nb\n"));
    for (at = text + 2; str_starts(at, "b\n"); at += 2)
        continue;
    assert_string_equal(at, ""); /* never half of a text */
}

static void test_entries_are_read_whatever_else_is_wrong(void **unused)
{
    auto_ptr(harness_remove_dir) char *dir = harness_temp_dir();
    autofree char *token_file = harness_path(dir, "token");
    autoentries struct entries entries = { 0 };
    autobuf struct buf text = BUF_INIT;
    struct error err = { 0 };
    size_t at = 9;

    harness_write(dir, "token", "glrt-b\n");
    buf_addf(
        &text,
        "concurrent = \"many\"\n[[runners]]\nName = \"a\"\nurl = \"https://h\"\ntoken = "
        "\"glrt-a\"\n"
        "id = 4\nexecutor = \"docker\"\n[[runners]]\nurl = \"https://h\"\ntoken_file = \"%s\"\n",
        token_file);
    assert_int_equal(entries_read(&text, "F", &entries, &err), 0);
    assert_int_equal(entries.n, 2);
    assert_string_equal(entries.items[0].name, "a");
    assert_int_equal(entries.items[0].id, 4);
    assert_string_equal(secret_reveal(entries.items[0].token), "glrt-a");
    assert_string_equal(secret_reveal(entries.items[1].token), "glrt-b");
    assert_string_equal(entries.items[1].token_file, token_file);
    assert_null(entries.items[1].fault);
    assert_int_equal(entries_find(&text, "F", "https://h", "glrt-b", &at, &err), 0);
    assert_int_equal(at, 1);
    assert_int_equal(entries_find(&text, "F", "https://h", "glrt-c", &at, &err), -ENOENT);
}

/* A manager that has its tokens from elsewhere, or whose URL ends with a slash, can change the others all the same. */
static void test_an_entry_is_found_beside_those_that_cannot_be_read(void **unused)
{
    static const char text[] =
        "[[runners]]\nurl = \"https://h/\"\ntoken_file = \"$CREDENTIALS_DIRECTORY/token\"\n"
        "[[runners]]\nurl = \"https://h/\"\ntoken = \"glrt-a\"\n";
    auto_ptr(harness_remove_dir) char *dir = harness_temp_dir();
    autofree char *file = harness_path(dir, "config.toml");
    autofree char *edited = NULL;
    autoentries struct entries entries = { 0 };
    autobuf struct buf copy = BUF_INIT;
    const struct edit_token change = {
        .config = file, .url = "https://h", .former = "glrt-a", .token = "glrt-b"
    };
    struct error err = { 0 };
    size_t at = 9;

    buf_add_str(&copy, text);
    harness_write(dir, "config.toml", text);
    assert_int_equal(entries_find(&copy, "F", "https://h", "glrt-a", &at, &err), 0);
    assert_int_equal(at, 1);
    assert_int_equal(edit_token_check(&change, 0, &err), 0);
    assert_int_equal(edit_token(&change, 0, &err), 0);
    edited = harness_read(dir, "config.toml");
    assert_non_null(strstr(edited, "token = \"glrt-b\""));
    assert_non_null(strstr(edited, "token_file = \"$CREDENTIALS_DIRECTORY/token\"\n"));

    assert_int_equal(entries_read(&copy, "F", &entries, &err), 0);
    assert_string_equal(entries.items[0].fault,
                        "F:1: [[runners]] 'token_file': $CREDENTIALS_DIRECTORY/token: No such file "
                        "or directory");
}

/* A runner may have several entries, and keep its token in a file. */
static void test_a_token_is_changed_wherever_it_is(void **unused)
{
    static const char text[] =
        "[[runners]]\nurl = \"https://h\"\ntoken = \"glrt-a\"\n"
        "[[runners]]\nurl = \"https://h/\"\ntoken_file = \"$CREDENTIALS_DIRECTORY/token\"\n"
        "[[runners]]\nurl = \"https://other\"\ntoken = \"glrt-a\"\n";
    auto_ptr(harness_remove_dir) char *dir = harness_temp_dir();
    auto_ptr(harness_remove_dir) char *tokens = harness_temp_dir();
    autofree char *file = harness_path(dir, "config.toml");
    autofree char *edited = NULL, *token = NULL;
    const struct edit_token change = { .config = file,
                                       .url = "https://h",
                                       .former = "glrt-a",
                                       .token = "glrt-b",
                                       .obtained_ms = 1000 };
    struct error err = { 0 };
    int other = open(tokens, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

    harness_write(dir, "config.toml", text);
    harness_write(tokens, "token", "glrt-a");
    assert_int_equal(setenv("CREDENTIALS_DIRECTORY", tokens, 1), 0);
    assert_int_equal(flock(other, LOCK_EX), 0); /* as another flotilla that changes it */
    assert_int_equal(edit_token_check(&change, 0, &err), -EBUSY);
    assert_non_null(strstr(err.message, "is in its token_file, where no other can be put"));
    (void) close(other);
    assert_int_equal(edit_token_check(&change, 0, &err), 0);
    assert_int_equal(edit_token(&change, 0, &err), 0);
    assert_int_equal(edit_token_check(&change, 0, &err), -ENOENT);
    (void) unsetenv("CREDENTIALS_DIRECTORY");
    edited = harness_read(dir, "config.toml");
    token = harness_read(tokens, "token");
    assert_string_equal(token, "glrt-b\n");
    assert_string_equal(
        edited, "[[runners]]\nurl = \"https://h\"\ntoken = \"glrt-b\"\n"
                "token_obtained_at = 1970-01-01T00:00:01Z\n"
                "token_expires_at = 0001-01-01T00:00:00Z\n"
                "[[runners]]\nurl = \"https://h/\"\ntoken_file = \"$CREDENTIALS_DIRECTORY/token\"\n"
                "token_obtained_at = 1970-01-01T00:00:01Z\n"
                "token_expires_at = 0001-01-01T00:00:00Z\n"
                "[[runners]]\nurl = \"https://other\"\ntoken = \"glrt-a\"\n");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_mode_and_owner_stay),
        cmocka_unit_test(test_a_new_file_is_for_us_alone),
        cmocka_unit_test(test_a_link_is_followed),
        cmocka_unit_test(test_one_changes_it_at_a_time),
        cmocka_unit_test(test_what_is_refused_changes_nothing),
        cmocka_unit_test(test_what_could_not_be_replaced_is_known_before),
        cmocka_unit_test(test_every_call_may_fail),
        cmocka_unit_test(test_entries_are_read_whatever_else_is_wrong),
        cmocka_unit_test(test_an_entry_is_found_beside_those_that_cannot_be_read),
        cmocka_unit_test(test_a_token_is_changed_wherever_it_is),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
