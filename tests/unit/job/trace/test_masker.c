/* tests/unit/job/trace/test_masker.c - mirrors core/job/trace/masker.c and automaton.c.
 *
 * The property: for every way of cutting the input the masker's output is the oracle's. Rows called
 * hardening_NN are the nasty cases of that page.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "core/base/str.h"
#include "core/job/trace/masker.h"
#include "tests/unit/job/trace/mask_oracle.h"

/* A fixed generator of this file's own, so that a failing case has the same number everywhere. */
static uint64_t random_state;

static uint64_t next_random(void)
{
    random_state ^= random_state << 13;
    random_state ^= random_state >> 7;
    random_state ^= random_state << 17;
    return random_state;
}

static size_t random_below(size_t bound)
{
    return (size_t) (next_random() % bound);
}

static void make_rules(struct masker_rules *rules, const char *const *secrets, size_t head)
{
    struct patterns patterns = { 0 };

    for (; *secrets; secrets++)
        assert_int_equal(patterns_append(&patterns, *secrets, strlen(*secrets)), 0);
    assert_int_equal(masker_rules_init(rules, &patterns, head), 0);
}

/* Feeds `text` in pieces that end where bit i of `cuts` is set behind byte i (the last 64 bytes of
 * a longer text are one piece). */
static void mask_cut(const struct masker_rules *rules, const char *text, size_t len, uint64_t cuts,
                     bool cut_off, struct buf *out)
{
    struct masker masker;
    size_t from = 0;

    masker_init(&masker, rules);
    for (size_t i = 0; i < len; i++) {
        if (i + 1 < len && !(i < 64 && cuts >> i & 1))
            continue;
        assert_int_equal(masker_write(&masker, text + from, i + 1 - from, out), 0);
        from = i + 1;
    }
    assert_int_equal(masker_end(&masker, cut_off, out), 0);
    masker_done(&masker);
}

static void assert_masked(const char *why, const struct masker_rules *rules, const char *text,
                          uint64_t cuts, const char *want)
{
    autobuf struct buf out = BUF_INIT;

    mask_cut(rules, text, strlen(text), cuts, false, &out);
    if (!str_eq(buf_str(&out), want))
        fail_msg("%s, cuts %#llx: \"%s\" became \"%s\", not \"%s\"", why, (unsigned long long) cuts,
                 text, buf_str(&out), want);
}

static void test_named_cases_give_the_same_output_for_every_single_and_full_cut(void **unused)
{
    static const struct {
        const char *why, *secrets[4], *text, *want;
    } cases[] = {
        { "hardening_26, job_execution_10_3 and M2: a match restarts inside itself",
          { "aab" },
          "aaab",
          "a[MASKED]" },
        { "hardening_27: a longer self-overlap", { "ababac" }, "abababac", "ab[MASKED]" },
        { "hardening_28: overlapping secrets are one run",
          { "abcde", "defgh" },
          "abcdefgh",
          "[MASKED]" },
        { "hardening_29: a secret that begins another",
          { "secret", "secret_suffix" },
          "secret_suXsecret_suffix",
          "[MASKED]_suX[MASKED]" },
        { "hardening_30 and M3: a literal mask is ordinary text",
          { "password" },
          "pass[MASKED]word",
          "pass[MASKED]word" },
        { "coordinator_V21: the longer phrase wins",
          { "secret", "secretary" },
          "my secretary has a secret",
          "my [MASKED] has a [MASKED]" },
        { "coordinator_V21: a phrase over two writes", { "secret" }, "secret!", "[MASKED]!" },
        { "job_execution_10_3: first byte repeated", { "secrets" }, "ssecrets", "s[MASKED]" },
        { "job_execution_10_3: a phrase ends another",
          { "mask", "prefix_mask" },
          "prefix_mask x mask",
          "[MASKED] x [MASKED]" },
        { "job_execution_10_3: a phrase begins another",
          { "foo", "foobar" },
          "foobar",
          "[MASKED]" },
        { "job_execution_10_3: over a line feed",
          { "line1\nline2" },
          "line1\nline2\n",
          "[MASKED]\n" },
        { "job_execution_10_3: leaks upstream", { "abcabd" }, "abcabcabd", "abc[MASKED]" },
        { "job_execution_10_3 as M2 has it: overlapping occurrences of one secret",
          { "ss" },
          "sss",
          "[MASKED]" },
        { "the definition: neighbours do not overlap", { "ab" }, "abab", "[MASKED][MASKED]" },
        { "an unfinished secret at the end is text", { "secret" }, "secre", "secre" },
        { "short runs inside a pending secret",
          { "a", "bxaxay" },
          "bxaxaz bxaxay",
          "bx[MASKED]x[MASKED]z [MASKED]" },
        { "job_execution_10_3: the first letter alone, then the rest",
          { "secrets" },
          "secrets",
          "[MASKED]" },
        { "no secret at all", { NULL }, "text", "text" },
    };
    static const size_t heads[] = { 1, 3, AUTOMATON_HEAD };

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        for (size_t h = 0; h < ARRAY_LEN(heads); h++) {
            struct masker_rules rules;

            make_rules(&rules, cases[i].secrets, heads[h]);
            assert_masked(cases[i].why, &rules, cases[i].text, 0, cases[i].want);
            assert_masked(cases[i].why, &rules, cases[i].text, UINT64_MAX, cases[i].want);
            for (size_t cut = 0; cut < strlen(cases[i].text); cut++)
                assert_masked(cases[i].why, &rules, cases[i].text, UINT64_C(1) << cut,
                              cases[i].want);
            masker_rules_done(&rules);
        }
    }
}

