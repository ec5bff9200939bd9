/* tests/unit/job/trace/test_filter.c - mirrors core/job/trace/filter.c. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "core/base/str.h"
#include "core/job/trace/filter.h"

static const char *const secrets[] = { "hunter2-hunter2", "abc" };

struct fixture {
    struct trace *trace;
    struct filter *filter;
    struct buf out;
    int fd;
};

static int set_up(void **state)
{
    static struct fixture f;
    const struct trace_options options = { .patterns = secrets,
                                           .n_patterns = 2,
                                           .mask_all_default_tokens = true };

    f = (struct fixture) { .fd = open("/dev/null", O_WRONLY | O_CLOEXEC) };
    assert_int_equal(trace_new(f.fd, &options, &f.trace, NULL), 0);
    assert_int_equal(filter_new(f.trace, &f.filter), 0);
    *state = &f;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *f = *state;

    filter_free(f->filter);
    trace_free(f->trace);
    buf_done(&f->out);
    (void) close(f->fd);
    return 0;
}

static void show(struct fixture *f, const char *text)
{
    assert_int_equal(filter_write(f->filter, text, strlen(text), &f->out), 0);
}

static void test_what_the_log_hides_is_hidden(void **state)
{
    struct fixture *f = *state;

    show(f, "a hun");
    show(f, "ter2-hunter2 b\r\n\033[31mglpat-0123456789 https://x/?private_token=secret&a=1\r\n");
    assert_string_equal(buf_str(&f->out), "a [MASKED] b\r\n\033[31mglpat-[MASKED] "
                                          "https://x/?private_token=[MASKED]&a=1\r\n");
}

static void test_what_may_be_a_secret_is_held_unless_it_was_typed(void **state)
{
    struct fixture *f = *state;

    show(f, "$ a");
    assert_string_equal(buf_str(&f->out), "$ ");
    assert_int_equal(filter_show_typed(f->filter, "b", 1, &f->out), 0);
    assert_string_equal(buf_str(&f->out), "$ ");
    assert_int_equal(filter_show_typed(f->filter, "a", 1, &f->out), 0);
    assert_string_equal(buf_str(&f->out), "$ a");
    show(f, "bc");
    assert_string_equal(buf_str(&f->out), "$ a[MASKED]");
}

static void test_half_of_a_secret_is_not_shown_at_the_end(void **state)
{
    struct fixture *f = *state;

    show(f, "hunter2-hunt");
    assert_int_equal(filter_end(f->filter, &f->out), 0);
    assert_string_equal(buf_str(&f->out), "[MASKED]");
}

static void test_no_pattern_comes_behind_it(void **state)
{
    struct fixture *f = *state;

    assert_int_equal(trace_add_pattern(f->trace, "late", NULL), -EINVAL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_what_the_log_hides_is_hidden, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_what_may_be_a_secret_is_held_unless_it_was_typed,
                                        set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_half_of_a_secret_is_not_shown_at_the_end, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(test_no_pattern_comes_behind_it, set_up, tear_down),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
