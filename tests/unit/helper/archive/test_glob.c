/* tests/unit/helper/archive/test_glob.c - mirrors helper/archive/glob.c, glob_find.c and wild.c. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdlib.h>
#include <sys/mount.h>
#include <sys/stat.h>

#include "core/base/mem.h"
#include "core/base/str.h"
#include "helper/archive/beneath.h"
#include "helper/archive/glob.h"
#include "helper/archive/wild.h"
#include "tests/harness/harness.h"
#include "tests/unit/helper/archive/tree.h"

/* The tree of job-execution.md 10.2. */
static char *vector_tree(void)
{
    char *dir = harness_temp_dir();

    tree_make(dir, ".hid dir/ dir/a.txt dir/sub/ dir/sub/b.txt top.txt");
    tree_link(dir, "lnk", "dir");
    return dir;
}

struct found {
    char *matched[64];
    size_t n;
    uint64_t times;
};

static int on_found(void *ctx, const struct glob_found *one)
{
    struct found *found = ctx;

    found->times += one->times;
    if (one->matched)
        found->matched[found->n++] = mem_strdup(one->path);
    return 0;
}

static int by_bytes(const void *a, const void *b)
{
    return strcmp(*(char *const *) a, *(char *const *) b);
}

/* What is matched, sorted, with a space between. */
static char *matches(const char *dir, const char *pattern, uint64_t *ret_times)
{
    auto_ptr(glob_free) struct glob *glob = NULL;
    struct found found = { 0 };
    const struct glob_visitor visitor = { on_found, &found };
    autobuf struct buf text = BUF_INIT;
    autoclose int fd = tree_open(dir);
    struct error err = { 0 };

    if (glob_new(pattern, &glob, &err) < 0 || glob_find(glob, fd, &visitor, &err) < 0)
        fail_msg("%s: %s", pattern, err.message);
    qsort(found.matched, found.n, sizeof(char *), by_bytes);
    for (size_t i = 0; i < found.n; i++) {
        buf_addf(&text, "%s%s", i > 0 ? " " : "", found.matched[i]);
        free(found.matched[i]);
    }
    *ret_times = found.times;
    return mem_strdup(buf_str(&text));
}

static void assert_matches(const char *dir, const char *pattern, const char *want)
{
    uint64_t times;
    autofree char *got = matches(dir, pattern, &times);

    if (!str_eq(got, want))
        fail_msg("%s: got '%s', want '%s'", pattern, got, want);
}

static void test_job_execution_10_2_globs(void **unused)
{
    tree_need_openat2();

    static const struct {
        const char *pattern, *want;
        uint64_t times; /* 0 = not in the reference */
    } rows[] = {
        { "*", ".hid dir lnk top.txt", 0 },
        { "dir", "dir", 4 },
        { "dir/**", "dir dir/a.txt dir/sub dir/sub/b.txt", 8 },
        { "**/*.txt", "dir/a.txt dir/sub/b.txt top.txt", 0 },
        { "{top,none}.txt", "top.txt", 0 },
        { "lnk/*", "lnk/a.txt lnk/sub", 0 },
        { "nope", "", 0 },
    };
    auto_ptr(harness_remove_dir) char *dir = vector_tree();

    (void) unused;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        uint64_t times;
        autofree char *got = matches(dir, rows[i].pattern, &times);

        if (!str_eq(got, rows[i].want))
            fail_msg("%s: got '%s', want '%s'", rows[i].pattern, got, rows[i].want);
        if (rows[i].times > 0 && times != rows[i].times)
            fail_msg("%s: found %llu times", rows[i].pattern, (unsigned long long) times);
    }
}

static void test_job_execution_10_2_excludes(void **unused)
{
    static const struct {
        const char *pattern, *path;
        bool want;
    } rows[] = {
        { "dir", "dir/a.txt", false },       { "dir", "dir", true },
        { "*.o", "a/x.o", false },           { "**/*.o", "a/x.o", true },
        { "**/*.o", "x.o", true },           { "dir/**", "dir", true },
        { "dir/**", "dir/sub/b.txt", true }, { "dir/*", "dir/a.txt", true },
        { "dir/*", "dir/sub/b.txt", false },
    };

    (void) unused;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        auto_ptr(glob_free) struct glob *glob = NULL;

        assert_int_equal(glob_new(rows[i].pattern, &glob, NULL), 0);
        if (glob_match(glob, rows[i].path) != rows[i].want)
            fail_msg("%s and %s", rows[i].pattern, rows[i].path);
    }
}