static void test_a_stream_that_we_cut_shows_no_telling_part_of_a_secret(void **unused)
{
    static const char *const secrets[] = { "tenletters", "abc", "twenty-six letters are long",
                                           NULL };
    static const struct {
        const char *why, *text, *ended, *cut;
    } cases[] = {
        { "half is not more than half", "x tenle", "x tenle", "x tenle" },
        { "more than half", "x tenlet", "x tenlet", "x [MASKED]" },
        { "8 bytes of a long one (hardening_31)", "twenty-s", "twenty-s", "[MASKED]" },
        { "7 bytes of a long one", "twenty-", "twenty-", "twenty-" },
        { "the short secret decides", "ab", "ab", "[MASKED]" },
        { "a whole secret before it stays masked", "abcabcab", "[MASKED][MASKED]ab",
          "[MASKED][MASKED][MASKED]" },
    };
    struct masker_rules rules;

    make_rules(&rules, secrets, AUTOMATON_HEAD);
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        for (uint64_t cuts = 0; cuts < 256; cuts++) {
            autobuf struct buf ended = BUF_INIT, cut = BUF_INIT;

            mask_cut(&rules, cases[i].text, strlen(cases[i].text), cuts, false, &ended);
            mask_cut(&rules, cases[i].text, strlen(cases[i].text), cuts, true, &cut);
            if (!str_eq(buf_str(&ended), cases[i].ended) || !str_eq(buf_str(&cut), cases[i].cut))
                fail_msg("%s: ended \"%s\", cut \"%s\"", cases[i].why, buf_str(&ended),
                         buf_str(&cut));
        }
    }
    masker_rules_done(&rules);
}

static void random_text(char *text, size_t len, size_t letters)
{
    for (size_t i = 0; i < len; i++)
        text[i] = (char) ('a' + random_below(letters));
}

static void random_rules(struct masker_rules *rules, size_t letters, size_t longest)
{
    static const size_t heads[] = { 1, 2, 3, 4, 6, AUTOMATON_HEAD };
    struct patterns patterns = { 0 };

    for (size_t n = 1 + random_below(6); n > 0; n--) {
        char secret[64];
        size_t len = 1 + random_below(longest);

        random_text(secret, len, letters);
        assert_int_equal(patterns_append(&patterns, secret, len), 0);
    }
    assert_int_equal(masker_rules_init(rules, &patterns, heads[random_below(ARRAY_LEN(heads))]), 0);
}

