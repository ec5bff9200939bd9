/* tests/unit/job/test_variables.c - mirrors core/job/variables.c. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <string.h>

#include "core/base/mem.h"
#include "core/base/str.h"
#include "core/job/variables.h"
#include "tests/harness/harness.h"

#define MIB ((size_t) 1024 * 1024)

#define autovariables __attribute__((cleanup(variables_done)))

static json_t *parse(const char *text)
{
    json_t *array = NULL;
    struct error err = { 0 };

    if (json_parse(text, strlen(text), &array, &err) < 0)
        fail_msg("%s: %s", text, err.message);
    return array;
}

static void add(struct variables *list, const char *text)
{
    autojson json_t *array = parse(text);
    struct error err = { 0 };
    size_t skipped = 0;

    if (variables_add_payload(list, array, &skipped, &err) < 0)
        fail_msg("%s: %s", text, err.message);
    assert_int_equal(skipped, 0);
}

static void expand(struct variables *list)
{
    struct error err = { 0 };

    if (variables_expand(list, "/b/p.tmp", &err) < 0)
        fail_msg("%s", err.message);
}

/* job-execution.md 10.1, the table. */
static void test_job_execution_10_1_expansion(void **unused)
{
    static const struct {
        const char *input, *want;
    } cases[] = {
        { "$A", "alpha" },
        { "${A}B", "alphaB" },
        { "$AB", "ab" },
        { "$A-x", "alpha-x" },
        { "$A$A", "alphaalpha" },
        { "$$", "$" },
        { "$$A", "$A" },
        { "\\$A", "\\alpha" },
        { "'$A'", "'alpha'" },
        { "$_x", "ux" },
        { "$N", "$A" },
        { "%A%", "%A%" },
        { "$/y", "$/y" },
        { "x$", "x$" },
        { "$", "$" },
        { "${", "" },
        { "${A", "A" },
        { "${}", "" },
        { "${A:-d}", "" },
        { "${A }", "" },
        { "$1", "" },
        { "$10", "0" },
        { "a$@b", "ab" },
        { "$UNSET.", "." },
        { "$\xc3\xa9", "$\xc3\xa9" },
        { "${$}", "$" },
        { "a${A", "aA" },
        { "$-", "" },
    };

    (void) unused;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        autovariables struct variables list = { 0 };

        add(&list, "[{\"key\":\"A\",\"value\":\"alpha\"},{\"key\":\"AB\",\"value\":\"ab\"},"
                   "{\"key\":\"_x\",\"value\":\"ux\"},{\"key\":\"N\",\"value\":\"$A\"}]");
        assert_int_equal(variables_add(&list, "V", cases[i].input), 0);
        expand(&list);
        if (!str_eq(variables_get(&list, "V"), cases[i].want))
            fail_msg("%s: \"%s\", not \"%s\"", cases[i].input, variables_get(&list, "V"),
                     cases[i].want);
        assert_string_equal(variables_get(&list, "N"), "alpha");
    }
}

static void assert_values(const struct variables *list, const char *want)
{
    autobuf struct buf got = BUF_INIT;

    for (size_t i = 0; i < list->n; i++)
        buf_addf(&got, "%s=%s ", list->items[i].key, variable_value(&list->items[i]));
    assert_string_equal(buf_str(&got), want);
}

static void test_places_in_the_order_are_kept(void **unused)
{
    autovariables struct variables list = { 0 };

    (void) unused;
    assert_int_equal(variables_add(&list, "A", ""), 0);
    add(&list, "[{\"key\":\"B\",\"value\":\"$A\"},{\"key\":\"A\",\"value\":\"2\",\"file\":true}]");
    assert_int_equal(variables_fill(&list, "A", "1"), 0);
    assert_int_equal(variables_fill(&list, "C", "3"), 0);
    assert_values(&list, "A=1 B=$A A=2 C=3 ");
    assert_int_equal(variables_settle(&list, "A", "4"), 0);
    expand(&list);
    assert_values(&list, "A=4 B=4 C=3 ");
    assert_int_equal(variables_settle(&list, "D", "5"), 0);
    assert_string_equal(variables_get(&list, "D"), "5");
}

static void test_raw_is_left_alone(void **unused)
{
    autovariables struct variables list = { 0 };

    (void) unused;
    add(&list, "[{\"key\":\"A\",\"value\":\"x\"},{\"key\":\"R\",\"value\":\"$A\",\"raw\":true}]");
    expand(&list);
    assert_string_equal(variables_get(&list, "R"), "$A");
}

