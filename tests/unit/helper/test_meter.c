/* tests/unit/helper/test_meter.c - mirrors helper/meter.c: job-execution.md 7.7. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "core/base/buf.h"
#include "core/base/str.h"
#include "helper/meter.h"

#define SPACES "                "

static void test_the_line(void **unused)
{
    static const struct {
        int64_t done, total, ms;
        const char *want;
    } cases[] = {
        { 1230000, -1, 1000, "\rUploading cache 1.23 MB (1.2 MB/s)" SPACES },
        { 1230000, 2500000000, 500, "\rUploading cache 1.23 MB/2.50 GB (2.5 MB/s)" SPACES },
        { 999, 1000, 1000, "\rUploading cache 999.00 B/1.00 kB (999.0 B/s)" SPACES },
        { 0, 0, 0, "\rUploading cache 0.00 B/0.00 B (0.0 B/s)" SPACES },
    };

    (void) unused;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        const struct meter meter = { .label = "Uploading cache",
                                     .done = cases[i].done,
                                     .total = cases[i].total };
        autobuf struct buf line = BUF_INIT;

        meter_format(&meter, cases[i].ms, &line);
        assert_string_equal(buf_str(&line), cases[i].want);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_line),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
