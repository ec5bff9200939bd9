/* tests/unit/web/test_metrics.c - mirrors core/web/metrics.c. That Prometheus reads such pages is
 * tests/integration/test_metrics.py's to show. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "core/base/str.h"
#include "core/web/metrics.h"

static const double bounds[] = { 0.5, 1, 10 };

static void write_page(struct metrics_page *page)
{
    struct metrics_labels labels = { "" };
    struct metrics_histogram histogram;

    metrics_histogram_init(&histogram, bounds, ARRAY_LEN(bounds));
    assert_true(metrics_histogram_keep_exemplars(&histogram));
    metrics_observe(&histogram, 0.5);
    metrics_observe_job(&histogram, 7.25, 42, 1700000000123);
    metrics_observe(&histogram, 11);
    assert_int_equal(metrics_count(&histogram), 3);
    metrics_label(&labels, "name", "a \"b\"\\\nc");
    metrics_family(page, METRICS_GAUGE, "things", "How many.");
    metrics_sample(page, NULL, 1e15);
    metrics_label(&labels, "state", "idle");
    metrics_sample(page, &labels, -0.25);
    metrics_family(page, METRICS_COUNTER, "events", "How often.");
    metrics_sample(page, NULL, 3);
    metrics_family(page, METRICS_HISTOGRAM, "time_seconds", "How long.");
    metrics_sample_histogram(page, NULL, &histogram);
    metrics_end(page);
    metrics_histogram_done(&histogram);
}

static void test_the_text_format(void **unused)
{
    struct metrics_page page = { .openmetrics = false };

    (void) unused;
    write_page(&page);
    assert_string_equal(buf_str(&page.out),
                        "# HELP things How many.\n# TYPE things gauge\n"
                        "things 1e+15\n"
                        "things{name=\"a \\\"b\\\"\\\\\\nc\",state=\"idle\"} -0.25\n"
                        "# HELP events_total How often.\n# TYPE events_total counter\n"
                        "events_total 3\n"
                        "# HELP time_seconds How long.\n# TYPE time_seconds histogram\n"
                        "time_seconds_bucket{le=\"0.5\"} 1\n"
                        "time_seconds_bucket{le=\"1\"} 1\n"
                        "time_seconds_bucket{le=\"10\"} 2\n"
                        "time_seconds_bucket{le=\"+Inf\"} 3\n"
                        "time_seconds_sum 18.75\ntime_seconds_count 3\n");
    buf_done(&page.out);
}

static void test_openmetrics(void **unused)
{
    struct metrics_page page = { .openmetrics = true };

    (void) unused;
    write_page(&page);
    assert_string_equal(buf_str(&page.out),
                        "# HELP things How many.\n# TYPE things gauge\n"
                        "things 1e+15\n"
                        "things{name=\"a \\\"b\\\"\\\\\\nc\",state=\"idle\"} -0.25\n"
                        "# HELP events How often.\n# TYPE events counter\n"
                        "events_total 3\n"
                        "# HELP time_seconds How long.\n# TYPE time_seconds histogram\n"
                        "time_seconds_bucket{le=\"0.5\"} 1\n"
                        "time_seconds_bucket{le=\"1.0\"} 1\n"
                        "time_seconds_bucket{le=\"10.0\"} 2 # {job_id=\"42\"} 7.25 1700000000.123\n"
                        "time_seconds_bucket{le=\"+Inf\"} 3\n"
                        "time_seconds_sum 18.75\ntime_seconds_count 3\n# EOF\n");
    buf_done(&page.out);
}

static void test_who_wants_openmetrics(void **unused)
{
    static const struct {
        const char *accept;
        bool want;
    } cases[] = {
        { NULL, false },
        { "", false },
        { "*/*", false },
        { "text/plain", false },
        { "application/openmetrics-text", true },
        { "application/openmetrics-text;version=1.0.0;q=0.8,text/plain;version=0.0.4;q=0.5,*/"
          "*;q=0.1",
          true },
        { "application/openmetrics-text;q=0.2,text/plain;q=0.5", false },
        { "application/openmetrics-text;q=0,*/*", false },
        { "application/openmetrics-text;q=0.05", true },
        { "text/plain;q=0.3,application/openmetrics-text;q=0.3", true },
        { "application/openmetrics-text;q=", true },
    };

    (void) unused;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++)
        if (metrics_wants_openmetrics(cases[i].accept) != cases[i].want)
            fail_msg("%s", cases[i].accept ? cases[i].accept : "none");
}

static void test_labels_that_are_too_long_are_cut_between_characters(void **unused)
{
    struct metrics_labels labels = { "" };
    autobuf struct buf value = BUF_INIT;

    (void) unused;
    for (int i = 0; i < 2000; i++)
        buf_add_str(&value, "\xc3\xa9");
    metrics_label(&labels, "name", buf_str(&value));
    assert_true(strlen(labels.text) < sizeof(labels.text));
    assert_true(str_starts(labels.text, "name=\"\xc3\xa9"));
    assert_true(str_ends(labels.text, "\xc3\xa9\""));
    for (int i = 0; i < 2; i++)
        metrics_label(&labels, "name", buf_str(&value));
    metrics_label(&labels, "le",
                  "10.0"); /* what tells samples apart is there whatever stands before it */
    assert_true(str_ends(labels.text, ",le=\"10.0\""));
    assert_true(utf8_valid(labels.text, strlen(labels.text)));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_text_format),
        cmocka_unit_test(test_openmetrics),
        cmocka_unit_test(test_who_wants_openmetrics),
        cmocka_unit_test(test_labels_that_are_too_long_are_cut_between_characters),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
