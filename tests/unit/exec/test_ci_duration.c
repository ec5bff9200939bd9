/* tests/unit/exec/test_ci_duration.c - mirrors core/exec/ci_duration.c. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "core/base/str.h"
#include "core/exec/ci_duration.h"

static void test_durations_are_read_as_people_write_them(void **unused)
{
    static const struct {
        const char *text;
        int64_t want; /* -1: refused */
    } cases[] = {
        { "90", 90 },
        { "90 seconds", 90 },
        { "10m", 600 },
        { "1h30m", 5400 },
        { "1h 30m", 5400 },
        { "3 hours 30 minutes", 12600 },
        { "3 hours and 10 minutes", 11400 },
        { "2 Hours, 5 MINS", 7500 },
        { "1 day", 86400 },
        { "1 week", 604800 },
        { "", -1 },
        { " ", -1 },
        { "0", -1 },
        { "and", -1 },
        { "and 1h", -1 },
        { "soon", -1 },
        { "10 parsecs", -1 },
        { "-5m", -1 },
        { "1.5h", -1 },
        { "h", -1 },
        { "9999999999999999999s", -1 },
        { "53 weeks", -1 },
    };

    (void) unused;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        int64_t got = -1;

        (void) ci_duration_parse(cases[i].text, &got);
        if (got != cases[i].want)
            fail_msg("'%s' is %d", cases[i].text, (int) got);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_durations_are_read_as_people_write_them),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
