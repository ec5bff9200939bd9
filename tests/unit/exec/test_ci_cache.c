/* tests/unit/exec/test_ci_cache.c - mirrors core/exec/ci_cache.c and ci_cache_key.c. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "core/base/str.h"
#include "tests/unit/exec/ci_dump.h"

struct example {
    const char *why, *text, *want;
};

static char *files[] = { "a.lock", "sub/b.lock", "sub/c.lock" };
static unsigned asked;

static int ids(void *arg, struct ci_lines *ret)
{
    static const char *const all[] = { "22", "11", "22" };
    int r = 0;

    (void) arg;
    for (size_t i = 0; i < ARRAY_LEN(all) && r == 0; i++)
        r = ci_lines_add(ret, all[i]);
    return r;
}

static void last_commit(void *arg, const char *path, struct buf *ret)
{
    (void) arg;
    asked++;
    if (str_eq(path, "a.lock"))
        buf_add_str(ret, "c0ffee");
}

static const struct ci_context context = { .files = { files, ARRAY_LEN(files) },
                                           .ids = ids,
                                           .last_commit = last_commit };

static void expect_all(const struct example *examples, size_t n)
{
    for (size_t i = 0; i < n; i++)
        ci_dump_expect(examples[i].why, examples[i].text, &context, examples[i].want);
}

static void test_caches_are_read_with_gitlabs_defaults(void **unused)
{
    static const struct example examples[] = {
        { "paths alone", "a: {script: s, cache: {paths: [x]}}\n",
          "a@test script[s] cache default paths[x] on_success -\n" },
        { "every keyword",
          "a: {script: s, cache: {key: $CI_JOB_NAME, paths: [x], untracked: true, policy: pull, "
          "when: "
          "always, fallback_keys: [one, two], unprotect: true}}\n",
          "a@test script[s] cache $CI_JOB_NAME paths[x] else[one|two] untracked always pull\n" },
        { "several", "a: {script: s, cache: [{key: k, paths: [x]}, {key: l, paths: [y]}]}\n",
          "a@test script[s] cache k paths[x] on_success - cache l paths[y] on_success -\n" },
        { "a policy of a variable", "a: {script: s, cache: {paths: [x], policy: $P}}\n",
          "a@test script[s] cache default paths[x] on_success $P\n" },
        { "of the file, of default, and none",
          "cache: {paths: [x]}\na: {script: s}\nb: {script: s, cache: []}\n"
          "c: {script: s, cache: {}}\n",
          "a@test script[s] cache default paths[x] on_success -\nb@test script[s]\n"
          "c@test script[s]\n" },
        { "default wins over the file",
          "cache: {paths: [x]}\ndefault: {cache: {paths: [y]}}\na: {script: s}\n",
          "a@test script[s] cache default paths[y] on_success -\n" },
    };

    (void) unused;
    expect_all(examples, ARRAY_LEN(examples));
}

/* The digests are those of sha1sum. */
static void test_keys_of_files_are_gitlabs(void **unused)
{
    static const struct example examples[] = {
        { "one file: SHA-1 of its id, behind the number of the cache",
          "a: {script: s, cache: {key: {files: [a.lock]}}}\n",
          "a@test script[s] cache 0-12c6fc06c99a462375eeb3f43dfd832b08ca9e17 on_success -\n" },
        { "several: sorted, each id once; a leading slash is none",
          "a: {script: s, cache: {key: {files: [a.lock, /sub/b.lock, sub/c.lock, gone], prefix: "
          "$X}}}\n",
          "a@test script[s] cache $X-ecd77c5c71b1701630201f1309b669c773185837 on_success -\n" },
        { "a pattern", "a: {script: s, cache: {key: {files: ['sub/*.lock'], prefix: p}}}\n",
          "a@test script[s] cache p-ecd77c5c71b1701630201f1309b669c773185837 on_success -\n" },
        { "the second of two caches", "a: {script: s, cache: [{key: k}, {key: {files: [gone]}}]}\n",
          "a@test script[s] cache k on_success - cache 1-default on_success -\n" },
        { "the last commit that changed it",
          "a: {script: s, cache: {key: {files_commits: [a.lock, gone]}}}\n",
          "a@test script[s] cache 0-238ae8e25d90fefb6a01644334c30cb1f5232efc on_success -\n" },
    };

    (void) unused;
    expect_all(examples, ARRAY_LEN(examples));
}

static void test_git_is_asked_once_for_each_file(void **unused)
{
    (void) unused;
    asked = 0;
    ci_dump_expect("jobs that take one default",
                   "default: {cache: {key: {files_commits: [gone]}}}\n"
                   "a: {script: s, parallel: 2}\nb: {script: s}\n",
                   &context,
                   "a 1/2@test script[s] cache 0-default on_success - node=1/2\n"
                   "a 2/2@test script[s] cache 0-default on_success - node=2/2\n"
                   "b@test script[s] cache 0-default on_success -\n");
    assert_int_equal(asked, 1);
}

static void test_what_is_wrong_is_told_with_its_place(void **unused)
{
    static const struct example examples[] = {
        { "too many", "a: {script: s, cache: [{key: a}, {key: b}, {key: c}, {key: d}, {key: e}]}\n",
          "E f:1:23: a job can have 4 caches, not 5\n" },
        { "a key that leads elsewhere", "a: {script: s, cache: {key: a/b}}\n",
          "E f:1:29: job 'a': 'key' can't be 'a/b': no '/', '.' or '..'\n" },
        { "a prefix that does", "a: {script: s, cache: {key: {files: [x], prefix: ..}}}\n",
          "E f:1:50: job 'a': 'prefix' can't be '..': no '/', '.' or '..'\n" },
        { "a key without files", "a: {script: s, cache: {key: {prefix: x}}}\n",
          "E f:1:29: job 'a': 'key' must be a string, or a mapping with either 'files' or "
          "'files_commits', not a mapping\n" },
        { "no files", "a: {script: s, cache: {key: {files: []}}}\n",
          "E f:1:37: 'files' must have 1 to 10 files\n" },
        { "a policy that is none", "a: {script: s, cache: {policy: never}}\n",
          "E f:1:32: job 'a': 'policy' must be pull-push, pull or push, not the string "
          "'never'\n" },
        { "too many keys to fall back on",
          "a: {script: s, cache: {fallback_keys: [a, b, c, d, e, f]}}\n",
          "E f:1:39: 'fallback_keys' can have 5 keys, not 6\n" },
        { "a word that is none", "a: {script: s, cache: {pathes: [x]}}\n",
          "E f:1:24: job 'a': 'pathes' is no keyword; did you mean 'paths'?\n" },
        { "kinds", "a: {script: s, cache: x}\n",
          "E f:1:23: job 'a': 'cache' must be a mapping with 'paths', or a list of them, not the "
          "string 'x'\n" },
    };

    (void) unused;
    expect_all(examples, ARRAY_LEN(examples));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_caches_are_read_with_gitlabs_defaults),
        cmocka_unit_test(test_keys_of_files_are_gitlabs),
        cmocka_unit_test(test_git_is_asked_once_for_each_file),
        cmocka_unit_test(test_what_is_wrong_is_told_with_its_place),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
