/* tests/unit/helper/test_options.c - mirrors helper/options.c: job-execution.md 7. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>

#include "core/base/str.h"
#include "helper/options.h"

struct sample {
    const char *text;
    struct option_list list;
    bool flag;
    int64_t number, duration_ms;
};
static const struct option table[] = {
    OPTION("text", "SAMPLE_TEXT", OPTION_TEXT, sample, text, "a text"),
    OPTION("list", NULL, OPTION_LIST, sample, list, "a list"),
    OPTION("flag", "SAMPLE_FLAG", OPTION_FLAG, sample, flag, "a flag"),
    OPTION("number", "SAMPLE_NUMBER", OPTION_NUMBER, sample, number, "a number"),
    OPTION("duration", "SAMPLE_DURATION", OPTION_DURATION, sample, duration_ms, "a time"),
    { 0 }
};

/* The words behind the command's name, to the first NULL. */
static enum options_next read_words(struct sample *sample, const char *const *words, int *rest)
{
    const struct option_set sets[] = { { table, sample }, { 0 } };
    char *argv[16] = { (char *) "command" };
    int argc = 1;

    for (; words[argc - 1]; argc++)
        argv[argc] = (char *) words[argc - 1];
    return options_read(sets, argc, argv, rest);
}

static void test_all_ways_to_give_a_value(void **unused)
{
    static const char *const words[] = { "--text", "a=b",        "--list=x",  "--list",
                                         "--y",    "--number=3", "-duration", "1h0m0s",
                                         "--flag", "--list",     "",          "--number=-12",
                                         NULL };
    struct sample sample = { 0 };

    (void) unused;
    assert_int_equal(read_words(&sample, words, NULL), OPTIONS_RUN);
    assert_string_equal(sample.text, "a=b");
    assert_int_equal(sample.list.n, 3);
    assert_string_equal(sample.list.items[0], "x");
    assert_string_equal(sample.list.items[1], "--y");
    assert_string_equal(sample.list.items[2], "");
    assert_int_equal(sample.number, -12);
    assert_int_equal(sample.duration_ms, 3600000);
    assert_true(sample.flag);
    options_done((const struct option_set[]) { { table, &sample }, { 0 } });
    assert_int_equal(sample.list.n, 0);
}

static void test_a_flag_takes_a_value_behind_an_equals_sign_alone(void **unused)
{
    static const struct {
        const char *words[3];
        bool want;
        int rest;
    } cases[] = { { { "--flag", "false", NULL }, true, 2 },
                  { { "--flag=false", NULL }, false, 2 },
                  { { "--flag=0", NULL }, false, 2 },
                  { { "--flag=T", NULL }, true, 2 },
                  { { "--flag", "--flag=F", NULL }, false, 3 } };

    (void) unused;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct sample sample = { 0 };
        int rest = 0;

        assert_int_equal(read_words(&sample, cases[i].words, &rest), OPTIONS_RUN);
        if (sample.flag != cases[i].want || rest != cases[i].rest)
            fail_msg("%s: %d, rest %d", cases[i].words[0], sample.flag, rest);
    }
}

static void test_options_end(void **unused)
{
    static const struct {
        const char *words[4];
        int rest;
    } cases[] = { { { "--flag", "--", "--text", NULL }, 3 },
                  { { "word", "--flag", NULL }, 1 },
                  { { "-", NULL }, 1 },
                  { { NULL }, 1 } };

    (void) unused;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct sample sample = { 0 };
        int rest = 0;

        assert_int_equal(read_words(&sample, cases[i].words, &rest), OPTIONS_RUN);
        assert_int_equal(rest, cases[i].rest);
        assert_null(sample.text);
    }
}

static void test_what_is_wrong_is_refused(void **unused)
{
    static const char *const cases[][3] = {
        { "--txt", "x", NULL }, { "--text", NULL },       { "--number=x", NULL },
        { "--number=", NULL },  { "--flag=maybe", NULL }, { "--duration", "soon", NULL }
    };

    (void) unused;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct sample sample = { 0 };

        if (read_words(&sample, cases[i], NULL) != OPTIONS_WRONG)
            fail_msg("%s", cases[i][0]);
    }
}

static void test_the_environment_gives_defaults(void **unused)
{
    static const char *const none[] = { NULL }, *const words[] = { "--number=5", NULL };
    struct sample sample = { .number = 1, .duration_ms = 2 };

    (void) unused;
    assert_int_equal(setenv("SAMPLE_TEXT", "t", 1), 0);
    assert_int_equal(setenv("SAMPLE_FLAG", "true", 1), 0);
    assert_int_equal(setenv("SAMPLE_NUMBER", "4", 1), 0);
    assert_int_equal(setenv("SAMPLE_DURATION", "soon", 1), 0);
    assert_int_equal(read_words(&sample, none, NULL), OPTIONS_RUN);
    assert_string_equal(sample.text, "t");
    assert_true(sample.flag);
    assert_int_equal(sample.number, 4);
    assert_int_equal(sample.duration_ms, 2); /* what can't be read is left */
    assert_int_equal(read_words(&sample, words, NULL), OPTIONS_RUN);
    assert_int_equal(sample.number, 5);
    assert_int_equal(setenv("SAMPLE_NUMBER", "", 1), 0);
    sample.number = 1;
    assert_int_equal(read_words(&sample, none, NULL), OPTIONS_RUN);
    assert_int_equal(sample.number, 1); /* an empty one is none */
}

static void test_help(void **unused)
{
    static const char *const words[] = { "--flag", "--help", "--nonsense", NULL };
    struct sample sample = { 0 };

    (void) unused;
    assert_int_equal(read_words(&sample, words, NULL), OPTIONS_HELP_SHOWN);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_all_ways_to_give_a_value),
        cmocka_unit_test(test_a_flag_takes_a_value_behind_an_equals_sign_alone),
        cmocka_unit_test(test_options_end),
        cmocka_unit_test(test_what_is_wrong_is_refused),
        cmocka_unit_test(test_the_environment_gives_defaults),
        cmocka_unit_test(test_help),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
