/* tests/unit/helper/archive/test_selection.c - mirrors helper/archive/selection.c and untracked.c
 * (job-execution.md 6.2). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <spawn.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "core/base/mem.h"
#include "core/base/str.h"
#include "helper/archive/selection.h"
#include "tests/harness/harness.h"
#include "tests/harness/shell.h"
#include "tests/unit/helper/archive/tree.h"

struct case_of {
    const char *paths[4], *excludes[4];
    bool untracked;
    const char *want, *said; /* %s in `said` is the working directory */
};

static const char *lookup(void *ctx, const char *name)
{
    (void) ctx;
    return str_eq(name, "D") ? "dir" : NULL;
}

static size_t count(const char *const *texts)
{
    size_t n = 0;

    while (n < 4 && texts[n])
        n++;
    return n;
}

static void check(const char *dir, const struct case_of *c)
{
    static const struct expand_source source = { .lookup = lookup };
    autoclose int fd = tree_open(dir);
    const struct selection_request request = {
        .root = dir,
        .root_fd = fd,
        .paths = c->paths,
        .n_paths = count(c->paths),
        .excludes = c->excludes,
        .n_excludes = count(c->excludes),
        .untracked = c->untracked,
        .variables = &source,
    };
    auto_ptr(selection_free) struct selection *selection = NULL;
    struct said said = { BUF_INIT };
    const struct report report = said_report(&said);
    autobuf struct buf got = BUF_INIT;
    struct error err = { 0 };

    if (selection_make(&request, &report, &selection, &err) < 0)
        fail_msg("%s", err.message);
    for (size_t i = 0; i < selection->n_paths; i++)
        buf_addf(&got, "%s%s", i > 0 ? " " : "", selection->paths[i]);
    assert_string_equal(buf_str(&got), c->want);
    assert_string_equal(buf_str(&said.text), c->said);
    said_done(&said);
}

static char *a_tree(void)
{
    char *dir = harness_temp_dir();

    tree_make(dir, ".hid dir/ dir/a.txt dir/sub/ dir/sub/b.txt top.txt");
    tree_link(dir, "lnk", "dir");
    return dir;
}

static void test_job_execution_6_2_paths_and_what_is_said(void **unused)
{
    static const struct case_of cases[] = {
        { .paths = { "dir" },
          .want = "dir dir/a.txt dir/sub dir/sub/b.txt",
          .said = "info: dir: found 4 matching artifact files and directories\n" },
        { .paths = { "dir/**", "$D/", "lnk" },
          .want = "dir dir/a.txt dir/sub dir/sub/b.txt lnk",
          .said = "info: dir/**: found 8 matching artifact files and directories\n"
                  "info: dir/: found 4 matching artifact files and directories\n"
                  "info: lnk: found 1 matching artifact files and directories\n" },
        { .paths = { "dir/../top.txt", "$UNSET" },
          .want = "top.txt",
          .said = "info: dir/../top.txt: found 1 matching artifact files and directories\n"
                  "warning: No matching files. Path is empty.\n" },
        { .paths = { "../x", "/etc/passwd", "dir/../.." },
          .want = "",
          .said =
              "warning: processPath: artifact path is not a subpath of project directory: ../x\n"
              "warning: processPath: artifact path is not a subpath of project directory: "
              "/etc/passwd\n"
              "warning: processPath: artifact path is not a subpath of project directory: "
              "dir/../..\n" },
        { .paths = { "top$(id).txt", "a[b" },
          .want = "",
          .said = "warning: invalid path \"top$(id).txt\": commands in paths are not run\n"
                  "warning: top$(id).txt: no matching files. Ensure that the artifact path is "
                  "relative to the working directory (ROOT)\n"
                  "warning: a[b: the pattern has a \"[\" without \"]\" or ends in a \"\\\"\n" },
        { .paths = { "." },
          .excludes = { "dir", "*.txt", "dir/**/*.txt", "none" },
          .want = ".hid dir/sub lnk",
          .said = "info: .: found 4 matching artifact files and directories\n"
                  "info: dir: excluded 1 files\n"
                  "info: *.txt: excluded 1 files\n"
                  "info: dir/**/*.txt: excluded 2 files\n" },
        { .paths = { "dir/**" },
          .excludes = { "**/b.txt" },
          .want = "dir dir/a.txt dir/sub",
          .said = "info: dir/**: found 5 matching artifact files and directories\n"
                  "info: **/b.txt: excluded 3 files\n" },
        { .paths = { "dir" },
          .excludes = { "${D}/**" },
          .want = "",
          .said = "warning: dir: no matching files. Ensure that the artifact path is relative to "
                  "the working directory (ROOT)\n"
                  "info: dir/**: excluded 4 files\n" },
    };
    auto_ptr(harness_remove_dir) char *dir = a_tree();

    (void) unused;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct case_of c = cases[i];
        const char *root = strstr(c.said, "ROOT");
        autofree char *said =
            root ? mem_printf("%.*s%s%s", (int) (root - c.said), c.said, dir, root + 4)
                 : mem_strdup(c.said);

        c.said = said;
        check(dir, &c);
    }
}

static void test_absolute_paths_inside(void **unused)
{
    auto_ptr(harness_remove_dir) char *dir = a_tree();
    autofree char *path = mem_printf("%s/dir/a.txt", dir), *other = mem_printf("%sx/y", dir);
    autofree char *said =
        mem_printf("info: %s: found 1 matching artifact files and directories\n"
                   "warning: processPath: artifact path is not a subpath of project directory: "
                   "%s\n",
                   path, other);
    const struct case_of c = { .paths = { path, other }, .want = "dir/a.txt", .said = said };

    (void) unused;
    check(dir, &c);
}

