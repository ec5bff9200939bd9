/* tests/unit/exec/test_ci_glob.c - mirrors core/exec/ci_glob.c. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "core/base/buf.h"
#include "core/base/str.h"
#include "core/exec/ci_glob.h"

static void test_patterns_match_paths(void **unused)
{
    static const struct {
        const char *pattern, *path;
        bool want;
        enum ci_glob_stars stars;
    } cases[] = {
        { "Makefile", "Makefile", true, CI_GLOB_FOLDERS },
        { "Makefile", "src/Makefile", false, CI_GLOB_FOLDERS },
        { "*.c", "a.c", true, CI_GLOB_FOLDERS },
        { "*.c", "src/a.c", false, CI_GLOB_FOLDERS },
        { "*", ".hidden", true, CI_GLOB_FOLDERS },
        { "src/*", "src/a/b.c", false, CI_GLOB_FOLDERS },
        { "src/**/*", "src/a/b.c", true, CI_GLOB_FOLDERS },
        { "src/**/*", "src/b.c", true, CI_GLOB_FOLDERS },
        { "src/**/*", "srcs/b.c", false, CI_GLOB_FOLDERS },
        { "**/*.c", "a.c", true, CI_GLOB_FOLDERS },
        { "**/*.c", "x/y/z/a.c", true, CI_GLOB_FOLDERS },
        { "**/test/*.c", "x/test/a.c", true, CI_GLOB_FOLDERS },
        { "**/test/*.c", "xtest/a.c", false, CI_GLOB_FOLDERS },
        { "src/**", "src/a/b.c", false, CI_GLOB_FOLDERS },
        { "a**/b.c", "ax/b.c", true, CI_GLOB_FOLDERS },
        { "a**/b.c", "ax/y/b.c", false, CI_GLOB_FOLDERS },
        { "src/**.c", "src/a/b.c", false, CI_GLOB_FOLDERS },
        { "ci/**.yml", "ci/a/b.yml", true, CI_GLOB_ANYTHING },
        { "ci/**.yml", "ci/b.yml", true, CI_GLOB_ANYTHING },
        { "ci/**/*.yml", "ci/b.yml", false, CI_GLOB_ANYTHING },
        { "ci/*.yml", "ci/a/b.yml", false, CI_GLOB_ANYTHING },
        { "a?c", "abc", true, CI_GLOB_FOLDERS },
        { "a?c", "a/c", false, CI_GLOB_FOLDERS },
        { "[ab].c", "b.c", true, CI_GLOB_FOLDERS },
        { "[a-c].c", "b.c", true, CI_GLOB_FOLDERS },
        { "[^a-c].c", "b.c", false, CI_GLOB_FOLDERS },
        { "[!x].c", "b.c", true, CI_GLOB_FOLDERS },
        { "[]].c", "].c", true, CI_GLOB_FOLDERS },
        { "[b.c", "b.c", false, CI_GLOB_FOLDERS },
        { "*.{c,h}", "a.h", true, CI_GLOB_FOLDERS },
        { "*.{c,h}", "a.cc", false, CI_GLOB_FOLDERS },
        { "{src,{lib,bin}}/*", "bin/x", true, CI_GLOB_FOLDERS },
        { "{src", "{src", false, CI_GLOB_FOLDERS },
        { "\\*", "*", true, CI_GLOB_FOLDERS },
        { "\\*", "a", false, CI_GLOB_FOLDERS },
        { "", "", true, CI_GLOB_FOLDERS },
        { "a", "", false, CI_GLOB_FOLDERS },
    };

    (void) unused;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++)
        if (ci_glob_match(cases[i].pattern, cases[i].path, cases[i].stars) != cases[i].want)
            fail_msg("'%s' and '%s'", cases[i].pattern, cases[i].path);
}

static void test_a_hostile_pattern_ends(void **unused)
{
    autobuf struct buf pattern = BUF_INIT, path = BUF_INIT;

    (void) unused;
    for (int i = 0; i < 200; i++) {
        buf_add_str(&pattern, "*a");
        buf_add_str(&path, "aa");
    }
    buf_add_char(&pattern, 'b');
    assert_false(ci_glob_match(buf_str(&pattern), buf_str(&path), CI_GLOB_FOLDERS));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_patterns_match_paths),
        cmocka_unit_test(test_a_hostile_pattern_ends),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
