/* tests/unit/exec/test_ci_include.c - mirrors core/exec/ci_include.c: real files. */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "core/base/fs.h"
#include "core/base/mem.h"
#include "core/base/str.h"
#include "tests/unit/exec/ci_dump.h"

struct place {
    char top[64];
    struct ci_context context;
};

/* Written, and tracked as far as the readers know. */
static void add(struct place *place, const char *name, const char *text)
{
    autofree char *path = mem_printf("%s/%s", place->top, name);
    autofclose FILE *file = fopen(path, "we");

    assert_non_null(file);
    assert_true(fputs(text, file) >= 0);
    assert_int_equal(ci_lines_add(&place->context.files, name), 0);
}

static void add_link(struct place *place, const char *name, const char *target)
{
    autofree char *path = mem_printf("%s/%s", place->top, name);

    assert_int_equal(symlink(target, path), 0);
    assert_int_equal(ci_lines_add(&place->context.files, name), 0);
}

static int setup(void **state)
{
    struct place *place = mem_zero(sizeof(*place));
    autofree char *folder = NULL, *deep = NULL;

    (void) str_copy(place->top, sizeof(place->top), "/tmp/test-include-XXXXXX");
    assert_non_null(mkdtemp(place->top));
    place->context.top = place->top;
    folder = mem_printf("%s/ci", place->top);
    deep = mem_printf("%s/ci/deep", place->top);
    assert_int_equal(mkdir(folder, 0700), 0);
    assert_int_equal(mkdir(deep, 0700), 0);
    assert_int_equal(ci_variables_add(&place->context.variables, "WHERE", "ci", true), 0);
    add(place, "one.yml", "variables: {A: one, B: one}\n.t: {script: [one]}\n");
    add(place, "two.yaml", "variables: {B: two}\n.t: {script: [two]}\n");
    add(place, "ci/x.yml", "x: {script: s}\n");
    add(place, "ci/deep/y.yml", "y: {script: s}\n");
    add(place, "nested.yml", "include: one.yml\nvariables: {A: nested}\n");
    add(place, "circle.yml", "include: circle.yml\n");
    add(place, "broken.yml", "b:\n  scrpt: s\n");
    add(place, "list.yml", "- a\n");
    add(place, "empty.yml", "# nothing\n");
    add(place, "twice.yml", "include: [twice.yml, twice.yml]\n");
    add_link(place, "out.yml", "/etc/hostname");
    add_link(place, "in.yml", "ci/x.yml");
    *state = place;
    return 0;
}

static int teardown(void **state)
{
    struct place *place = *state;

    (void) fs_remove_tree(AT_FDCWD, place->top);
    ci_context_done(&place->context);
    free(place);
    return 0;
}

static void test_files_are_merged_under_the_one_that_includes_them(void **state)
{
    static const struct {
        const char *why, *text, *want;
    } cases[] = {
        { "the plain form", "include: one.yml\na: {extends: .t}\n",
          "global A=one B=one\na@test script[one]\n" },
        { "with a slash", "include: /one.yml\na: {extends: .t}\n",
          "global A=one B=one\na@test script[one]\n" },
        { "local, and later ones win", "include: [{local: one.yml}, two.yaml]\na: {extends: .t}\n",
          "global A=one B=two\na@test script[two]\n" },
        { "the file itself wins over all",
          "include: [one.yml]\nvariables: {A: own}\n.t: {script: own}\na: {extends: .t}\n",
          "global A=own B=one\na@test script[own]\n" },
        { "files include others", "include: nested.yml\na: {extends: .t}\n",
          "global A=nested B=one\na@test script[one]\n" },
        { "a reference into a file", "include: one.yml\na: {script: !reference [.t, script]}\n",
          "global A=one B=one\na@test script[one]\n" },
        { "a pattern of one folder", "include: 'ci/*.yml'\n", "x@test script[s]\n" },
        { "a pattern of all folders", "include: {local: 'ci/**.yml'}\n",
          "x@test script[s]\ny@test script[s]\n" },
        { "a variable in the path", "include: $WHERE/x.yml\n", "x@test script[s]\n" },
        { "rules that hold", "include: {local: ci/x.yml, rules: [{if: $WHERE}]}\n",
          "x@test script[s]\n" },
        { "rules that do not", "include: {local: ci/x.yml, rules: [{if: $NO}]}\na: {script: s}\n",
          "a@test script[s]\n" },
        { "a file that git does not have", "include: gone.yml\n",
          "E f:1:10: 'include': git tracks no file 'gone.yml' in the repository; git add it\n"
          "E f:1:1: there is no job in this file\n" },
        { "a way out of the repository", "include: ../x.yml\na: {script: s}\n",
          "E f:1:10: 'include': git tracks no file '../x.yml' in the repository; git add it\n" },
        { "a link out of the repository", "include: out.yml\na: {script: s}\n",
          "E f:1:10: 'include': 'out.yml' is a link out of the repository\n" },
        { "a link within", "include: in.yml\n", "x@test script[s]\n" },
        { "a pattern of nothing", "include: 'no/*.yml'\na: {script: s}\n",
          "E f:1:10: 'include': git tracks no file that matches 'no/*.yml'; git add it\n" },
        { "an entry without a file", "include: [{rules: []}]\na: {script: s}\n",
          "a@test script[s]\n" },
        { "an entry of nothing", "include: [{}]\na: {script: s}\n",
          "E f:1:11: an entry of 'include' names no file\n" },
        { "from a web server", "include: https://example.com/x.yml\na: {script: s}\n",
          "E f:1:10: 'include' of a file from elsewhere is not supported: put it into the "
          "repository "
          "and include it with 'local'\n" },
        { "of a template", "include: {template: X.gitlab-ci.yml}\na: {script: s}\n",
          "E f:1:11: 'template' is not supported: put the file into the repository and include it "
          "with 'local'\n" },
        { "a finding names the file that it is in", "include: broken.yml\n",
          "E broken.yml:2:3: job 'b': 'scrpt' is no keyword; did you mean 'script'?\n"
          "E broken.yml:1:1: job 'b' has no 'script'\n" },
        { "a file that is no mapping", "include: list.yml\na: {script: s}\n",
          "E list.yml:1:1: the file must be a mapping of jobs\n" },
        { "an empty file", "include: empty.yml\na: {script: s}\n", "a@test script[s]\n" },
        { "a circle", "include: circle.yml\na: {script: s}\n",
          "E circle.yml:1:10: files include each other over more than 20 levels\n" },
        { "files that double with each level", "include: twice.yml\na: {script: s}\n",
          "E twice.yml:1:10: files include each other over more than 20 levels\n" },
    };
    struct place *place = *state;

    for (size_t i = 0; i < ARRAY_LEN(cases); i++)
        ci_dump_expect(cases[i].why, cases[i].text, &place->context, cases[i].want);
}

static void test_a_file_that_is_tracked_and_gone_is_told(void **state)
{
    struct place *place = *state;

    assert_int_equal(ci_lines_add(&place->context.files, "deleted.yml"), 0);
    ci_dump_expect("gone", "include: deleted.yml\na: {script: s}\n", &place->context,
                   "E f:1:10: 'include' can't read this: deleted.yml: No such file or directory\n");
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_files_are_merged_under_the_one_that_includes_them),
        TEST(test_a_file_that_is_tracked_and_gone_is_told),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
