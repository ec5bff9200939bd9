/* tests/unit/plugins/test_local_signals.c - what plugins/local tells as a cloud would: interruptions
 * that come true, growth that fails, a quota, prices.
 */

#include "tests/unit/plugins/local_fixture.h"

#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define SIGNALS_MAX 8

struct heard {
    struct {
        int32_t code;
        char instance[64], text[128]; /* instance "": the group */
        int64_t at_ms;
    } items[SIGNALS_MAX];
    size_t n;
};

static int32_t on_signal(void *arg, const struct flt_signal *signal)
{
    struct heard *heard = arg;

    assert_true(heard->n < SIGNALS_MAX);
    assert_true(signal->struct_size >= FLT_SIGNAL_SIZE_1_0);
    heard->items[heard->n].code = signal->code;
    heard->items[heard->n].at_ms = signal->at_ms;
    (void) snprintf(heard->items[heard->n].instance, sizeof(heard->items[0].instance), "%s",
                    signal->instance ? signal->instance : "");
    (void) snprintf(heard->items[heard->n].text, sizeof(heard->items[0].text), "%s", signal->text);
    heard->n++;
    return 0;
}

static struct heard hear(struct fixture *f, int32_t expected)
{
    struct heard heard = { .n = 0 };
    int32_t code = provider->signals(f->group, next_call(f, NULL, 0), on_signal, &heard);

    if (code != expected)
        fail_msg("signals: %d %s", (int) code, f->call.fail_text);
    return heard;
}

static int64_t wall_ms(void)
{
    struct timespec now;

    (void) clock_gettime(CLOCK_REALTIME, &now);
    return (int64_t) now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static void interrupt(struct fixture *f, const char *id, const char *line)
{
    char path[300];

    instance_path(f, id, "interrupt", path, sizeof(path));
    write_file(path, line);
}

static void test_an_interruption_is_told_and_comes_true_unasked(void **state)
{
    struct fixture *f = *state;
    struct connection c;
    struct listing all;
    struct heard first, second;
    char out[64];
    int64_t from;

    group_open(f, "{}");
    (void) grow(f, 2, "r-1");
    all = list(f);
    assert_int_equal(hear(f, FLT_OK).n, 0);
    connect_to(f, all.ids[0], &c);
    assert_int_equal(ssh(&c, "setsid sleep 1000 >/dev/null 2>&1 </dev/null &", out, sizeof(out)),
                     0);
    interrupt(f, all.ids[0], "2s the host is retired\n");
    from = wall_ms();
    first = hear(f, FLT_OK);
    assert_int_equal(first.n, 1);
    assert_int_equal(first.items[0].code, FLT_E_UNHEALTHY);
    assert_string_equal(first.items[0].instance, all.ids[0]);
    assert_string_equal(first.items[0].text, "the host is retired");
    assert_in_range(first.items[0].at_ms, from + 2000, wall_ms() + 2000);
    group_close(f); /* the clock runs on, and what was told is told again */
    group_open(f, "{}");
    interrupt(f, all.ids[0], "2h another word\n"); /* too late */
    second = hear(f, FLT_OK);
    assert_int_equal(second.n, 1);
    assert_int_equal(second.items[0].at_ms, first.items[0].at_ms);
    wait_for_no_process(all.ids[0]); /* nobody has called the plugin meanwhile */
    assert_true(wall_ms() >= first.items[0].at_ms);
    assert_int_equal(state_of(f, all.ids[0]), FLT_STATE_DELETED);
    assert_int_equal(state_of(f, all.ids[1]), FLT_STATE_RUNNING);
    assert_int_equal(hear(f, FLT_OK).n, 0);
}

static void test_a_notice_without_a_time_hides_no_other(void **state)
{
    struct fixture *f = *state;
    struct listing all;
    struct heard heard;

    group_open(f, "{}");
    (void) grow(f, 3, "r-1");
    all = list(f);
    interrupt(f, all.ids[0], "soon\n");
    interrupt(f, all.ids[1], ""); /* is being written */
    interrupt(f, all.ids[2], "1h\n");
    heard = hear(f, FLT_E_PARTIAL);
    assert_non_null(strstr(f->call.fail_text, all.ids[0]));
    assert_non_null(strstr(f->call.fail_text, "'soon' is no duration"));
    assert_int_equal(heard.n, 1);
    assert_string_equal(heard.items[0].instance, all.ids[2]);
    assert_string_equal(heard.items[0].text, "it is interrupted");
    assert_int_equal(state_of(f, all.ids[0]), FLT_STATE_RUNNING);
}

static void test_growth_fails_while_the_file_is_there(void **state)
{
    struct fixture *f = *state;
    struct heard heard, again;
    uint32_t accepted = 9;
    char path[300];
    int32_t code;

    group_open(f, "{}");
    (void) snprintf(path, sizeof(path), "%s/local/growth_fails", f->root);
    write_file(path, "no more today\n");
    heard = hear(f, FLT_OK);
    assert_int_equal(heard.n, 1);
    assert_int_equal(heard.items[0].code, FLT_E_QUOTA);
    assert_string_equal(heard.items[0].instance, "");
    assert_string_equal(heard.items[0].text, "no more today");
    assert_in_range(heard.items[0].at_ms, wall_ms() - 60000, wall_ms());
    again = hear(f, FLT_OK);
    assert_int_equal(again.items[0].at_ms, heard.items[0].at_ms); /* one failure, told twice */
    code = provider->increase(f->group, next_call(f, "r-1", 1000), 1, &accepted);
    assert_int_equal(code, FLT_E_QUOTA);
    assert_string_equal(f->call.fail_text, "no more today");
    assert_int_equal(accepted, 0);
    assert_int_equal(unlink(path), 0);
    assert_int_equal(hear(f, FLT_OK).n, 0);
    assert_int_equal(grow(f, 1, "r-1"), 1);
}

static void test_a_quota_below_the_maximum_gives_what_it_has(void **state)
{
    struct fixture *f = *state;
    uint32_t accepted = 9;
    int32_t code;

    group_open(f, "{\"max_size\": 5, \"quota\": 2}");
    assert_int_equal(f->call.max_size, 5); /* what the account allows nobody knows before */
    code = provider->increase(f->group, next_call(f, "r-1", 1000), 3, &accepted);
    assert_int_equal(code, FLT_E_QUOTA);
    assert_int_equal(accepted, 2);
    assert_string_equal(f->call.fail_text, "group 'local' has 2 instances, quota is 2");
}

static void test_prices_are_described(void **state)
{
    struct fixture *f = *state;

    group_open(f, "{\"price_micros_hour\": 41600, \"minimum_billed\": \"1m\", "
                  "\"minimum_life\": \"24h\"}");
    assert_int_equal(f->call.price_micros_hour, 41600);
    assert_int_equal(f->call.minimum_billed_ms, 60000);
    assert_int_equal(f->call.minimum_life_ms, 24 * 3600 * 1000);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        TEST(test_an_interruption_is_told_and_comes_true_unasked),
        TEST(test_a_notice_without_a_time_hides_no_other),
        TEST(test_growth_fails_while_the_file_is_there),
        TEST(test_a_quota_below_the_maximum_gives_what_it_has),
        TEST(test_prices_are_described),
    };
    int code = fixture_load(argc, argv);

    return code != 0 ? code : cmocka_run_group_tests(tests, NULL, NULL);
}
