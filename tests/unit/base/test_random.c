/* tests/unit/base/test_random.c - mirrors core/base/random.c */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "core/base/random.h"

static void test_seed_repeats_and_seeds_differ(void **unused)
{
    struct rng_seeded a, b, c;
    uint64_t differing = 0;

    rng_seed(&a, 1);
    rng_seed(&b, 1);
    rng_seed(&c, 2);
    for (int i = 0; i < 100; i++) {
        uint64_t value = rng_u64(&a.rng);

        assert_true(value == rng_u64(&b.rng));
        differing += value != rng_u64(&c.rng);
    }
    assert_int_equal(differing, 100);
}

static void test_below_stays_below_and_reaches_all(void **unused)
{
    static const uint64_t bounds[] = { 1, 2, 3, 7, 10 };
    struct rng_seeded rng;

    rng_seed(&rng, 42);
    for (size_t i = 0; i < sizeof(bounds) / sizeof(bounds[0]); i++) {
        unsigned seen[10] = { 0 };

        for (int k = 0; k < 1000; k++) {
            uint64_t value = rng_below(&rng.rng, bounds[i]);

            assert_true(value < bounds[i]);
            seen[value]++;
        }
        for (uint64_t k = 0; k < bounds[i]; k++)
            assert_true(seen[k] > 1000 / bounds[i] / 2);
    }
}

/* Gives 64-bit words from a list. */
static void fill_from_list(void *ctx, void *data, size_t len)
{
    const uint64_t **next = ctx;

    assert_int_equal(len, 8);
    memcpy(data, (*next)++, 8);
}

static void test_below_draws_again_where_results_would_be_uneven(void **unused)
{
    /* 2^64 mod 3 = 1: the value 0 would make the result 0 likelier and is drawn again. */
    const uint64_t words[] = { 0, 5 };
    const uint64_t *next = words;
    struct rng rng = { .fill = fill_from_list, .ctx = &next };

    assert_int_equal(rng_below(&rng, 3), 2);
    assert_ptr_equal(next, words + 2);
}

static void test_uuid_is_version_4_and_lower_case(void **unused)
{
    static const char shape[] = "xxxxxxxx-xxxx-4xxx-yxxx-xxxxxxxxxxxx";
    struct rng_seeded rng;

    rng_seed(&rng, 7);
    for (int i = 0; i < 100; i++) {
        char uuid[UUID_SIZE];

        rng_uuid(&rng.rng, uuid);
        assert_int_equal(strlen(uuid), UUID_SIZE - 1);
        for (size_t k = 0; shape[k]; k++) {
            const char *allowed = shape[k] == 'x'   ? "0123456789abcdef"
                                  : shape[k] == 'y' ? "89ab"
                                  : shape[k] == '4' ? "4"
                                                    : "-";

            if (!strchr(allowed, uuid[k]))
                fail_msg("character %zu of %s", k, uuid);
        }
    }
}

static void test_hex_has_the_length_asked_for(void **unused)
{
    static const size_t lengths[] = { 0, 1, 16, 31, 32, 33, 100, 300 };
    char text[601];

    for (size_t i = 0; i < sizeof(lengths) / sizeof(lengths[0]); i++) {
        memset(text, '!', sizeof(text));
        rng_hex(&rng_system, text, lengths[i]);
        assert_int_equal(strlen(text), 2 * lengths[i]);
        assert_int_equal(strspn(text, "0123456789abcdef"), 2 * lengths[i]);
    }
}

static void test_system_does_not_repeat_itself(void **unused)
{
    unsigned char a[1000] = { 0 }, b[1000] = { 0 };

    rng_system.fill(rng_system.ctx, a, sizeof(a));
    rng_system.fill(rng_system.ctx, b, sizeof(b));
    assert_memory_not_equal(a, b, sizeof(a));
    assert_memory_not_equal(a + 900, b + 900, 100);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_seed_repeats_and_seeds_differ),
        cmocka_unit_test(test_below_stays_below_and_reaches_all),
        cmocka_unit_test(test_below_draws_again_where_results_would_be_uneven),
        cmocka_unit_test(test_uuid_is_version_4_and_lower_case),
        cmocka_unit_test(test_hex_has_the_length_asked_for),
        cmocka_unit_test(test_system_does_not_repeat_itself),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