static void assert_oracle(size_t number, const struct masker_rules *rules, const char *text,
                          size_t len, uint64_t cuts, bool cut_off, const struct buf *want)
{
    autobuf struct buf out = BUF_INIT;

    mask_cut(rules, text, len, cuts, cut_off, &out);
    if (out.len != want->len || memcmp(buf_str(&out), buf_str(want), want->len) != 0)
        fail_msg("case %zu, cuts %#llx: \"%.*s\" became \"%s\", the oracle says \"%s\"", number,
                 (unsigned long long) cuts, (int) len, text, buf_str(&out), buf_str(want));
}

static void test_short_inputs_match_the_oracle_for_every_way_of_cutting(void **unused)
{
    random_state = 20240601;
    for (size_t number = 0; number < 4000; number++) {
        autobuf struct buf want = BUF_INIT;
        struct masker_rules rules;
        char text[10];
        size_t letters = 1 + random_below(3), len = 1 + random_below(sizeof(text));
        bool cut_off = random_below(4) == 0;

        random_rules(&rules, letters, 6);
        random_text(text, len, letters);
        oracle_mask(&rules.patterns, text, len, cut_off, &want);
        for (uint64_t cuts = 0; cuts < UINT64_C(1) << (len - 1); cuts++)
            assert_oracle(number, &rules, text, len, cuts, cut_off, &want);
        masker_rules_done(&rules);
    }
}

static void test_long_inputs_match_the_oracle_for_random_cuts(void **unused)
{
    random_state = 20240602;
    for (size_t number = 0; number < 20000; number++) {
        autobuf struct buf want = BUF_INIT;
        struct masker_rules rules;
        char text[300];
        size_t letters = 2 + random_below(3), len = random_below(sizeof(text));
        bool cut_off = random_below(4) == 0;

        random_rules(&rules, letters, 1 + random_below(24));
        random_text(text, len, letters);
        oracle_mask(&rules.patterns, text, len, cut_off, &want);
        assert_oracle(number, &rules, text, len, 0, cut_off, &want);
        assert_oracle(number, &rules, text, len, next_random(), cut_off, &want);
        assert_oracle(number, &rules, text, len, next_random() & next_random(), cut_off, &want);
        masker_rules_done(&rules);
    }
}

/* Text of a wide alphabet in which secrets are planted, whole and in part: this is where the skip
 * table skips. */
static void test_planted_secrets_match_the_oracle(void **unused)
{
    random_state = 20240603;
    for (size_t number = 0; number < 3000; number++) {
        autobuf struct buf want = BUF_INIT, text = BUF_INIT;
        struct masker_rules rules;

        random_rules(&rules, 20, 40);
        while (text.len < 400) {
            const struct pattern *secret =
                &rules.patterns.items[random_below(rules.patterns.count)];
            char filler[32];

            random_text(filler, sizeof(filler), 26);
            buf_add(&text, filler, random_below(sizeof(filler)));
            buf_add(&text, secret->data, random_below(2) ? secret->len : random_below(secret->len));
        }
        oracle_mask(&rules.patterns, text.data, text.len, false, &want);
        assert_oracle(number, &rules, text.data, text.len, 0, false, &want);
        assert_oracle(number, &rules, text.data, text.len, next_random(), false, &want);
        assert_oracle(number, &rules, text.data, text.len, UINT64_MAX, false, &want);
        masker_rules_done(&rules);
    }
}

/* What is shown early stands before the [MASKED] that takes its place in the oracle's text. */
static bool is_shown_early(const char *got, const char *want)
{
    while (*want) {
        if (*got == *want) {
            got++;
            want++;
            continue;
        }
        if (*want != '[')
            return false;
        for (size_t early = 1; *got != '['; early++)
            if (*got++ == '\0' || early > 7)
                return false;
    }
    return *got == '\0';
}

static void mask_typed(const struct masker_rules *rules, const char *text, size_t len,
                       struct buf *out)
{
    struct masker masker;

