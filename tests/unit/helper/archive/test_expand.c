/* tests/unit/helper/archive/test_expand.c - mirrors helper/archive/expand.c and arithmetic.c. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>

#include "core/base/mem.h"
#include "core/base/str.h"
#include "helper/archive/arithmetic.h"
#include "helper/archive/expand.h"
#include "tests/harness/harness.h"

static const char *lookup(void *ctx, const char *name)
{
    static const struct {
        const char *name, *value;
    } variables[] = {
        { "V", "val ue" },
        { "EMPTY", "" },
        { "N", "7" },
        { "NEG", "-3" },
        { "P", "a/b/c.tar.gz" },
        { "W", "V" },
        { "SHA", "0123456789abcdef" },
    };

    (void) ctx;
    for (size_t i = 0; i < ARRAY_LEN(variables); i++)
        if (str_eq(variables[i].name, name))
            return variables[i].value;
    return NULL;
}

static const struct expand_source source = { .lookup = lookup };

struct row {
    const char *text, *want;
};

static void check(const struct row *rows, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        autofree char *got = NULL;
        struct error err = { 0 };

        if (expand_text(rows[i].text, &source, &got, &err) < 0)
            fail_msg("%s: %s", rows[i].text, err.message);
        if (!str_eq(got, rows[i].want))
            fail_msg("%s: got %s, want %s", rows[i].text, got, rows[i].want);
    }
}

static void test_job_execution_10_2_expand(void **unused)
{
    static const struct row rows[] = {
        { "$V/x", "val ue/x" }, { "${U:-dflt}", "dflt" }, { "${V%ue}", "val " },
        { "$((1+2))", "3" },    { "a\\$V", "a$V" },       { "'$V'", "'val ue'" },
        { "~", "~" },           { "C:\\dir", "C:\\dir" },
    };

    (void) unused;
    check(rows, ARRAY_LEN(rows));
}

static void test_job_execution_10_2_expand_runs_no_commands(void **unused)
{
    static const char *const refused[] = { "$(echo hi)", "`id`", "${U:-$(id)}", "$(($(id)))",
                                           "a/$(id)/b" };

    (void) unused;
    for (size_t i = 0; i < ARRAY_LEN(refused); i++) {
        struct error err = { 0 };
        char *got = NULL;

        assert_int_equal(expand_text(refused[i], &source, &got, &err), -EINVAL);
        assert_null(got);
        assert_string_equal(err.message, "commands in paths are not run");
    }
}

static void test_parameters(void **unused)
{
    static const struct row rows[] = {
        { "", "" },
        { "plain text", "plain text" },
        { "$UNSET.", "." },
        { "${EMPTY:-d}", "d" },
        { "${EMPTY-d}", "d" }, /* an empty value is an unset one */
        { "${V:-d}", "val ue" },
        { "${V:+set}${U:+set}", "set" },
        { "${U:=d}", "d" },
        { "${V:?gone}", "val ue" },
        { "${#V}", "6" },
        { "${P%.*}", "a/b/c.tar" },
        { "${P%%.*}", "a/b/c" },
        { "${P#*/}", "b/c.tar.gz" },
        { "${P##*/}", "c.tar.gz" },
        { "${P%nothing}", "a/b/c.tar.gz" },
        { "${SHA:0:8}", "01234567" },
        { "${SHA:8}", "89abcdef" },
        { "${SHA: -2}", "ef" },
        { "${SHA:0:-14}", "01" },
        { "${SHA:99:1}${SHA:4:0}", "" },
        { "${U:-${W:-x}}", "V" },
        { "${U:-a\\}b}", "a}b" },
        { "$W", "V" }, /* expanded once */
        { "\\\\$V", "\\val ue" },
        { "\\`", "`" },
        { "\\n", "\\n" },
        { "a$", "a$" },
        { "$/x", "$/x" },
        { "$1$@x", "x" },
        { "*.{a,b}", "*.{a,b}" },
        { "$\xc3\xa9", "$\xc3\xa9" },
    };

    (void) unused;
    check(rows, ARRAY_LEN(rows));
}