/* job-execution.md 10.1, cases 1 and 2. */
static void test_job_execution_10_1_1_and_2_files_and_the_last_definition(void **unused)
{
    autovariables struct variables list = { 0 };

    (void) unused;
    add(&list, "[{\"key\":\"F\",\"value\":\"content $V\",\"file\":true},"
               "{\"key\":\"R\",\"value\":\"${F}.txt\"},{\"key\":\"V\",\"value\":\"first\"},"
               "{\"key\":\"V\",\"value\":\"second\"}]");
    expand(&list);
    assert_string_equal(variables_get(&list, "F"), "content second");
    assert_string_equal(variables_get(&list, "R"), "/b/p.tmp/F.txt");
    assert_string_equal(variables_get(&list, "V"), "second");
    assert_null(variables_get(&list, "U"));
}

/* Once what the directories are is known; a mask that is set no longer fits then. */
static void test_expanding_again_follows_the_directories(void **unused)
{
    autovariables struct variables list = { 0 };
    struct error err = { 0 };

    (void) unused;
    add(&list,
        "[{\"key\":\"P\",\"value\":\"$CI_PROJECT_DIR/bin:$PATH\"},"
        "{\"key\":\"M\",\"value\":\"$S-\",\"masked\":true},{\"key\":\"S\",\"value\":\"s\"}]");
    expand(&list);
    list.masks_set = true;
    assert_string_equal(variables_get(&list, "P"), "/bin:");
    assert_int_equal(variables_add(&list, "CI_PROJECT_DIR", "/b/p"), 0);
    expand(&list);
    assert_string_equal(variables_get(&list, "P"), "/b/p/bin:");
    assert_string_equal(variables_get(&list, "M"), "s-");
    assert_int_equal(variables_add(&list, "S", "other"), 0);
    assert_int_equal(variables_expand(&list, "/b/p.tmp", &err), -EINVAL);
    assert_non_null(strstr(err.message, "variable M: is masked"));
}

static void test_hardening_12_names_that_no_shell_takes(void **unused)
{
    static const char *const bad[] = { "A}B", "A=B", "1A", "\xc3\x89", "", "a-b", "a\\nb" };
    autovariables struct variables list = { 0 };
    autobuf struct buf text = BUF_INIT;
    struct error err = { 0 };
    size_t skipped = 0;

    (void) unused;
    buf_add_str(&text, "[{\"key\":\"GOOD\",\"value\":\"1\"}");
    for (size_t i = 0; i < ARRAY_LEN(bad); i++)
        buf_addf(&text, ",{\"key\":\"%s\",\"value\":\"2\"}", bad[i]);
    buf_add_str(&text, ",{\"key\":\"");
    for (size_t i = 0; i < 10240; i++)
        buf_add_char(&text, 'K');
    buf_add_str(&text, "\",\"value\":\"3\"}]");
    {
        autojson json_t *array = parse(buf_str(&text));

        assert_int_equal(variables_add_payload(&list, array, &skipped, &err), 0);
    }
    assert_int_equal(skipped, ARRAY_LEN(bad) + 1);
    assert_int_equal(list.n, 1);
    assert_string_equal(list.items[0].key, "GOOD");
}

static void test_hardening_13_nul_refuses_the_job_by_name(void **unused)
{
    autovariables struct variables list = { 0 };
    autojson json_t *array = parse("[{\"key\":\"BAD\",\"value\":\"x\\u0000y\"}]");
    struct error err = { 0 };
    size_t skipped = 0;

    (void) unused;
    assert_int_equal(variables_add_payload(&list, array, &skipped, &err), -EINVAL);
    assert_string_equal(err.message, "variable BAD: value: has a NUL byte");
}

/* An array of `n` variables K0, K1, ... of `len` bytes each. */
static json_t *array_of(size_t n, size_t len)
{
    json_t *array = json_object_new_array();
    autofree char *value = mem_alloc(len + 1);

    assert_non_null(value);
    memset(value, 'v', len);
    value[len] = '\0';
    for (size_t i = 0; i < n; i++) {
        json_t *item = json_object_new_object();
        autofree char *key = mem_printf("K%zu", i);

        assert_int_equal(json_add_str(item, "key", key), 0);
        assert_int_equal(json_add_str(item, "value", value), 0);
        assert_int_equal(json_object_array_add(array, item), 0);
    }
    return array;
}

