/* tests/unit/job/trace/test_rules.c - mirrors core/job/trace/url_rules.c, token_rules.c and utf8.c:
 * the stages whose output must not depend on how their input is cut. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "core/base/str.h"
#include "core/job/trace/token_rules.h"
#include "core/job/trace/url_rules.h"
#include "core/job/trace/utf8.h"

struct stages {
    struct token_prefixes prefixes;
    struct url_rules url;
    struct token_rules token;
    struct utf8_repair utf8;
};

typedef void stage_fn(struct stages *stages, const char *data, size_t len, struct buf *out);

static void run_url(struct stages *stages, const char *data, size_t len, struct buf *out)
{
    url_rules_write(&stages->url, data, len, out);
}

static void run_token(struct stages *stages, const char *data, size_t len, struct buf *out)
{
    token_rules_write(&stages->token, data, len, out);
}

static void run_utf8(struct stages *stages, const char *data, size_t len, struct buf *out)
{
    utf8_repair_write(&stages->utf8, data, len, out);
}

/* In one piece, byte by byte, and in two pieces at every place. */
static void assert_output(const char *why, stage_fn *stage, const struct token_prefixes *prefixes,
                          const char *text, const char *want)
{
    size_t len = strlen(text);

    for (size_t cut = 0; cut <= len; cut++) {
        struct stages stages = { .token = { .prefixes = prefixes } };
        autobuf struct buf out = BUF_INIT;

        if (cut == 0) {
            for (size_t i = 0; i < len; i++)
                stage(&stages, text + i, 1, &out);
        } else {
            stage(&stages, text, cut, &out);
            stage(&stages, text + cut, len - cut, &out);
        }
        utf8_repair_end(&stages.utf8, &out);
        if (!str_eq(buf_str(&out), want))
            fail_msg("%s, cut at %zu: \"%s\", not \"%s\"", why, cut, buf_str(&out), want);
    }
}

static void test_values_of_secret_url_parameters_are_masked(void **unused)
{
    static const struct {
        const char *why, *text, *want;
    } cases[] = {
        { "coordinator_V21", "https://h/x?private_token=abc&y=1",
          "https://h/x?private_token=[MASKED]&y=1" },
        { "job_execution_10_3: any case, no parameter without a mark",
          "rss_token=1 http://h/?RSS_token=2", "rss_token=1 http://h/?RSS_token=[MASKED]" },
        { "job_execution_10_3: over two writes", "?x-amz-credential=foo&y=1",
          "?x-amz-credential=[MASKED]&y=1" },
        { "every name",
          "?authenticity_token=a&x-amz-signature=b&X-Amz-Credential=c&x-amz-security-token=d",
          "?authenticity_token=[MASKED]&x-amz-signature=[MASKED]&X-Amz-Credential=[MASKED]"
          "&x-amz-security-token=[MASKED]" },
        { "signed URLs of Google and Azure",
          "?X-Goog-Credential=a%2Fb&X-Goog-Signature=c https://h/x?sp=r&sig=d%3D&se=2",
          "?X-Goog-Credential=[MASKED]&X-Goog-Signature=[MASKED] "
          "https://h/x?sp=r&sig=[MASKED]&se=2" },
        { "a name that begins or ends like one", "?sign=a&asig=b", "?sign=a&asig=b" },
        { "an empty value", "?private_token=&y", "?private_token=[MASKED]&y" },
        { "at the end", "?private_token=", "?private_token=[MASKED]" },
        { "white space ends the value", "?rss_token=a b\tc", "?rss_token=[MASKED] b\tc" },
        { "a control byte ends the value", "?rss_token=a\033[0m", "?rss_token=[MASKED]\033[0m" },
        { "a question mark ends the value", "?rss_token=a?rss_token=b",
          "?rss_token=[MASKED]?rss_token=[MASKED]" },
        { "other names stay", "?token=a&my_private_token=b&private_tokens=c",
          "?token=a&my_private_token=b&private_tokens=c" },
        { "a mark inside a name begins anew", "?priv&&private_token=a",
          "?priv&&private_token=[MASKED]" },
        { "a long name", "?aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa=1&rss_token=2",
          "?aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa=1&rss_token=[MASKED]" },
        { "M3: a masked value is masked once", "?rss_token=[MASKED]", "?rss_token=[MASKED]" },
    };

    for (size_t i = 0; i < ARRAY_LEN(cases); i++)
        assert_output(cases[i].why, run_url, NULL, cases[i].text, cases[i].want);
}

static void test_what_follows_a_token_prefix_is_masked(void **unused)
{
    static const struct {
        const char *why, *text, *want;
        bool all;
    } cases[] = {
        { "coordinator_V21", "t=glpat-abc_DEF.123 end", "t=glpat-[MASKED] end", true },
        { "job_execution_10_3: up to another character", "glpat-abc.d=e/f", "glpat-[MASKED]/f",
          false },
        { "job_execution_10_3: nothing follows", "glpat- x", "glpat- x", true },
        { "job_execution_10_3: not only at the beginning of a word", "xglrt-t1_ab,",
          "xglrt-[MASKED],", true },
        { "case matters", "GLPAT-abc", "GLPAT-abc", true },
        { "other prefixes without the flag", "glrt-abc glpat-abc", "glrt-abc glpat-[MASKED]",
          false },
        { "the longest prefix", "_gitlab_session=0123 x", "_gitlab_session=[MASKED] x", true },
        { "a prefix inside a token", "glrt-glpat-abc d", "glrt-[MASKED] d", true },
        { "a prefix after its own beginning", "glglpat-abc glpatglpat-abc",
          "glglpat-[MASKED] glpatglpat-[MASKED]", true },
        { "tokens in a row", "glpat-a glrt-b\nglptt-c",
          "glpat-[MASKED] glrt-[MASKED]\nglptt-[MASKED]", true },
        { "what the masker masked", "glpat-[MASKED] x", "glpat-[MASKED] x", true },
    };

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct token_prefixes prefixes;

        assert_int_equal(token_prefixes_init(&prefixes, cases[i].all, NULL, 0), 0);
        assert_output(cases[i].why, run_token, &prefixes, cases[i].text, cases[i].want);
        token_prefixes_done(&prefixes);
    }
}

