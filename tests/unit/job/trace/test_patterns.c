/* tests/unit/job/trace/test_patterns.c - mirrors core/job/trace/patterns.c and patterns_forms.c. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "core/base/mem.h"
#include "core/base/str.h"
#include "core/job/trace/masker.h"
#include "core/job/trace/patterns.h"

static void test_job_execution_10_3_values_are_trimmed_and_empty_ones_and_duplicates_dropped(
    void **unused)
{
    struct patterns patterns = { 0 };
    static const char *const values[] = { " pw ", "pw", "", " \t\r\n", "\npw\n", "p w" };

    for (size_t i = 0; i < ARRAY_LEN(values); i++)
        assert_int_equal(patterns_add(&patterns, values[i], NULL), 0);
    assert_int_equal(patterns.count, 2);
    assert_int_equal(patterns.items[0].len, 2);
    assert_memory_equal(patterns.items[0].data, "pw", 2);
    assert_memory_equal(patterns.items[1].data, "p w", 3);
    patterns_done(&patterns);
}

static int add_sized(struct patterns *patterns, size_t number, size_t len, struct error *err)
{
    autofree char *value = mem_alloc(len + 1);

    assert_non_null(value);
    memset(value, 'a', len);
    value[len] = '\0';
    for (size_t i = 0; i < 8 && i < len; i++)
        value[i] = (char) ('0' + (number >> (4 * i) & 15));
    return patterns_add(patterns, value, err);
}

static void test_limits_are_refused_with_a_sentence(void **unused)
{
    static const struct {
        const char *why, *sentence;
        size_t accepted, len, one_more;
    } cases[] = {
        { "1,000 values", "more than 1000 values", 1000, 8, 8 },
        { "64 KiB a value", "has 65537 bytes", 1, 64 * 1024, 64 * 1024 + 1 },
        { "1 MiB together", "more than 1048576 bytes together", 16, 64 * 1024, 8 },
    };

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct patterns patterns = { 0 };
        struct error err = { 0 };

        for (size_t n = 0; n < cases[i].accepted; n++)
            if (add_sized(&patterns, n, cases[i].len, &err) != 0)
                fail_msg("%s: value %zu refused: %s", cases[i].why, n, err.message);
        if (add_sized(&patterns, cases[i].accepted, cases[i].one_more, &err) != -E2BIG ||
            !strstr(err.message, cases[i].sentence))
            fail_msg("%s: %d, %s", cases[i].why, err.code, err.message);
        assert_int_equal(add_sized(&patterns, 0, cases[i].len, &err), 0);
        assert_int_equal(patterns.count, cases[i].accepted);
        patterns_done(&patterns);
    }
}

static void mask(const char *secret, bool encodings, const char *text, struct buf *out)
{
    struct patterns given = { 0 }, all = { 0 };
    struct masker_rules rules;
    struct masker masker;

    assert_int_equal(patterns_add(&given, secret, NULL), 0);
    assert_int_equal(patterns_expand(&given, encodings, &all), 0);
    assert_int_equal(masker_rules_init(&rules, &all, AUTOMATON_HEAD), 0);
    masker_init(&masker, &rules);
    assert_int_equal(masker_write(&masker, text, strlen(text), out), 0);
    assert_int_equal(masker_end(&masker, false, out), 0);
    masker_done(&masker);
    masker_rules_done(&rules);
    patterns_done(&given);
}

static void test_encoded_forms_are_masked(void **unused)
{
    static const struct {
        const char *why, *secret, *text, *want;
    } cases[] = {
        { "JSON escape", "pa\"ss\\word\ttab", "{\"p\":\"pa\\\"ss\\\\word\\ttab\"}",
          "{\"p\":\"[MASKED]\"}" },
        { "JSON escape of another control byte", "pass\001word", "pass\\u0001word", "[MASKED]" },
        { "percent, upper case", "p/ss w+rd=", "x=p%2Fss%20w%2Brd%3D&", "x=[MASKED]&" },
        { "percent, lower case", "p/ss w+rd=", "x=p%2fss%20w%2brd%3d&", "x=[MASKED]&" },
        { "set -x of bash", "it's a secret", "+ echo 'it'\\''s a secret'", "+ echo '[MASKED]'" },
        { "set -x of dash", "it's a secret", "+ echo 'it'\"'\"'s a secret'", "+ echo '[MASKED]'" },
        { "set -x of bash with control bytes", "it's\nsecret\\\033",
          "+ echo $'it\\'s\\nsecret\\\\\\E'", "+ echo $'[MASKED]'" },
        { "set -x of bash, octal", "pass\001word", "+ : $'pass\\001word'", "+ : $'[MASKED]'" },
        { "lines of 8 bytes and more", "line one\n  line two \nshort", "line two, short",
          "[MASKED], short" },
        { "hardening_33: line feeds as CR LF", "line one\nx\nline two", "line one\r\nx\r\nline two",
          "[MASKED]" },
        { "hardening_33: a line alone", "line one\nx\nline two", "\r\nline one\r\n",
          "\r\n[MASKED]\r\n" },
        { "7 bytes have no forms", "p/sswrd", "p%2Fsswrd", "p%2Fsswrd" },
    };

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        autobuf struct buf with = BUF_INIT, without = BUF_INIT;

        mask(cases[i].secret, true, cases[i].text, &with);
        if (!str_eq(buf_str(&with), cases[i].want))
            fail_msg("%s: \"%s\", not \"%s\"", cases[i].why, buf_str(&with), cases[i].want);
        mask(cases[i].secret, false, cases[i].text, &without);
        if (!str_eq(buf_str(&without), cases[i].text))
            fail_msg("%s: masked although encodings are off", cases[i].why);
    }
}

/* Base64 by base64_encode() around secrets of all lengths modulo 3 at all offsets: at most one
 * character at each side, which a neighbour's bits are in, may be left over of the secret's. */
