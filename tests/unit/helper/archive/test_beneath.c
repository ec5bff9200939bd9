/* tests/unit/helper/archive/test_beneath.c - mirrors helper/archive/beneath.c (hardening.md Z1). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "core/base/str.h"
#include "helper/archive/beneath.h"
#include "tests/harness/harness.h"
#include "tests/unit/helper/archive/tree.h"

static char *a_tree(void)
{
    char *dir = harness_temp_dir();

    tree_make(dir, "in/ in/a/ in/a/b/ in/a/b/file out/ out/secret");
    tree_link(dir, "in/out", "../out");
    tree_link(dir, "in/root", "/");
    tree_link(dir, "in/a/inside", "b");
    tree_link(dir, "in/magic", "/proc/self/cwd");
    return dir;
}

static int opened(int fd, const char *path, enum beneath_links links)
{
    autoclose int got = beneath_open(fd, path, O_RDONLY, 0, links);

    return got < 0 ? got : 0;
}

static void test_hardening_Z1_nothing_leads_out(void **unused)
{
    static const char *const out[] = { "out/secret",  "root/etc",     "..",        "../out/secret",
                                       "a/../../out", "a/b/../../..", "/etc",      "magic/x",
                                       "out",         "root",         "a/b/../..", "magic" };
    auto_ptr(harness_remove_dir) char *dir = a_tree();
    autofree char *in = harness_path(dir, "in");
    autoclose int fd = tree_open(in);

    (void) unused;
    for (int old = 0; old < 2; old++) {
        beneath_pretend_old_kernel(old == 1);
        for (size_t i = 0; i < ARRAY_LEN(out); i++)
            if (opened(fd, out[i], BENEATH_INSIDE_LINKS) == 0 ||
                opened(fd, out[i], BENEATH_NO_LINKS) == 0)
                fail_msg("%s was opened", out[i]);
        assert_int_equal(opened(fd, "a/b/file", BENEATH_NO_LINKS), 0);
        assert_int_equal(opened(fd, "a/b", BENEATH_NO_LINKS), 0);
        assert_int_equal(opened(fd, ".", BENEATH_NO_LINKS), 0);
        assert_int_not_equal(opened(fd, "a/inside/file", BENEATH_NO_LINKS), 0);
    }
    beneath_pretend_old_kernel(false);
}

static void test_links_that_stay_inside_are_followed(void **unused)
{
    tree_need_openat2();

    auto_ptr(harness_remove_dir) char *dir = a_tree();
    autofree char *in = harness_path(dir, "in");
    autoclose int fd = tree_open(in);

    (void) unused;
    assert_int_equal(opened(fd, "a/inside/file", BENEATH_INSIDE_LINKS), 0);
}

static void test_names_that_only_look_like_up(void **unused)
{
    auto_ptr(harness_remove_dir) char *dir = harness_temp_dir();
    autoclose int fd = tree_open(dir);

    (void) unused;
    tree_make(dir, "..a/ ..a/b.. ..a/...");
    assert_int_equal(opened(fd, "..a/b..", BENEATH_NO_LINKS), 0);
    assert_int_equal(opened(fd, "..a/...", BENEATH_NO_LINKS), 0);
}

static void test_neighbours_share_their_folder(void **unused)
{
    auto_ptr(harness_remove_dir) char *dir = a_tree();
    autofree char *in = harness_path(dir, "in");
    autoclose int fd = tree_open(in);
    autobeneath struct beneath tree = BENEATH_INIT(fd, BENEATH_NO_LINKS);
    const char *name;
    int first;

    (void) unused;
    first = beneath_parent(&tree, "a/b/file", &name);
    assert_true(first >= 0);
    assert_string_equal(name, "file");
    assert_int_equal(beneath_parent(&tree, "a/b/other", &name), first);
    assert_string_equal(name, "other");
    assert_int_equal(beneath_parent(&tree, "a/none/x", &name), -ENOENT);
    assert_true(beneath_parent(&tree, "top", &name) >= 0);
    assert_int_equal(faccessat(beneath_parent(&tree, "a/x", &name), "b", F_OK, 0), 0);
    assert_true(beneath_parent(&tree, "out/secret", &name) < 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_hardening_Z1_nothing_leads_out),
        cmocka_unit_test(test_links_that_stay_inside_are_followed),
        cmocka_unit_test(test_names_that_only_look_like_up),
        cmocka_unit_test(test_neighbours_share_their_folder),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
