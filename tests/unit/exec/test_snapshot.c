/* tests/unit/exec/test_snapshot.c - mirrors core/exec/snapshot.c: real repositories in a temporary
 * directory, driven by the git runner that the snapshot uses itself. */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <cmocka.h>

#include "core/base/fs.h"
#include "core/base/mem.h"
#include "core/base/str.h"
#include "core/exec/git.h"
#include "core/exec/snapshot.h"

struct place {
    char root[64], *work, *bare, *fetched;
};

static const char *const somebody[] = { "GIT_AUTHOR_NAME=a",
                                        "GIT_AUTHOR_EMAIL=a@example.com",
                                        "GIT_COMMITTER_NAME=a",
                                        "GIT_COMMITTER_EMAIL=a@example.com",
                                        "GIT_CONFIG_NOSYSTEM=1",
                                        "GIT_CONFIG_GLOBAL=/dev/null",
                                        NULL };

/* Runs git and gives its output, which the caller frees. */
static char *git_at(const char *dir, const char *const *args)
{
    struct git_run run = { .dir = dir, .variables = somebody, .args = args };
    autobuf struct buf out = BUF_INIT;
    struct error err = { 0 };

    if (git_run(&run, &out, &err) < 0)
        fail_msg("%s", err.message);
    return buf_take(&out);
}
#define GIT(dir, ...) free(git_at((dir), (const char *const[]) { __VA_ARGS__, NULL }))
#define GIT_SAYS(dir, ...) git_at((dir), (const char *const[]) { __VA_ARGS__, NULL })

static void write_at(const char *dir, const char *name, const char *text)
{
    autofree char *path = mem_printf("%s/%s", dir, name);
    autofclose FILE *file = fopen(path, "we");

    assert_non_null(file);
    assert_true(fputs(text, file) >= 0);
}

static int setup(void **state)
{
    struct place *place = mem_zero(sizeof(*place));

    (void) str_copy(place->root, sizeof(place->root), "/tmp/test-snapshot-XXXXXX");
    assert_non_null(mkdtemp(place->root));
    /* The space and the percent sign have to survive in the URL. */
    place->work = mem_printf("%s/work", place->root);
    place->bare = mem_printf("%s/a b%%41.git", place->root);
    place->fetched = mem_printf("%s/fetched", place->root);
    GIT(place->root, "init", "-q", "-b", "feature/x", "work");
    *state = place;
    return 0;
}

static int teardown(void **state)
{
    struct place *place = *state;

    (void) fs_remove_tree(AT_FDCWD, place->root);
    free(place->work);
    free(place->bare);
    free(place->fetched);
    free(place);
    return 0;
}

static void commit_first(const struct place *place)
{
    write_at(place->work, "one", "1\n");
    write_at(place->work, "two", "2\n");
    GIT(place->work, "add", "one", "two");
    GIT(place->work, "commit", "-qm", "first");
}

/* As a job gets it: fetched by the branch's refspec and checked out by its commit. */
static void fetch(const struct place *place, const struct snapshot *snapshot)
{
    autofree char *refspec =
        mem_printf("+refs/heads/%s:refs/remotes/origin/%s", snapshot->ref, snapshot->ref);

    GIT(place->root, "init", "-q", "fetched");
    GIT(place->fetched, "fetch", "-q", "--", snapshot->url, refspec);
    GIT(place->fetched, "checkout", "-f", "-q", snapshot->sha);
}

static void assert_file(const struct place *place, const char *name, const char *want)
{
    autofree char *path = mem_printf("%s/%s", place->fetched, name);
    autobuf struct buf text = BUF_INIT;
    int r = fs_read_file(AT_FDCWD, path, 4096, &text, NULL);

    if (!want)
        assert_int_equal(r, -ENOENT);
    else
        assert_string_equal(buf_str(&text), want);
}

static void test_an_unchanged_tree_is_its_own_commit(void **state)
{
    const struct place *place = *state;
    struct snapshot snapshot = { 0 };
    struct error err = { 0 };

    commit_first(place);
    if (snapshot_take(place->work, place->bare, &snapshot, &err) < 0)
        fail_msg("%s", err.message);
    assert_false(snapshot.changed);
    assert_string_equal(snapshot.sha, snapshot.head);
    assert_string_equal(snapshot.ref, "feature/x");
    assert_false(snapshot.detached);
    assert_string_equal(snapshot.default_branch, "feature/x");
    assert_string_equal(snapshot.message, "first");
    assert_string_equal(snapshot.object_format, "sha1");
    fetch(place, &snapshot);
    assert_file(place, "one", "1\n");
    snapshot_done(&snapshot);
}