static void test_hardening_32_base64_of_a_secret_inside_other_text(void **unused)
{
    static const char *const secrets[] = { "\xfb\xff secret", "\xfb\xff secret!",
                                           "\xfb\xff secret!?" };

    for (size_t i = 0; i < ARRAY_LEN(secrets); i++) {
        for (size_t before = 0; before < 5; before++) {
            for (int url = 0; url < 2; url++) {
                autobuf struct buf plain = BUF_INIT, encoded = BUF_INIT, out = BUF_INIT;
                size_t len = strlen(secrets[i]), shown;
                const char *masked;

                buf_add(&plain, "xxxxx", before);
                buf_add_str(&plain, secrets[i]);
                buf_add_str(&plain, "yy");
                assert_int_equal(base64_encode(&encoded, plain.data, plain.len), 0);
                for (size_t c = 0; url && c < encoded.len; c++)
                    encoded.data[c] = (char) (encoded.data[c] == '+'   ? '-'
                                              : encoded.data[c] == '/' ? '_'
                                                                       : encoded.data[c]);
                mask(secrets[i], true, buf_str(&encoded), &out);
                masked = strstr(buf_str(&out), "[MASKED]");
                if (!masked)
                    fail_msg("\"%s\" at %zu is shown: %s", secrets[i], before, buf_str(&out));
                shown = out.len - strlen("[MASKED]");
                assert_true(encoded.len - shown >= 8 * len / 6 - 1);
                assert_true((size_t) (masked - out.data) <= (8 * before + 5) / 6);
            }
        }
    }
}

static void test_sorting_puts_a_prefix_first_and_drops_duplicates(void **unused)
{
    static const char *const values[] = { "b", "ab", "abc", "ab", "a", "b" };
    static const char *const sorted[] = { "a", "ab", "abc", "b" };
    struct patterns patterns = { 0 };

    for (size_t i = 0; i < ARRAY_LEN(values); i++)
        assert_int_equal(patterns_append(&patterns, values[i], strlen(values[i])), 0);
    patterns_sort(&patterns);
    assert_int_equal(patterns.count, ARRAY_LEN(sorted));
    for (size_t i = 0; i < ARRAY_LEN(sorted); i++) {
        assert_int_equal(patterns.items[i].len, strlen(sorted[i]));
        assert_memory_equal(patterns.items[i].data, sorted[i], strlen(sorted[i]));
    }
    assert_int_equal(patterns.bytes, 7);
    patterns_done(&patterns);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(
            test_job_execution_10_3_values_are_trimmed_and_empty_ones_and_duplicates_dropped),
        cmocka_unit_test(test_limits_are_refused_with_a_sentence),
        cmocka_unit_test(test_encoded_forms_are_masked),
        cmocka_unit_test(test_hardening_32_base64_of_a_secret_inside_other_text),
        cmocka_unit_test(test_sorting_puts_a_prefix_first_and_drops_duplicates),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
