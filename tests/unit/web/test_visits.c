/* tests/unit/web/test_visits.c - mirrors core/web/visits.c */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "core/web/visits.h"

static struct web_visits visits;
static struct rng_seeded rng;
static char keys[WEB_VISITS_MAX + 1][WEB_VISIT_KEY_SIZE];

static int begin(void **unused)
{
    visits = (struct web_visits) { 0 };
    rng_seed(&rng, 1);
    for (size_t i = 0; i < 3; i++)
        web_visits_begin(&visits, &rng.rng, 5, keys[i]);
    return 0;
}

static void test_a_key_is_its_visits_until_the_end(void **unused)
{
    uint64_t number = web_visits_find(&visits, keys[1], 5);

    assert_int_equal(number, 2);
    assert_int_equal(strlen(keys[1]), WEB_VISIT_KEY_SIZE - 1);
    assert_int_equal(web_visits_find(&visits, keys[1], 4 + WEB_VISIT_MS), 2);
    assert_true(web_visits_has(&visits, number, 4 + WEB_VISIT_MS));
    assert_int_equal(web_visits_find(&visits, keys[1], 5 + WEB_VISIT_MS), 0);
    assert_false(web_visits_has(&visits, number, 5 + WEB_VISIT_MS));
}

static void test_one_that_has_left_is_nobodys(void **unused)
{
    char again[WEB_VISIT_KEY_SIZE];

    web_visits_end(&visits, 2);
    web_visits_end(&visits, 0);
    assert_int_equal(web_visits_find(&visits, keys[1], 6), 0);
    assert_int_equal(web_visits_find(&visits, keys[0], 6), 1);
    assert_int_equal(web_visits_find(&visits, keys[2], 6), 3);
    web_visits_begin(&visits, &rng.rng, 6, again);
    assert_false(web_visits_has(&visits, 2, 6));
    assert_int_equal(web_visits_find(&visits, again, 6), 4);
}

static void test_no_other_text_is_a_key(void **unused)
{
    static char zeros[WEB_VISIT_KEY_SIZE];
    char longer[WEB_VISIT_KEY_SIZE + 1];

    assert_int_equal(web_visits_find(&visits, "", 6), 0);
    assert_int_equal(web_visits_find(&visits, zeros, 6), 0);
    memset(zeros, '0', sizeof(zeros) - 1);
    assert_int_equal(web_visits_find(&visits, zeros, 6), 0);
    memcpy(longer, keys[0], sizeof(keys[0]));
    memcpy(longer + WEB_VISIT_KEY_SIZE - 1, "0", 2);
    assert_int_equal(web_visits_find(&visits, longer, 6), 0);
    longer[WEB_VISIT_KEY_SIZE - 2] = '\0';
    assert_int_equal(web_visits_find(&visits, longer, 6), 0);
}

static void test_who_began_first_makes_room(void **unused)
{
    for (size_t i = 3; i <= WEB_VISITS_MAX; i++)
        web_visits_begin(&visits, &rng.rng, 6, keys[i]);
    assert_int_equal(web_visits_find(&visits, keys[0], 7), 0);
    for (size_t i = 1; i <= WEB_VISITS_MAX; i++)
        assert_int_equal(web_visits_find(&visits, keys[i], 7), i + 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_a_key_is_its_visits_until_the_end, begin),
        cmocka_unit_test_setup(test_one_that_has_left_is_nobodys, begin),
        cmocka_unit_test_setup(test_no_other_text_is_a_key, begin),
        cmocka_unit_test_setup(test_who_began_first_makes_room, begin),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