static void test_arithmetic(void **unused)
{
    static const struct {
        const char *text;
        int64_t want;
    } rows[] = {
        { "", 0 },
        { "1 + 2 * 3", 7 },
        { "(1 + 2) * 3", 9 },
        { "2 ** 3 ** 2", 512 },
        { "10 - 4 - 3", 3 },
        { "7 / 2 + 7 % 2", 4 },
        { "-7 / 2", -3 },
        { "N + 1", 8 },
        { "NEG * 2", -6 },
        { "V + U", 0 },
        { "0x1F + 010", 39 },
        { "!0 + !5", 1 },
        { "~0", -1 },
        { "1 << 4 | 1", 17 },
        { "6 & 3 ^ 1", 3 },
        { "1 < 2 && 2 <= 2 || 0", 1 },
        { "3 > 4", 0 },
        { "4 >= 4", 1 },
        { "1 == 1", 1 },
        { "1 != 1", 0 },
        { "16 >> 2", 4 },
        { "N > 5 ? 1 : 2", 1 },
        { "0 ? 1 : 0 ? 2 : 3", 3 },
        { "9223372036854775807 + 1", INT64_MIN },
        { "(0 - 9223372036854775807 - 1) / -1", INT64_MIN },
    };

    (void) unused;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct error err = { 0 };
        int64_t got = 99;

        if (arithmetic_value(rows[i].text, &source, &got, &err) < 0)
            fail_msg("%s: %s", rows[i].text, err.message);
        if (got != rows[i].want)
            fail_msg("%s: got %lld", rows[i].text, (long long) got);
    }
}

static void test_what_cannot_be_read_is_said(void **unused)
{
    static const struct row rows[] = {
        { "${", "names no variable" },      { "${}", "names no variable" },
        { "${A", "goes on with" },          { "${A }", "goes on with" },
        { "${A:-x", "without \"}\"" },      { "${A%", "without \"}\"" },
        { "${#A", "without \"}\"" },        { "${V:1:2", "without \"}\"" },
        { "${V^^}", "goes on with" },       { "$((1", "without \"))\"" },
        { "$((1+))", "cannot be read" },    { "$((1 1))", "cannot be read" },
        { "$((1 ? 2))", "cannot be read" }, { "$(((1))", "without \"))\"" },
        { "$((1/0))", "division by zero" }, { "$((1%U))", "division by zero" },
        { "$((2 ** -1))", "exponent" },     { "${U:?is needed}", "U: is needed" },
        { "${U:?}", "U: not set" },
    };

    (void) unused;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct error err = { 0 };
        char *got = NULL;

        if (expand_text(rows[i].text, &source, &got, &err) != -EINVAL || got)
            fail_msg("%s: taken", rows[i].text);
        if (!strstr(err.message, rows[i].want))
            fail_msg("%s: %s", rows[i].text, err.message);
    }
}

/* What nests without end is refused before the stack is. */
static void test_depth(void **unused)
{
    autobuf struct buf braces = BUF_INIT, parentheses = BUF_INIT, signs = BUF_INIT;
    struct error err = { 0 };
    char *got = NULL;

    (void) unused;
    buf_add_str(&parentheses, "$((");
    buf_add_str(&signs, "$((");
    for (int i = 0; i < 100000; i++) {
        buf_add_str(&braces, "${U:-");
        buf_add_str(&parentheses, "(");
        buf_add_str(&signs, "- ");
    }
    for (int i = 0; i < 100000; i++)
        buf_add_str(&parentheses, ")");
    buf_add_str(&parentheses, "))");
    buf_add_str(&signs, "1))");
    assert_int_equal(expand_text(buf_str(&braces), &source, &got, &err), -EINVAL);
    assert_int_equal(expand_text(buf_str(&parentheses), &source, &got, &err), -EINVAL);
    assert_int_equal(expand_text(buf_str(&signs), &source, &got, &err), -EINVAL);
}

static int expand_something(void *arg)
{
    autofree char *got = NULL;

    (void) arg;
    return expand_text("$V ${U:-${P%.*}} $((N+1)) ${SHA:1:2}", &source, &got, NULL);
}

static void test_without_memory(void **unused)
{
    (void) unused;
    harness_need_faults();
    assert_true(harness_fail_each_allocation(expand_something, NULL) > 5);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_job_execution_10_2_expand),
        cmocka_unit_test(test_job_execution_10_2_expand_runs_no_commands),
        cmocka_unit_test(test_parameters),
        cmocka_unit_test(test_arithmetic),
        cmocka_unit_test(test_what_cannot_be_read_is_said),
        cmocka_unit_test(test_depth),
        cmocka_unit_test(test_without_memory),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
