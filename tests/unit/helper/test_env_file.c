/* tests/unit/helper/test_env_file.c - mirrors helper/env_file.c and helper/job_environment.c: the two
 * kinds of file that bring variables. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/base/fs.h"
#include "core/base/str.h"
#include "helper/env_file.h"
#include "helper/job_environment.h"

/* A file with this content; its name. */
static const char *file_of(const char *content)
{
    static char name[64];
    autoclose int fd = -1;

    (void) str_copy(name, sizeof(name), "/tmp/flotilla-env-XXXXXX");
    fd = mkostemp(name, O_CLOEXEC);
    assert_true(fd >= 0);
    assert_int_equal(fs_write_all(fd, content, strlen(content)), 0);
    return name;
}

static void test_a_file_of_credentials(void **unused)
{
    static const char content[] =
        "# comment\n\nPLAIN=a b\nQUOTED=\"a \\\"b\\\" \\\\ $HOME `x`\\nc\\rd\"\n"
        "SINGLE='a\\n'\nEMPTY=\"\"\nPLAIN=last\nno line\n=nobody";
    const char *name = file_of(content);
    auto_env_file struct env_file file = { 0 };
    struct error err = { 0 };

    (void) unused;
    assert_int_equal(env_file_read(name, &file, &err), 0);
    (void) unlink(name);
    assert_int_equal(file.n, 5);
    assert_string_equal(env_file_get(&file, "PLAIN"), "last");
    assert_string_equal(env_file_get(&file, "QUOTED"), "a \"b\" \\ $HOME `x`\nc\rd");
    assert_string_equal(env_file_get(&file, "SINGLE"), "a\\n");
    assert_string_equal(env_file_get(&file, "EMPTY"), "");
    assert_null(env_file_get(&file, "PLAI"));
    assert_int_equal(setenv("PLAIN", "of the environment", 1), 0);
    assert_int_equal(setenv("OTHER", "o", 1), 0);
    assert_string_equal(env_file_get(&file, "PLAIN"), "last");
    assert_string_equal(env_file_get(&file, "OTHER"), "o");
}

static void test_no_file_of_credentials(void **unused)
{
    struct env_file file;
    struct error err = { 0 };

    (void) unused;
    assert_int_equal(env_file_read(NULL, &file, &err), 0);
    assert_int_equal(env_file_read("", &file, &err), 0);
    assert_int_equal(env_file_read("/nowhere/at all", &file, &err), -ENOENT);
    assert_non_null(strstr(err.message, "/nowhere/at all"));
}

static void test_what_scripts_have_left(void **unused)
{
    static const struct {
        const char *content, *want; /* of X; NULL = not set */
        int r;
    } cases[] = {
        { "X=1\n", "1", 0 },
        { "  X=a b=c \t\n", "a b=c", 0 },
        { "X=\"$Y\\n\"\n", "\"$Y\\n\"", 0 },
        { "X=1\nX=2\n", "2", 0 },
        { "X=cut", NULL, 0 }, /* a last line without its end */
        { "X\n", NULL, 0 },
        { "X=\n", "", 0 },
        { "X=1\n\n", "1", -EINVAL },
        { "   \nX=1\n", NULL, -EINVAL },
        { "1X=1\n", NULL, -EINVAL },
        { "A-B=1\n", NULL, -EINVAL },
        { "=1\n", NULL, -EINVAL },
        { "", NULL, 0 },
    };

    (void) unused;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        const char *name = file_of(cases[i].content), *got;
        struct error err = { 0 };
        int r;

        (void) unsetenv("X");
        r = job_environment_take(name, &err);
        (void) unlink(name);
        got = getenv("X");
        if (r != cases[i].r || (got != NULL) != (cases[i].want != NULL) ||
            (got && !str_eq(got, cases[i].want)) || (r < 0) != (*err.message != '\0'))
            fail_msg("'%s': %d '%s'", cases[i].content, r, got ? got : "(none)");
    }
    assert_int_equal(job_environment_take("/nowhere/at all", NULL), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_file_of_credentials),
        cmocka_unit_test(test_no_file_of_credentials),
        cmocka_unit_test(test_what_scripts_have_left),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
