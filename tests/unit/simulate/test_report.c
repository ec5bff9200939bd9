/* tests/unit/simulate/test_report.c - mirrors core/simulate/report.c and plots.c;
 * tests/integration/test_simulate_report.py reads a page with a parser and opens it in a browser. */
#include "core/base/mem.h"
#include "tests/unit/simulate/fixture.h"

static void assert_has(const struct buf *html, const char *text)
{
    if (!strstr(buf_str(html), text))
        fail_msg("'%s' is not in %s", text, buf_str(html));
}

static struct result small(const char *name)
{
    struct result result = { .begin_ms = WORKLOAD_BEGIN_MS,
                             .end_ms = WORKLOAD_BEGIN_MS + 480 * MINUTE,
                             .arrived = 4,
                             .n_waits = 4,
                             .use_ms = { [USE_BUSY] = 180 * MINUTE, [USE_IDLE] = 60 * MINUTE } };

    result.name = mem_strdup(name);
    result.waits_ms = mem_array(4, sizeof(*result.waits_ms));
    assert_non_null(result.waits_ms);
    result.waits_ms[2] = 5 * SECOND;
    result.waits_ms[3] = 20 * MINUTE;
    /* One instance in the first half of the time, as half of the scale. */
    for (size_t i = 0; i < RESULT_SPANS / 2; i++) {
        result.spans[i].use_ms[USE_BUSY] = MINUTE;
        result.spans[i].use_ms[USE_IDLE] = MINUTE;
        result.spans[i].paid_ms = 2 * MINUTE;
        result.spans[i].waiting_ms = 3 * MINUTE;
    }
    return result;
}

static void test_pictures_are_to_scale(void **unused)
{
    struct result result = small("a.toml");
    autobuf struct buf html = BUF_INIT;

    assert_int_equal(result_report(&result, 1, &html, NULL), 0);
    /* Half of the jobs waited for nothing, a quarter for minutes. */
    assert_has(&html, "d=\"M0.0 500.0");
    assert_has(&html, "at most 1 s <span class=\"faint\">50.0&nbsp;%");
    assert_has(&html, "1 s to 10 s <span class=\"faint\">25.0&nbsp;%");
    assert_has(&html, "longer <span class=\"faint\">25.0&nbsp;%");
    /* Two instances are the scale, one is half of it, and there is none in the second half. */
    assert_has(&html, "<path class=\"busy\" d=\"M0 1000L0.0 500.0H2.1");
    assert_has(&html, "<path class=\"idle\" d=\"M0 1000L0.0 0.0H2.1");
    assert_has(&html, "L500.0 1000.0H502.1");
    /* Three jobs wait, on a scale of four. */
    assert_has(&html, "<path class=\"curve c0\" d=\"M0 1000L0.0 250.0H2.1");
    /* Eight hours are paid for, half way at half time: nothing is paid after. */
    assert_has(&html, "<span>8 h</span>");
    assert_has(&html, "L500.0 0.0L502.1 0.0");
    assert_has(&html, "<rect class=\"busy\" x=\"0.0\" width=\"750.0\"");
    assert_has(&html, "<rect class=\"idle\" x=\"750.0\" width=\"250.0\"");
    assert_has(&html, "<span>01-01 02:00</span>");
    result_done(&result);
}

static void test_nothing_happened(void **unused)
{
    struct result result = { .begin_ms = WORKLOAD_BEGIN_MS, .end_ms = WORKLOAD_BEGIN_MS + 1 };
    autobuf struct buf html = BUF_INIT;

    result.name = mem_strdup("a.toml");
    assert_int_equal(result_report(&result, 1, &html, NULL), 0);
    assert_null(strstr(buf_str(&html), "nan"));
    assert_null(strstr(buf_str(&html), "inf"));
    result_done(&result);
}

static void test_names_are_escaped(void **unused) /* hardening_17 */
{
    struct result result = small("<script>\"onerror='x'&\x1b[2J");
    autobuf struct buf html = BUF_INIT;

    assert_int_equal(result_report(&result, 1, &html, NULL), 0);
    assert_has(&html, "<bdi>&lt;script&gt;&quot;onerror=&#39;x&#39;&amp;\\x1b[2J</bdi>");
    assert_null(strstr(buf_str(&html), "<script"));
    result_done(&result);
}

static void test_a_price_makes_money_of_hours(void **unused)
{
    struct result result = small("a.toml");
    autobuf struct buf html = BUF_INIT;

    result.price_micros_hour = 500000;
    assert_int_equal(result_report(&result, 1, &html, NULL), 0);
    assert_has(&html, "<h2>Cost</h2>");
    assert_has(&html, "<span>4</span><span>3</span>");
    result_done(&result);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_pictures_are_to_scale),
        cmocka_unit_test(test_nothing_happened),
        cmocka_unit_test(test_names_are_escaped),
        cmocka_unit_test(test_a_price_makes_money_of_hours),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
