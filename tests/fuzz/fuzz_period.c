/* tests/fuzz/fuzz_period.c - periods: what is taken is asked at any time, and until nothing changes what is said to hold
 * holds.
 *
 * Input: eight bytes of a time in minutes, the name of a zone, a newline, a period. A contradiction aborts. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/mem.h"
#include "core/base/str.h"
#include "core/config/period.h"
#include "core/fleet/policy.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define PERIOD_SIZE (offsetof(struct period, either_day) + sizeof(bool)) /* its end is padding */
#define MINUTE_MS INT64_C(60000)
#define YEAR_MS (366 * 1440 * MINUTE_MS)

static void require(bool good, const char *what)
{
    if (good)
        return;
    (void) fprintf(stderr, "fuzz_period: %s\n", what);
    abort();
}

static size_t index_at(const struct policies *policies, int64_t at_ms)
{
    int64_t until_ms;
    size_t index;

    (void) policies_at(policies, at_ms, &index, &until_ms);
    require(until_ms > at_ms, "it changes before it holds");
    return index;
}

/* From `at_ms` on, three answers and the minutes around their ends. */
static void ask(const struct policies *policies, int64_t at_ms)
{
    for (int i = 0; i < 3; i++) {
        int64_t until_ms;
        size_t index;

        (void) policies_at(policies, at_ms, &index, &until_ms);
        require(index_at(policies, at_ms) == index, "two answers to one question");
        require(until_ms - at_ms <= YEAR_MS, "the search has no bound");
        require(index_at(policies, until_ms - 1) == index, "it changes before it is said to");
        require(index_at(policies, at_ms + (until_ms - at_ms) / 2) == index,
                "it changes in between");
        require(index_at(policies, until_ms) != index || until_ms - at_ms == YEAR_MS,
                "it is said to change and does not");
        at_ms = until_ms;
    }
}

/* With years and seconds that say nothing it means the same. */
static void try_long(const char *text, int r, const struct period *period)
{
    autofree char *years = mem_printf("%s *", text), *seconds = mem_printf("* %s *", text);
    const char *const longer[] = { text, years, seconds };

    for (size_t i = 0; i < ARRAY_LEN(longer); i++) {
        const char *five = NULL;
        size_t len = 0;
        struct period other;
        int r_long = longer[i] ? period_parse_long(longer[i], &other, NULL) : r;

        if (!longer[i] || r < 0)
            continue;
        require(r_long == 0 && memcmp(&other, period, PERIOD_SIZE) == 0,
                "the same period means something else");
        require(period_shorten(longer[i], &five, &len, NULL) == 0 && five >= longer[i] &&
                    len <= strlen(five),
                "its five fields are not in it");
    }
}

static void try_period(const char *zone, const char *text, int64_t at_ms)
{
    auto_ptr(policies_free) struct policies *policies = NULL;
    autofree char *zone_copy = mem_strdup(zone), *text_copy = mem_strdup(text);
    struct config_policy policy = { .periods = &text_copy, .n_periods = 1, .timezone = zone_copy };
    const struct config_autoscaler autoscaler = { .policies = &policy, .n_policies = 1 };
    struct error err = { 0 };
    struct period period = { 0 };
    int r = period_parse(text, &period, &err);

    require(r == 0 || (r < 0 && *err.message), "a refusal without a sentence");
    try_long(text, r, &period);
    require(r < 0 || !period_is_always(&period) || !period_is_never(&period), "always and never");
    if (policies_new(&autoscaler, &policies, &err) == 0)
        ask(policies, at_ms);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    autofree char *text = NULL;
    int64_t minute = 0;
    char *period;

    if (size < 8 || size > 512)
        return 0;
    memcpy(&minute, data, 8);
    text = mem_strndup((const char *) data + 8, size - 8);
    period = text ? strchr(text, '\n') : NULL;
    if (!period)
        return 0;
    *period++ = '\0';
    /* Within the years in which zones have a meaning. */
    try_period(text, period, minute % (INT64_C(3000) * 366 * 1440) * MINUTE_MS);
    return 0;
}
