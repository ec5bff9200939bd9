/* tests/fuzz/fuzz_time_zone.c - zone files and POSIX rules: whatever a file holds, a zone that is taken has an offset of
 * less than two days at any instant, which stays until it is said to change.
 *
 * Input: a file. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include "core/base/str.h"
#include "core/base/time_zone.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define OFFSET_MAX_S (26 * 3600)

static void require(bool good, const char *what)
{
    if (good)
        return;
    (void) fprintf(stderr, "fuzz_time_zone: %s\n", what);
    abort();
}

static void ask(const struct time_zone *zone, int64_t at_s)
{
    for (int i = 0; i < 50; i++) {
        int64_t until_s, ignored;
        int32_t offset = time_zone_offset(zone, at_s, &until_s);

        require(offset >= -OFFSET_MAX_S && offset <= OFFSET_MAX_S, "an offset of days");
        require(until_s > at_s, "it changes before it holds");
        if (until_s == INT64_MAX)
            return;
        require(time_zone_offset(zone, until_s - 1, &ignored) == offset,
                "it changes before it is said to");
        at_s = until_s;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const int64_t instants[] = { INT64_MIN,  -5000000000, 0,
                                        1774746000, 4102444800,  99999999999 };
    auto_ptr(time_zone_free) struct time_zone *zone = NULL;
    struct error err = { 0 };

    if (time_zone_parse(data, size, &zone, &err) < 0) {
        require(*err.message, "a refusal without a sentence");
        return 0;
    }
    for (size_t i = 0; i < ARRAY_LEN(instants); i++)
        ask(zone, instants[i]);
    for (int64_t local = 1700000000; local < 1800000000; local += 7654321)
        (void) time_zone_to_utc(zone, local);
    return 0;
}
