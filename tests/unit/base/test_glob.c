/* tests/unit/base/test_glob.c - mirrors core/base/glob.c. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "core/base/buf.h"
#include "core/base/glob.h"
#include "core/base/str.h"

static void test_patterns_match_paths(void **unused)
{
    static const struct {
        const char *pattern, *path;
        bool want;
        enum glob_stars stars;
    } cases[] = {
        { "Makefile", "Makefile", true, GLOB_FOLDERS },
        { "Makefile", "src/Makefile", false, GLOB_FOLDERS },
        { "*.c", "a.c", true, GLOB_FOLDERS },
        { "*.c", "src/a.c", false, GLOB_FOLDERS },
        { "*", ".hidden", true, GLOB_FOLDERS },
        { "src/*", "src/a/b.c", false, GLOB_FOLDERS },
        { "src/**/*", "src/a/b.c", true, GLOB_FOLDERS },
        { "src/**/*", "src/b.c", true, GLOB_FOLDERS },
        { "src/**/*", "srcs/b.c", false, GLOB_FOLDERS },
        { "**/*.c", "a.c", true, GLOB_FOLDERS },
        { "**/*.c", "x/y/z/a.c", true, GLOB_FOLDERS },
        { "**/test/*.c", "x/test/a.c", true, GLOB_FOLDERS },
        { "**/test/*.c", "xtest/a.c", false, GLOB_FOLDERS },
        { "src/**", "src/a/b.c", false, GLOB_FOLDERS },
        { "a**/b.c", "ax/b.c", true, GLOB_FOLDERS },
        { "a**/b.c", "ax/y/b.c", false, GLOB_FOLDERS },
        { "src/**.c", "src/a/b.c", false, GLOB_FOLDERS },
        { "ci/**.yml", "ci/a/b.yml", true, GLOB_ANYTHING },
        { "ci/**.yml", "ci/b.yml", true, GLOB_ANYTHING },
        { "ci/**/*.yml", "ci/b.yml", false, GLOB_ANYTHING },
        { "ci/*.yml", "ci/a/b.yml", false, GLOB_ANYTHING },
        { "a?c", "abc", true, GLOB_FOLDERS },
        { "a?c", "a/c", false, GLOB_FOLDERS },
        { "[ab].c", "b.c", true, GLOB_FOLDERS },
        { "[a-c].c", "b.c", true, GLOB_FOLDERS },
        { "[^a-c].c", "b.c", false, GLOB_FOLDERS },
        { "[!x].c", "b.c", true, GLOB_FOLDERS },
        { "[]].c", "].c", true, GLOB_FOLDERS },
        { "[b.c", "b.c", false, GLOB_FOLDERS },
        { "*.{c,h}", "a.h", true, GLOB_FOLDERS },
        { "*.{c,h}", "a.cc", false, GLOB_FOLDERS },
        { "{src,{lib,bin}}/*", "bin/x", true, GLOB_FOLDERS },
        { "{src", "{src", false, GLOB_FOLDERS },
        { "\\*", "*", true, GLOB_FOLDERS },
        { "\\*", "a", false, GLOB_FOLDERS },
        { "", "", true, GLOB_FOLDERS },
        { "a", "", false, GLOB_FOLDERS },
    };

    (void) unused;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++)
        if (glob_match(cases[i].pattern, cases[i].path, cases[i].stars) != cases[i].want)
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
    assert_false(glob_match(buf_str(&pattern), buf_str(&path), GLOB_FOLDERS));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_patterns_match_paths),
        cmocka_unit_test(test_a_hostile_pattern_ends),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