static void test_untracked(void **unused)
{
    static const struct case_of all = {
        .excludes = { "new/*.o" },
        .untracked = true,
        .want = "ignored new/b strange\nname",
        .said = "info: untracked: found 3 files\ninfo: new/*.o: excluded 1 files\n",
    };
    static const struct case_of none = { .untracked = true,
                                         .want = "",
                                         .said = "warning: untracked: no files\n" };
    auto_ptr(harness_remove_dir) char *dir = harness_temp_dir();
    autobuf struct buf setup = BUF_INIT, output = BUF_INIT;

    (void) unused;
    buf_add_str(&setup, "git init -q . && echo ignored >.gitignore && touch kept && git add . && "
                        "git -c user.name=a -c user.email=a commit -qm a");
    assert_int_equal(harness_run_shell(HARNESS_DASH, dir, &setup, &output, &output), 0);
    check(dir, &none);
    tree_make(dir, "ignored new/ new/a.o new/b");
    harness_write(dir, "strange\nname", "x");
    check(dir, &all);
}

/* Under valgrind, whose vfork() is a fork(), it does not. */
static bool posix_spawn_tells_what_is_not_there(void)
{
    char *argv[] = { (char[]) { "/nowhere" }, NULL };
    pid_t pid;

    if (posix_spawn(&pid, argv[0], NULL, NULL, argv, environ) != 0)
        return true;
    assert_int_equal(waitpid(pid, NULL, 0), pid);
    return false;
}

static void test_untracked_without_git(void **unused)
{
    if (!posix_spawn_tells_what_is_not_there())
        harness_skip("posix_spawn() does not tell here that a program is not there");

    static const struct case_of c = {
        .untracked = true,
        .want = "",
        .said = "warning: untracked: git cannot be started: No such file or directory\n",
    };
    auto_ptr(harness_remove_dir) char *dir = harness_temp_dir();
    autofree char *before = mem_strdup(getenv("PATH"));

    (void) unused;
    assert_int_equal(setenv("PATH", dir, 1), 0);
    check(dir, &c);
    assert_int_equal(setenv("PATH", before, 1), 0);
}

static void test_newest(void **unused)
{
    auto_ptr(harness_remove_dir) char *dir = a_tree();
    const struct timespec times[2] = { { 0, 0 }, { 4000000000, 5 } };
    autoclose int fd = tree_open(dir);
    auto_ptr(selection_free) struct selection *selection = tree_select(dir, fd);
    struct selection empty = { 0 };

    (void) unused;
    assert_int_equal(utimensat(fd, "dir/a.txt", times, 0), 0);
    assert_true(selection_newest_ns(selection, fd) == INT64_C(4000000000) * 1000000000 + 5);
    assert_true(selection_newest_ns(&empty, fd) == INT64_MIN);
}

static void test_add(void **unused)
{
    auto_ptr(harness_remove_dir) char *dir = a_tree();
    autoclose int fd = tree_open(dir);
    auto_ptr(selection_free) struct selection *selection = tree_select(dir, fd);
    size_t before = selection->n_paths;

    (void) unused;
    assert_int_equal(selection_add(selection, "dir"), 0);
    assert_int_equal(selection->n_paths, before);
    assert_int_equal(selection_add(selection, "a"), 0);
    assert_int_equal(selection->n_paths, before + 1);
    assert_string_equal(selection->paths[1], "a");
}

static void test_too_many(void **unused)
{
    static const char *const paths[] = { "." };
    static const struct expand_source source = { .lookup = lookup };
    auto_ptr(harness_remove_dir) char *dir = a_tree();
    autoclose int fd = tree_open(dir);
    struct selection_request request = {
        .root = dir,
        .root_fd = fd,
        .paths = paths,
        .n_paths = 1,
        .variables = &source,
        .files_max = 6,
    };
    struct selection *selection = NULL;
    struct error err = { 0 };

    (void) unused;
    assert_int_equal(selection_make(&request, NULL, &selection, &err), -EFBIG);
    assert_string_equal(err.message, "more than 6 files and directories match");
    request.files_max = 7;
    assert_int_equal(selection_make(&request, NULL, &selection, &err), 0);
    selection_free(selection);
}

static int select_something(void *arg)
{
    static const char *const paths[] = { "${D}/**", "top.txt" }, *const excludes[] = { "**/b*" };
    static const struct expand_source source = { .lookup = lookup };
    autoclose int fd = tree_open(arg);
    const struct selection_request request = {
        .root = arg,
        .root_fd = fd,
        .paths = paths,
        .n_paths = 2,
        .excludes = excludes,
        .n_excludes = 1,
        .variables = &source,
    };
    auto_ptr(selection_free) struct selection *selection = NULL;

    return selection_make(&request, NULL, &selection, NULL);
}

static void test_without_memory(void **unused)
{
    auto_ptr(harness_remove_dir) char *dir = a_tree();

    (void) unused;
    harness_need_faults();
    assert_true(harness_try_each_allocation(select_something, dir) > 10);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_job_execution_6_2_paths_and_what_is_said),
        cmocka_unit_test(test_absolute_paths_inside),
        cmocka_unit_test(test_untracked),
        cmocka_unit_test(test_untracked_without_git),
        cmocka_unit_test(test_newest),
        cmocka_unit_test(test_add),
        cmocka_unit_test(test_too_many),
        cmocka_unit_test(test_without_memory),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
