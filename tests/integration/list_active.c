/* tests/integration/list_active.c - prints when a policy of given periods is active, for test_periods.py to compare.
 *
 * Usage: list_active ZONE, then on stdin lines of "FROM UNTIL PERIOD" with times in seconds since 1970. Each is answered
 * by a line of "FROM-UNTIL" for each stretch in which it is active, cut to what was asked. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "core/base/str.h"
#include "core/fleet/policy.h"

static void print_active(const struct policies *policies, int64_t from_s, int64_t end_s)
{
    int64_t until_ms;

    for (int64_t at_s = from_s; at_s < end_s; at_s = until_ms / 1000) {
        size_t index;

        (void) policies_at(policies, at_s * 1000, &index, &until_ms);
        until_ms = MIN(until_ms, end_s * 1000);
        if (index == 0)
            (void) printf("%" PRId64 "-%" PRId64 " ", at_s, until_ms / 1000);
    }
    (void) printf("\n");
}

int main(int argc, char **argv)
{
    char line[256];

    while (argc == 2 && fgets(line, sizeof(line), stdin)) {
        auto_ptr(policies_free) struct policies *policies = NULL;
        struct config_policy policy = { .n_periods = 1, .timezone = argv[1] };
        const struct config_autoscaler autoscaler = { .policies = &policy, .n_policies = 1 };
        char *period = line;
        struct error err = { 0 };
        int64_t from_s, until_s;

        if (parse_i64(strsep(&period, " "), 0, INT32_MAX * INT64_C(4), &from_s) < 0 ||
            parse_i64(strsep(&period, " "), 0, INT32_MAX * INT64_C(4), &until_s) < 0) {
            (void) fprintf(stderr, "list_active: the times are no numbers\n");
            return 1;
        }
        period[strcspn(period, "\n")] = '\0';
        policy.periods = &period;
        if (policies_new(&autoscaler, &policies, &err) < 0) {
            (void) fprintf(stderr, "list_active: %s\n", err.message);
            return 1;
        }
        print_active(policies, from_s, until_s);
    }
    return 0;
}