    masker_init(&masker, rules);
    for (size_t at = 0, n; at < len; at += n) {
        n = MIN(1 + random_below(3), len - at);
        assert_int_equal(masker_write(&masker, text + at, n, out), 0);
        if (random_below(2))
            assert_int_equal(masker_show_known(&masker, text, len, out), 0);
    }
    assert_int_equal(masker_end(&masker, true, out), 0);
    masker_done(&masker);
}

static void test_what_is_typed_is_shown_early_and_never_much_of_a_secret(void **unused)
{
    size_t early = 0;

    random_state = 20240606;
    for (size_t number = 0; number < 20000; number++) {
        autobuf struct buf want = BUF_INIT, got = BUF_INIT;
        struct masker_rules rules;
        char text[60];
        size_t letters = 2 + random_below(3), len = random_below(sizeof(text));

        random_rules(&rules, letters, 1 + random_below(24));
        random_text(text, len, letters);
        oracle_mask(&rules.patterns, text, len, true, &want);
        mask_typed(&rules, text, len, &got);
        if (!is_shown_early(buf_str(&got), buf_str(&want)))
            fail_msg("case %zu: \"%.*s\" became \"%s\", the oracle says \"%s\"", number, (int) len,
                     text, buf_str(&got), buf_str(&want));
        early += got.len > want.len;
        masker_rules_done(&rules);
    }
    assert_true(early > 1000);
}

static void test_what_is_not_typed_is_not_shown_early(void **unused)
{
    static const char *const secrets[] = { "twenty-secret-letters", NULL };
    autobuf struct buf out = BUF_INIT;
    struct masker_rules rules;
    struct masker masker;

    make_rules(&rules, secrets, AUTOMATON_HEAD);
    masker_init(&masker, &rules);
    assert_int_equal(masker_write(&masker, "> twenty", 8, &out), 0);
    assert_int_equal(masker_show_known(&masker, "cat two", 7, &out), 0);
    assert_string_equal(buf_str(&out), "> ");
    assert_int_equal(masker_show_known(&masker, "cat twenty", 10, &out), 0);
    assert_string_equal(buf_str(&out), "> twenty");
    assert_int_equal(masker_write(&masker, "-secret-letters", 15, &out), 0);
    assert_string_equal(buf_str(&out), "> twenty[MASKED]");
    masker_done(&masker);
    masker_rules_done(&rules);
}

static void test_blocks_inside_one_write_do_not_show(void **unused)
{
    static const char *const secrets[] = { "0123456789abcdef0123456789abcdef-long-tail", "xyz",
                                           NULL };
    struct masker_rules rules;

    make_rules(&rules, secrets, AUTOMATON_HEAD);
    for (size_t offset = 0; offset < 60; offset++) {
        autobuf struct buf text = BUF_INIT, out = BUF_INIT;

        for (size_t i = 0; i < (size_t) 16 * 1024 - offset; i++)
            buf_add_char(&text, '.');
        buf_add_str(&text, secrets[0]);
        buf_add_str(&text, secrets[1]);
        mask_cut(&rules, text.data, text.len, 0, false, &out);
        assert_int_equal(out.len, (size_t) 16 * 1024 - offset + 16);
        assert_string_equal(out.data + out.len - 17, ".[MASKED][MASKED]");
    }
    masker_rules_done(&rules);
}

static void test_held_bytes_are_fewer_than_the_longest_pattern_and_written_when_decided(void **u)
{
    random_state = 20240604;
    for (size_t number = 0; number < 2000; number++) {
        struct masker_rules rules;
        struct masker masker;
        autobuf struct buf out = BUF_INIT;
        size_t longest = 0;

        random_rules(&rules, 2, 12);
        for (size_t i = 0; i < rules.patterns.count; i++)
            longest = MAX(longest, rules.patterns.items[i].len);
        masker_init(&masker, &rules);
        for (size_t i = 0; i < 100; i++) {
            char c = (char) ('a' + random_below(2));

            assert_int_equal(masker_write(&masker, &c, 1, &out), 0);
            assert_true(masker.held.len < longest);
            assert_true(masker.n_runs <= longest);
        }
        assert_int_equal(masker_write(&masker, "#", 1, &out), 0);
        assert_int_equal(masker.held.len, 0);
        masker_done(&masker);
        masker_rules_done(&rules);
    }
}

