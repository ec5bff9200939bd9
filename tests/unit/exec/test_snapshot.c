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
#include <unistd.h>

#include <cmocka.h>

#include "core/base/fs.h"
#include "core/base/mem.h"
#include "core/base/str.h"
#include "core/exec/snapshot.h"
#include "tests/unit/exec/git_place.h"

static void commit_first(const struct place *place)
{
    git_place_write(place->work, "one", "1\n");
    git_place_write(place->work, "two", "2\n");
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

static void test_what_is_no_utf8_is_not_told(void **state)
{
    const struct place *place = *state;
    struct snapshot snapshot = { 0 };

    commit_first(place);
    GIT(place->work, "-c", "i18n.commitEncoding=none", "commit", "-q", "--amend",
        "--author=\xe9 <a@example.com>", "-m", "caf\xe9");
    GIT(place->work, "config", "user.name", "\xe9");
    assert_int_equal(snapshot_take(place->work, place->bare, &snapshot, NULL), 0);
    assert_null(snapshot.message);
    assert_null(snapshot.author);
    assert_null(snapshot.user_name);
    snapshot_done(&snapshot);
}

static void test_changes_of_tracked_files_come_along_and_others_do_not(void **state)
{
    const struct place *place = *state;
    autofree char *status = NULL, *after = NULL, *parent = NULL, *objects = NULL, *later = NULL;
    struct snapshot snapshot = { 0 };
    struct error err = { 0 };

    commit_first(place);
    git_place_write(place->work, "one", "changed\n");
    git_place_write(place->work, "new", "added, not committed\n");
    git_place_write(place->work, "stray", "not tracked\n");
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
    git_place_write(place->work, "one", "changed\n");
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
    git_place_write(place->work, "one", "second\n");
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

/* What is served file by file has no use for the repository that its objects came from. */
static void test_a_snapshot_of_files_needs_no_other_repository(void **state)
{
    const struct place *place = *state;
    struct snapshot snapshot = { 0 };
    autofree char *alternates = NULL, *refs = NULL;
    autobuf struct buf text = BUF_INIT;
    struct error err = { 0 };

    commit_first(place);
    git_place_write(place->work, "one", "changed\n");
    if (snapshot_take(place->work, place->bare, &snapshot, &err) < 0 ||
        snapshot_make_files(&snapshot, &err) < 0)
        fail_msg("%s", err.message);
    alternates = mem_printf("%s/objects/info/alternates", place->bare);
    refs = mem_printf("%s/info/refs", place->bare);
    assert_int_equal(unlink(alternates), 0);
    assert_int_equal(fs_read_file(AT_FDCWD, refs, 4096, &text, NULL), 0);
    assert_non_null(strstr(buf_str(&text), snapshot.sha));
    fetch(place, &snapshot);
    assert_file(place, "one", "changed\n");
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
        cmocka_unit_test_setup_teardown(test_an_unchanged_tree_is_its_own_commit, git_place_setup,
                                        git_place_teardown),
        cmocka_unit_test_setup_teardown(test_what_is_no_utf8_is_not_told, git_place_setup,
                                        git_place_teardown),
        cmocka_unit_test_setup_teardown(test_changes_of_tracked_files_come_along_and_others_do_not,
                                        git_place_setup, git_place_teardown),
        cmocka_unit_test_setup_teardown(test_a_directory_below_the_root_takes_the_whole_tree,
                                        git_place_setup, git_place_teardown),
        cmocka_unit_test_setup_teardown(test_a_detached_head_and_a_shallow_clone_can_be_fetched,
                                        git_place_setup, git_place_teardown),
        cmocka_unit_test_setup_teardown(test_variables_of_a_hook_do_not_lead_astray,
                                        git_place_setup, git_place_teardown),
        cmocka_unit_test_setup_teardown(test_a_snapshot_of_files_needs_no_other_repository,
                                        git_place_setup, git_place_teardown),
        cmocka_unit_test_setup_teardown(test_what_can_not_be_taken_is_said_in_a_sentence,
                                        git_place_setup, git_place_teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