static void test_only_the_15_shortest_prefixes_are_used(void **unused)
{
    static const char *const one[] = { "mytok-", "" };
    static const char *const two[] = { "mytok-", "xx-", "glpat-" };
    struct token_prefixes prefixes;

    assert_int_equal(token_prefixes_init(&prefixes, true, one, ARRAY_LEN(one)), 0);
    assert_int_equal(prefixes.patterns.count, 15);
    assert_output("one more fits", run_token, &prefixes, "mytok-1 _gitlab_session=2",
                  "mytok-[MASKED] _gitlab_session=[MASKED]");
    token_prefixes_done(&prefixes);
    assert_int_equal(token_prefixes_init(&prefixes, true, two, ARRAY_LEN(two)), 0);
    assert_int_equal(prefixes.patterns.count, 15);
    assert_output("the longest drops out", run_token, &prefixes, "xx-1 mytok-1 _gitlab_session=2",
                  "xx-[MASKED] mytok-[MASKED] _gitlab_session=2");
    token_prefixes_done(&prefixes);
}

#define R "\xef\xbf\xbd"

static void test_bytes_that_are_no_utf8_are_replaced_one_by_one(void **unused)
{
    static const struct {
        const char *why, *text, *want;
    } cases[] = {
        { "coordinator_V21",
          "a\xff"
          "b",
          "a" R "b" },
        { "hardening_34", "\xff\xfe", R R },
        { "valid text of all lengths", "a\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80z",
          "a\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80z" },
        { "the largest and smallest of each length",
          "\xc2\x80\xdf\xbf\xe0\xa0\x80\xef\xbf\xbf\xf0\x90\x80\x80\xf4\x8f\xbf\xbf",
          "\xc2\x80\xdf\xbf\xe0\xa0\x80\xef\xbf\xbf\xf0\x90\x80\x80\xf4\x8f\xbf\xbf" },
        { "overlong", "\xc0\x80\xe0\x80\x80\xf0\x80\x80\x80", R R R R R R R R R },
        { "a surrogate", "\xed\xa0\x80", R R R },
        { "above U+10FFFF", "\xf4\x90\x80\x80\xf5", R R R R R },
        { "a lone continuation", "a\x80\xbfz", "a" R R "z" },
        { "a character that breaks off", "\xe2\x82z\xf0\x9f\x98z", R R "z" R R R "z" },
        { "the next character begins at once", "\xe2\xe2\x82\xac", R "\xe2\x82\xac" },
        { "half a character at the end", "a\xf0\x9f\x98", "a" R R R },
        { "after eight plain bytes",
          "01234567\xc3\xa9"
          "0123456789abcdef\xff",
          "01234567\xc3\xa9"
          "0123456789abcdef" R },
    };

    for (size_t i = 0; i < ARRAY_LEN(cases); i++)
        assert_output(cases[i].why, run_utf8, NULL, cases[i].text, cases[i].want);
}

static void test_half_a_character_is_held_until_more_bytes(void **unused)
{
    struct utf8_repair repair = { 0 };
    autobuf struct buf out = BUF_INIT;

    utf8_repair_write(&repair, "a\xe2\x82", 3, &out);
    assert_string_equal(buf_str(&out), "a");
    utf8_repair_write(&repair, "\xac", 1, &out);
    assert_string_equal(buf_str(&out), "a\xe2\x82\xac");
    utf8_repair_write(&repair, "\0b", 2, &out);
    assert_int_equal(out.len, 6);
    assert_memory_equal(out.data + 4, "\0b", 2);
}

static void test_the_open_tail_is_what_more_bytes_could_complete(void **unused)
{
    static const struct {
        const char *text;
        size_t want;
    } cases[] = {
        { "", 0 },
        { "abc", 0 },
        { "a\xe2", 1 },
        { "a\xe2\x82", 2 },
        { "a\xe2\x82\xac", 0 },
        { "\xf0\x9f\x98", 3 },
        { "\xf0\x9f\x98\x80", 0 },
        { "\x82", 0 },
        { "\xe2\x28", 0 },
        { "\xe0\x80", 0 },
        { "\xff", 0 },
    };

    for (size_t i = 0; i < ARRAY_LEN(cases); i++)
        assert_int_equal(utf8_open_tail(cases[i].text, strlen(cases[i].text)), cases[i].want);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_values_of_secret_url_parameters_are_masked),
        cmocka_unit_test(test_what_follows_a_token_prefix_is_masked),
        cmocka_unit_test(test_only_the_15_shortest_prefixes_are_used),
        cmocka_unit_test(test_bytes_that_are_no_utf8_are_replaced_one_by_one),
        cmocka_unit_test(test_half_a_character_is_held_until_more_bytes),
        cmocka_unit_test(test_the_open_tail_is_what_more_bytes_could_complete),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