static void test_changes_of_tracked_files_come_along_and_others_do_not(void **state)
{
    const struct place *place = *state;
    autofree char *status = NULL, *after = NULL, *parent = NULL, *objects = NULL, *later = NULL;
    struct snapshot snapshot = { 0 };
    struct error err = { 0 };

    commit_first(place);
    write_at(place->work, "one", "changed\n");
    write_at(place->work, "new", "added, not committed\n");
    write_at(place->work, "stray", "not tracked\n");
    GIT(place->work, "add", "new");
    GIT(place->work, "rm", "-q", "two");
    status = GIT_SAYS(place->work, "status", "--porcelain");
    objects = GIT_SAYS(place->work, "count-objects", "-v");
    if (snapshot_take(place->work, place->bare, &snapshot, &err) < 0)
        fail_msg("%s", err.message);
    assert_true(snapshot.changed);
    parent = GIT_SAYS(place->bare, "rev-parse", "HEAD^");
    assert_string_equal(parent, snapshot.head);
    fetch(place, &snapshot);
    assert_file(place, "one", "changed\n");
    assert_file(place, "new", "added, not committed\n");
    assert_file(place, "two", NULL);
    assert_file(place, "stray", NULL);
    after = GIT_SAYS(place->work, "status", "--porcelain");
    assert_string_equal(after, status);
    later = GIT_SAYS(place->work, "count-objects", "-v");
    assert_string_equal(later, objects);
    snapshot_done(&snapshot);
}

static void test_a_directory_below_the_root_takes_the_whole_tree(void **state)
{
    const struct place *place = *state;
    autofree char *below = mem_printf("%s/sub", place->work);
    struct snapshot snapshot = { 0 };

    commit_first(place);
    assert_int_equal(mkdir(below, 0700), 0);
    write_at(place->work, "one", "changed\n");
    assert_int_equal(snapshot_take(below, place->bare, &snapshot, NULL), 0);
    fetch(place, &snapshot);
    assert_file(place, "one", "changed\n");
    snapshot_done(&snapshot);
}

static void test_a_detached_head_and_a_shallow_clone_can_be_fetched(void **state)
{
    const struct place *place = *state;
    autofree char *url = mem_printf("file://%s", place->work);
    autofree char *shallow = mem_printf("%s/shallow", place->root);
    struct snapshot snapshot = { 0 };
    struct error err = { 0 };

    commit_first(place);
    write_at(place->work, "one", "second\n");
    GIT(place->work, "commit", "-qam", "second");
    GIT(place->root, "clone", "-q", "--depth", "1", url, "shallow");
    GIT(shallow, "checkout", "-q", "--detach");
    if (snapshot_take(shallow, place->bare, &snapshot, &err) < 0)
        fail_msg("%s", err.message);
    assert_string_equal(snapshot.ref, "detached");
    assert_true(snapshot.detached);
    assert_string_equal(snapshot.default_branch, "feature/x");
    assert_string_equal(snapshot.message, "second");
    fetch(place, &snapshot);
    assert_file(place, "one", "second\n");
    snapshot_done(&snapshot);
}

static void test_variables_of_a_hook_do_not_lead_astray(void **state)
{
    const struct place *place = *state;
    struct snapshot snapshot = { 0 };

    commit_first(place);
    assert_int_equal(setenv("GIT_DIR", "/nowhere", 1), 0);
    assert_int_equal(setenv("GIT_INDEX_FILE", "/nowhere/index", 1), 0);
    assert_int_equal(snapshot_take(place->work, place->bare, &snapshot, NULL), 0);
    assert_int_equal(unsetenv("GIT_DIR"), 0);
    assert_int_equal(unsetenv("GIT_INDEX_FILE"), 0);
    snapshot_done(&snapshot);
}

static void test_what_can_not_be_taken_is_said_in_a_sentence(void **state)
{
    const struct place *place = *state;
    autofree char *none = mem_printf("the repository %s has no commit yet; make one (git add, git "
                                     "commit)",
                                     place->work);
    struct snapshot snapshot = { 0 };
    struct error err = { 0 };

    assert_int_equal(snapshot_take(place->work, place->bare, &snapshot, &err), -ENOENT);
    assert_string_equal(err.message, none);
    assert_int_equal(snapshot_take(place->root, place->bare, &snapshot, &err), -ENOENT);
    assert_non_null(strstr(err.message, " is not in a git repository; "));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_an_unchanged_tree_is_its_own_commit, setup, teardown),
        cmocka_unit_test_setup_teardown(test_changes_of_tracked_files_come_along_and_others_do_not,
                                        setup, teardown),
        cmocka_unit_test_setup_teardown(test_a_directory_below_the_root_takes_the_whole_tree, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(test_a_detached_head_and_a_shallow_clone_can_be_fetched,
                                        setup, teardown),
        cmocka_unit_test_setup_teardown(test_variables_of_a_hook_do_not_lead_astray, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(test_what_can_not_be_taken_is_said_in_a_sentence, setup,
                                        teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
