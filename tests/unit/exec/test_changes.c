/* tests/unit/exec/test_changes.c - mirrors core/exec/changes.c: real repositories. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/base/buf.h"
#include "core/base/mem.h"
#include "core/exec/changes.h"
#include "tests/unit/exec/git_place.h"

static void commit(const struct place *place, const char *file)
{
    git_place_write(place->work, file, "text\n");
    GIT(place->work, "add", "--all");
    GIT(place->work, "commit", "-q", "-m", file);
}

/* What changed, "?" when that is not known, or the sentence. */
static void assert_changed(const struct place *place, const char *since, const char *want)
{
    static unsigned count;
    autofree char *bare = mem_printf("%s/%u.git", place->root, count++);
    struct snapshot snapshot = { 0 };
    struct ci_lines paths = { 0 };
    autobuf struct buf got = BUF_INIT;
    struct error err = { 0 };
    int r;

    assert_int_equal(snapshot_take(place->work, bare, &snapshot, &err), 0);
    r = changes_since(&snapshot, since, &paths, &err);
    if (r != 0)
        buf_add_str(&got, r > 0 ? "?" : err.message);
    for (size_t i = 0; i < paths.count; i++)
        buf_addf(&got, "%s%s", i > 0 ? " " : "", paths.items[i]);
    assert_string_equal(buf_str(&got), want);
    ci_lines_done(&paths);
    snapshot_done(&snapshot);
}

static void test_changes_are_those_since_a_branch_or_the_last_push(void **state)
{
    const struct place *place = *state;

    commit(place, "first");
    commit(place, "second file");
    GIT(place->work, "tag", "v1");
    assert_changed(place, NULL, "?");
    assert_changed(place, "v1", "");
    assert_changed(place, "v1~1", "second file");
    assert_changed(place, "gone",
                   "there is no branch, tag or commit 'gone' in this repository to compare with; "
                   "fetch it");

    /* What others did on the branch meanwhile is none of ours. */
    GIT(place->work, "branch", "pushed");
    GIT(place->work, "config", "branch.feature/x.remote", ".");
    GIT(place->work, "config", "branch.feature/x.merge", "refs/heads/pushed");
    assert_changed(place, NULL, "second file");
    commit(place, "third");
    assert_changed(place, NULL, "third");
    GIT(place->work, "checkout", "-q", "pushed");
    commit(place, "others");
    GIT(place->work, "checkout", "-q", "feature/x");
    assert_changed(place, "pushed", "third");
    assert_changed(place, NULL, "third");

    /* Changes that nobody committed are what is about to be pushed. */
    git_place_write(place->work, "first", "changed\n");
    assert_changed(place, NULL, "first third");
    GIT(place->work, "mv", "second file", "renamed");
    assert_changed(place, NULL, "first renamed second file third");
}

static void test_files_are_those_of_the_snapshot(void **state)
{
    const struct place *place = *state;
    struct snapshot snapshot = { 0 };
    struct ci_lines files = { 0 };

    commit(place, "\xc3\xa4 b");
    git_place_write(place->work, "added", "x");
    GIT(place->work, "add", "added");
    git_place_write(place->work, "untracked", "x");
    assert_int_equal(snapshot_take(place->work, place->bare, &snapshot, NULL), 0);
    assert_int_equal(changes_files(&snapshot, &files, NULL), 0);
    assert_int_equal(files.count, 2);
    assert_string_equal(files.items[0], "added");
    assert_string_equal(files.items[1], "\xc3\xa4 b");
    ci_lines_done(&files);
    snapshot_done(&snapshot);
}

static void test_ids_and_last_commits_are_gits(void **state)
{
    const struct place *place = *state;
    struct snapshot snapshot = { 0 };
    struct ci_lines files = { 0 }, ids = { 0 };
    autobuf struct buf last = BUF_INIT, none = BUF_INIT;
    autofree char *first = NULL, *id = NULL;

    commit(place, "*");
    first = GIT_SAYS(place->work, "rev-parse", "HEAD");
    commit(place, "b c");
    git_place_write(place->work, "b c", "changed\n");
    id = GIT_SAYS(place->work, "hash-object", "b c");
    assert_int_equal(snapshot_take(place->work, place->bare, &snapshot, NULL), 0);
    assert_int_equal(changes_files(&snapshot, &files, NULL), 0);
    assert_int_equal(changes_ids(&snapshot, &ids), 0);
    assert_int_equal(ids.count, files.count);
    assert_string_equal(files.items[1], "b c");
    assert_string_equal(ids.items[1], id);
    changes_last_commit(&snapshot, "*", &last); /* a name, not a pattern */
    assert_string_equal(buf_str(&last), first);
    changes_last_commit(&snapshot, "gone", &none);
    assert_int_equal(none.len, 0);
    ci_lines_done(&files);
    ci_lines_done(&ids);
    snapshot_done(&snapshot);
}

static void test_a_tag_without_a_branch_is_what_the_commit_is_called(void **state)
{
    const struct place *place = *state;
    struct snapshot snapshot = { 0 };

    commit(place, "first");
    GIT(place->work, "tag", "v1");
    GIT(place->work, "checkout", "-q", "--detach");
    assert_int_equal(snapshot_take(place->work, place->bare, &snapshot, NULL), 0);
    assert_string_equal(snapshot.tag, "v1");
    assert_string_equal(snapshot.ref, "v1");
    assert_string_equal(snapshot.author, "a <a@example.com>");
    assert_non_null(strchr(snapshot.timestamp, 'T'));
    snapshot_done(&snapshot);
}

#define TEST(function)                                                                             \
    cmocka_unit_test_setup_teardown(function, git_place_setup, git_place_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_changes_are_those_since_a_branch_or_the_last_push),
        TEST(test_files_are_those_of_the_snapshot),
        TEST(test_ids_and_last_commits_are_gits),
        TEST(test_a_tag_without_a_branch_is_what_the_commit_is_called),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