static void test_hardening_14_and_v5_lengths(void **unused)
{
    static const struct {
        const char *why;
        size_t n, len;
        int want;
    } cases[] = {
        { "the longest value", 1, MIB, 0 },    { "one byte more", 1, MIB + 1, -EFBIG },
        { "the most together", 16, MIB, 0 },   { "one variable more", 17, MIB, -EFBIG },
        { "the most variables", 10000, 1, 0 }, { "one more", 10001, 1, -E2BIG },
    };

    (void) unused;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        autovariables struct variables list = { 0 };
        autojson json_t *array = array_of(cases[i].n, cases[i].len);
        struct error err = { 0 };
        size_t skipped = 0;
        int r = variables_add_payload(&list, array, &skipped, &err);

        if (r != cases[i].want)
            fail_msg("%s: %d, not %d: %s", cases[i].why, r, cases[i].want, err.message);
    }
}

/* 61 variables of the payload once made a gigabyte. */
static void test_v5_holds_after_expansion(void **unused)
{
    static const struct {
        const char *why;
        size_t references, copies;
        const char *want; /* in the sentence; NULL = accepted */
    } cases[] = {
        { "to the byte", 16, 1, NULL },
        { "one value too long", 17, 1, "variable V0: is longer than 1048576 bytes" },
        { "all together", 16, 15, NULL },
        { "all together too long", 16, 16, "variable V15: all together are longer" },
    };

    (void) unused;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        autovariables struct variables list = { 0 };
        autofree char *block = mem_alloc(MIB / 16 + 1);
        autobuf struct buf value = BUF_INIT;
        struct error err = { 0 };
        int r;

        assert_non_null(block);
        memset(block, 'v', MIB / 16);
        block[MIB / 16] = '\0';
        assert_int_equal(variables_add(&list, "A", block), 0);
        for (size_t k = 0; k < cases[i].references; k++)
            buf_add_str(&value, "${A}");
        for (size_t k = 0; k < cases[i].copies; k++) {
            autofree char *key = mem_printf("V%zu", k);

            assert_int_equal(variables_add(&list, key, buf_str(&value)), 0);
        }
        r = variables_expand(&list, "/t", &err);
        if (!cases[i].want ? r != 0 : r != -EFBIG || !strstr(err.message, cases[i].want))
            fail_msg("%s: %d, %s", cases[i].why, r, err.message);
    }
}

static void test_flags_in_the_forms_of_go(void **unused)
{
    static const struct {
        const char *value;
        bool fallback, want;
    } cases[] = {
        { "true", false, true },  { "1", false, true },    { "T", false, true },
        { "false", true, false }, { "0", true, false },    { "F", true, false },
        { "yes", true, true },    { "yes", false, false }, { "", true, true },
        { "tRUE", false, false },
    };

    (void) unused;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        autovariables struct variables list = { 0 };

        assert_int_equal(variables_add(&list, "F", cases[i].value), 0);
        if (variables_flag(&list, "F", cases[i].fallback) != cases[i].want)
            fail_msg("%s", cases[i].value);
    }
}

static int build_and_expand(void *arg)
{
    autovariables struct variables list = { 0 };
    size_t skipped = 0;
    int r = variables_add_payload(&list, arg, &skipped, NULL);

    if (r == 0)
        r = variables_add(&list, "W", "$K0$K1");
    return r == 0 ? variables_expand(&list, "/t", NULL) : r;
}

static void test_out_of_memory_is_an_error(void **unused)
{
    autojson json_t *array = array_of(3, 10);

    (void) unused;
    harness_need_faults();
    assert_true(harness_fail_each_allocation(build_and_expand, array) > 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_job_execution_10_1_expansion),
        cmocka_unit_test(test_places_in_the_order_are_kept),
        cmocka_unit_test(test_raw_is_left_alone),
        cmocka_unit_test(test_job_execution_10_1_1_and_2_files_and_the_last_definition),
        cmocka_unit_test(test_expanding_again_follows_the_directories),
        cmocka_unit_test(test_hardening_12_names_that_no_shell_takes),
        cmocka_unit_test(test_hardening_13_nul_refuses_the_job_by_name),
        cmocka_unit_test(test_hardening_14_and_v5_lengths),
        cmocka_unit_test(test_v5_holds_after_expansion),
        cmocka_unit_test(test_flags_in_the_forms_of_go),
        cmocka_unit_test(test_out_of_memory_is_an_error),
    };

    return cmocka_run_group_tests_name("job-variables", tests, NULL, NULL);
}