static void test_a_whole_secret_is_masked_at_once(void **unused)
{
    static const char *const secrets[] = { "secret", NULL };
    autobuf struct buf out = BUF_INIT;
    struct masker_rules rules;
    struct masker masker;

    make_rules(&rules, secrets, AUTOMATON_HEAD);
    masker_init(&masker, &rules);
    assert_int_equal(masker_write(&masker, "> secret", 8, &out), 0);
    assert_string_equal(buf_str(&out), "> [MASKED]");
    masker_done(&masker);
    masker_rules_done(&rules);
}

static void test_every_byte_value_may_be_in_a_secret(void **unused)
{
    struct patterns patterns = { 0 };
    struct masker_rules rules;
    autobuf struct buf want = BUF_INIT;
    char text[512];

    for (unsigned c = 0; c < 256; c++) {
        unsigned char secret[2] = { (unsigned char) c, (unsigned char) (c + 1) };

        assert_int_equal(patterns_append(&patterns, secret, sizeof(secret)), 0);
    }
    assert_int_equal(masker_rules_init(&rules, &patterns, AUTOMATON_HEAD), 0);
    for (size_t i = 0; i < sizeof(text); i++)
        text[i] = (char) (i * 7 / 3);
    oracle_mask(&rules.patterns, text, sizeof(text), false, &want);
    assert_oracle(0, &rules, text, sizeof(text), 0, false, &want);
    assert_oracle(1, &rules, text, sizeof(text), UINT64_MAX, false, &want);
    masker_rules_done(&rules);
}

/* 1,000 secrets of 1 KiB with all forms (§9): M2 allows 32 MiB. */
static void test_the_largest_set_of_patterns_stays_within_its_memory(void **unused)
{
    struct patterns given = { 0 }, all = { 0 };
    struct masker_rules rules;
    size_t total;

    random_state = 20240605;
    for (size_t i = 0; i < PATTERNS_MAX; i++) {
        char secret[1025];

        for (size_t j = 0; j < 1024; j++)
            secret[j] = (char) (1 + random_below(255));
        secret[0] = 'x';
        secret[1023] = 'x';
        secret[1024] = '\0';
        assert_int_equal(patterns_add(&given, secret, NULL), 0);
    }
    assert_int_equal(patterns_expand(&given, true, &all), 0);
    assert_int_equal(masker_rules_init(&rules, &all, AUTOMATON_HEAD), 0);
    total = rules.patterns.bytes + rules.patterns.capacity * sizeof(struct pattern) +
            automaton_memory(rules.automaton);
    print_message("%zu patterns, %zu bytes of text, %zu bytes of automaton\n", rules.patterns.count,
                  rules.patterns.bytes, automaton_memory(rules.automaton));
    assert_true(total <= (size_t) 32 * 1024 * 1024);
    patterns_done(&given);
    masker_rules_done(&rules);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_named_cases_give_the_same_output_for_every_single_and_full_cut),
        cmocka_unit_test(test_a_stream_that_we_cut_shows_no_telling_part_of_a_secret),
        cmocka_unit_test(test_short_inputs_match_the_oracle_for_every_way_of_cutting),
        cmocka_unit_test(test_long_inputs_match_the_oracle_for_random_cuts),
        cmocka_unit_test(test_planted_secrets_match_the_oracle),
        cmocka_unit_test(test_what_is_typed_is_shown_early_and_never_much_of_a_secret),
        cmocka_unit_test(test_what_is_not_typed_is_not_shown_early),
        cmocka_unit_test(test_blocks_inside_one_write_do_not_show),
        cmocka_unit_test(
            test_held_bytes_are_fewer_than_the_longest_pattern_and_written_when_decided),
        cmocka_unit_test(test_a_whole_secret_is_masked_at_once),
        cmocka_unit_test(test_every_byte_value_may_be_in_a_secret),
        cmocka_unit_test(test_the_largest_set_of_patterns_stays_within_its_memory),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