static void test_more_patterns(void **unused)
{
    tree_need_openat2();

    auto_ptr(harness_remove_dir) char *dir = vector_tree();

    (void) unused;
    assert_matches(dir, ".", ".");
    assert_matches(dir, "./dir//a.txt", "dir/a.txt");
    assert_matches(dir, "**", ". .hid dir dir/a.txt dir/sub dir/sub/b.txt lnk top.txt");
    assert_matches(dir, "**/**/b.txt", "dir/sub/b.txt");
    assert_matches(dir, "**/sub/**", "dir/sub dir/sub/b.txt");
    assert_matches(dir, "*/a.txt", "dir/a.txt lnk/a.txt");
    assert_matches(dir, "{dir,lnk}/{a,sub/b}.txt",
                   "dir/a.txt dir/sub/b.txt lnk/a.txt lnk/sub/b.txt");
    assert_matches(dir, "{dir/a.txt,dir/*.txt,dir/a.txt}", "dir/a.txt"); /* once */
    assert_matches(dir, "top.txt/x", "");
    assert_matches(dir, "[td]*", "dir top.txt");
    assert_matches(dir, "di[^a-q]", "dir");
    assert_matches(dir, "t\\op.txt", "top.txt");
}

/* Old kernels follow no link: rather too little than too much. */
static void test_old_kernel(void **unused)
{
    auto_ptr(harness_remove_dir) char *dir = vector_tree();

    (void) unused;
    beneath_pretend_old_kernel(true);
    assert_matches(dir, "**/*.txt", "dir/a.txt dir/sub/b.txt top.txt");
    assert_matches(dir, "lnk/*", "");
    beneath_pretend_old_kernel(false);
}

/* hardening.md Z7. */
static void test_hardening_Z7_links_lead_nowhere_else(void **unused)
{
    tree_need_openat2();

    auto_ptr(harness_remove_dir) char *dir = harness_temp_dir();
    autofree char *root = harness_path(dir, "root");

    (void) unused;
    tree_make(dir, "root/ root/a/ root/a/x secret/ secret/key");
    tree_link(root, "out", "../secret");
    tree_link(root, "abs", "/etc");
    tree_link(root, "self", ".");
    tree_link(root, "loop", "loop");
    tree_link(root, "a/up", "..");
    assert_matches(root, "out/*", "");
    assert_matches(root, "abs/*", "");
    assert_matches(root, "loop/*", "");
    assert_matches(root, "self/a/*", "self/a/up self/a/x");
    assert_matches(root, "a/up/a/x", "a/up/a/x");
    assert_matches(root, "**/x", "a/x");
    assert_matches(root, "**/up/**/x", "a/up/a/x");
}

static void test_wild(void **unused)
{
    static const struct {
        const char *pattern, *name;
        bool want;
    } rows[] = {
        { "", "", true },
        { "*", "", true },
        { "**", "abc", true },
        { "a*b*c", "aXbYbZc", true },
        { "a*b*c", "aXbYbZ", false },
        { "?", "\xc3\xa9", true },
        { "??", "\xc3\xa9", false },
        { "?", "\xff", true },
        { "[\xc3\xa9]", "\xc3\xa9", true },
        { "[a-c]x", "bx", true },
        { "[!a-c]x", "bx", false },
        { "[]]", "]", true },
        { "[a-]", "-", true },
        { "[\\]a]", "]", true },
        { "\\*", "*", true },
        { "\\*", "a", false },
        { "a?", "a", false },
        { "a", "", false },
    };

    (void) unused;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        if (wild_match(rows[i].pattern, rows[i].name) != rows[i].want)
            fail_msg("%s and %s", rows[i].pattern, rows[i].name);
}

static void test_patterns_that_cannot_be_read(void **unused)
{
    static const struct {
        const char *pattern, *want;
    } rows[] = {
        { "a[b", "\"[\"" },
        { "a{b", "\"{\"" },
        { "a\\", "\"\\\"" },
        { "dir\\/a.txt", "\"\\\"" },
        { "../x", "leads out" },
        { "a/../../x", "leads out" },
        { "{a,..}/x", "leads out" },
        { "{a,b}{a,b}{a,b}{a,b}{a,b}{a,b}{a,b}{a,b}{a,b}{a,b}", "alternatives" },
    };

    (void) unused;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct error err = { 0 };
        struct glob *glob = NULL;

        if (glob_new(rows[i].pattern, &glob, &err) != -EINVAL)
            fail_msg("%s: taken", rows[i].pattern);
        if (!strstr(err.message, rows[i].want))
            fail_msg("%s: %s", rows[i].pattern, err.message);
    }
}

static void test_patterns_have_a_size(void **unused)
{
    autobuf struct buf alternatives = BUF_INIT, text = BUF_INIT;
    struct error err = { 0 };
    struct glob *glob = NULL;

    (void) unused;
    for (int i = 0; i < 4097; i++)
        buf_add_char(&text, 'a');
    assert_int_equal(glob_new(buf_str(&text), &glob, &err), -EINVAL);
    assert_non_null(strstr(err.message, "longer than 4096 bytes"));
    buf_add_str(&alternatives, "{a");
    for (int i = 0; i < 900; i++)
        buf_add_str(&alternatives, ",a");
    buf_add_char(&alternatives, '}');
    for (int i = 0; i < 30; i++)
        buf_add_str(&alternatives, "/a");
    assert_int_equal(glob_new(buf_str(&alternatives), &glob, &err), -EINVAL);
    assert_non_null(strstr(err.message, "too many alternatives"));
}

/* In a child, whose mounts are its own. 77: it may not have any. */
static int find_a_folder_in_itself(void)
{
    autofree char *dir = harness_temp_dir(), *inner = harness_path(dir, "a/b");
    autofree char *got = NULL;
    uint64_t times;
    int wrong;

    tree_make(dir, "a/ a/b/ a/c");
    if (unshare(CLONE_NEWUSER | CLONE_NEWNS) < 0 || mount(dir, inner, "none", MS_BIND, NULL) < 0)
        return 77;
    got = matches(dir, "**", &times);
    wrong = !str_eq(got, ". a a/b a/c");
    (void) umount(inner);
    harness_remove_dir(take_ptr(dir));
    return wrong;
}

static void test_hardening_Z7_a_folder_in_itself(void **unused)
{
    int status = harness_in_child(find_a_folder_in_itself);

    (void) unused;
    if (status == 77)
        harness_skip("this machine gives no user its own mounts");
    assert_int_equal(status, 0);
}

/* hardening.md Z7: what would take ages by trying is one pass over the tree. The machine's patience is
 * the test's time limit. */
static void test_hardening_Z7_stars_cost_no_tries(void **unused)
{
    auto_ptr(harness_remove_dir) char *dir = harness_temp_dir();
    autobuf struct buf path = BUF_INIT, pattern = BUF_INIT;
    auto_ptr(glob_free) struct glob *glob = NULL;

    (void) unused;
    for (int i = 0; i < 60; i++) {
        buf_add_str(&path, "a/");
        buf_add_str(&pattern, "**/a/");
    }
    tree_folder(dir, buf_str(&path));
    buf_add_str(&pattern, "**/none");
    assert_matches(dir, buf_str(&pattern), "");
    assert_int_equal(glob_new(buf_str(&pattern), &glob, NULL), 0);
    assert_false(glob_match(glob, buf_str(&path)));
}

static int find_something(void *arg)
{
    auto_ptr(glob_free) struct glob *glob = NULL;
    autoclose int fd = tree_open(arg);
    uint64_t times = 0;
    int r = glob_new("{dir,l*}/**", &glob, NULL);

    if (r == 0) {
        struct found found = { 0 };
        const struct glob_visitor visitor = { on_found, &found };

        r = glob_find(glob, fd, &visitor, NULL);
        for (size_t i = 0; i < found.n; i++)
            free(found.matched[i]);
        times = found.times;
    }
    return r == 0 && times == 0 ? -EIO : r;
}

static void test_without_memory(void **unused)
{
    auto_ptr(harness_remove_dir) char *dir = vector_tree();

    (void) unused;
    harness_need_faults();
    assert_true(harness_try_each_allocation(find_something, dir) > 5);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_job_execution_10_2_globs),
        cmocka_unit_test(test_job_execution_10_2_excludes),
        cmocka_unit_test(test_more_patterns),
        cmocka_unit_test(test_old_kernel),
        cmocka_unit_test(test_hardening_Z7_links_lead_nowhere_else),
        cmocka_unit_test(test_wild),
        cmocka_unit_test(test_patterns_that_cannot_be_read),
        cmocka_unit_test(test_patterns_have_a_size),
        cmocka_unit_test(test_hardening_Z7_a_folder_in_itself),
        cmocka_unit_test(test_hardening_Z7_stars_cost_no_tries),
        cmocka_unit_test(test_without_memory),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
