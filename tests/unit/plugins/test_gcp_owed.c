/* tests/unit/plugins/test_gcp_owed.c - plugins/gcp: what Google still owes is ordered once, whoever waits for it. */

#include "plugins/gcp/gcp.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#define OLD "1-4f2a1c-aaaaaaaa"
#define OWN "2-4f2a1c-bbbbbbbb"
#define NEXT "2-4f2a1c-cccccccc"

static struct gcp_member members[8];
static struct gcp_view view = { .members = members };
static struct json_object *orders;
static int64_t now_ms;

static int set_up(void **state)
{
    (void) state;
    memset(members, 0, sizeof(members));
    view.n = 0;
    now_ms = INT64_C(1790000000000);
    orders = json_object_new_object();
    return 0;
}

static int tear_down(void **state)
{
    (void) state;
    json_object_put(orders);
    return 0;
}

static struct gcp_member *add(const char *order)
{
    struct gcp_member *member = &members[view.n];

    (void) snprintf(member->name, sizeof(member->name), "ci-%s-%zu", order, view.n++);
    return member;
}

static uint32_t plan(const char *own, uint32_t n)
{
    return owed_plan(orders, "ci", &view, own, n, now_ms);
}

static void settle(const char *own, uint32_t created, uint32_t taken)
{
    owed_settle(orders, "ci", &view, own, created, taken, now_ms);
}

static void test_where_nothing_is_owed_all_is_asked_for(void **state)
{
    (void) state;
    assert_int_equal(plan(OWN, 3), 3);
}

static void test_what_nobody_waits_for_is_taken_over_once(void **state)
{
    (void) state;
    for (int i = 0; i < 3; i++)
        (void) add(OLD);
    assert_int_equal(plan(OWN, 2), 0);
    settle(OWN, 0, 2);
    assert_int_equal(plan(NEXT, 4), 3);
    settle(NEXT, 3, 1);
    assert_int_equal(plan("2-4f2a1c-dddddddd", 5), 5);
}

static void test_what_was_answered_is_waited_for(void **state)
{
    (void) state;
    assert_int_equal(plan(OLD, 2), 2);
    settle(OLD, 2, 0);
    (void) add(OLD);
    (void) add(OLD);
    assert_int_equal(plan(OWN, 3), 3);
}

static void test_an_order_that_was_made_in_part_has_the_rest_taken_over(void **state)
{
    (void) state;
    assert_int_equal(plan(OLD, 3), 3);
    settle(OLD, 1, 0);
    for (int i = 0; i < 3; i++)
        (void) add(OLD);
    assert_int_equal(plan(OWN, 3), 1);
}

static void test_a_repetition_asks_for_the_same(void **state)
{
    struct gcp_member *owed[2];

    (void) state;
    for (int i = 0; i < 2; i++)
        owed[i] = add(OLD);
    assert_int_equal(plan(OWN, 3), 1);
    for (int i = 0; i < 2; i++)
        (void) snprintf(owed[i]->number, sizeof(owed[i]->number), "7%d", i);
    (void) add(OWN);
    assert_int_equal(plan(OWN, 3), 1);
}

static void test_only_what_is_still_coming_is_taken_over(void **state)
{
    (void) state;
    (void) snprintf(add(OLD)->number, sizeof(members->number), "7");
    (void) snprintf(add(OLD)->trouble, sizeof(members->trouble), "QUOTA_EXCEEDED");
    add(OLD)->going = true;
    add(OLD)->recreating = true;
    (void) snprintf(add(OLD)->name, sizeof(members->name), "ci-abcd");
    assert_int_equal(plan(OWN, 2), 2);
}

/* Google lists them only after the next order. */
static void test_what_is_not_listed_yet_is_waited_for(void **state)
{
    (void) state;
    (void) plan(OLD, 1);
    settle(OLD, 1, 0);
    (void) plan(OWN, 1);
    settle(OWN, 1, 0);
    (void) add(OLD);
    (void) add(OWN);
    assert_int_equal(plan(NEXT, 2), 2);
}

/* As the host gives it up. */
static void test_what_was_ordered_long_ago_is_nobodys(void **state)
{
    (void) state;
    (void) plan(OLD, 2);
    settle(OLD, 2, 0);
    (void) add(OLD);
    (void) add(OLD);
    now_ms += 14 * 60 * 1000;
    assert_int_equal(plan(OWN, 2), 2);
    now_ms += 60 * 1000;
    assert_int_equal(plan(NEXT, 2), 0);
    settle(NEXT, 0, 2);
    now_ms += 14 * 60 * 1000;
    assert_int_equal(plan("2-4f2a1c-dddddddd", 2), 2);
}

/* A file that somebody has edited. */
static void test_what_is_no_number_is_none(void **state)
{
    struct json_object *entry = json_object_new_object();

    (void) state;
    (void) add(OLD);
    (void) json_object_object_add(entry, "waited", json_object_new_string("many"));
    (void) json_object_object_add(orders, OLD, entry);
    (void) json_object_object_add(orders, OWN, json_object_new_int(3));
    assert_int_equal(plan(OWN, 1), 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_where_nothing_is_owed_all_is_asked_for),
        TEST(test_what_nobody_waits_for_is_taken_over_once),
        TEST(test_what_was_answered_is_waited_for),
        TEST(test_an_order_that_was_made_in_part_has_the_rest_taken_over),
        TEST(test_a_repetition_asks_for_the_same),
        TEST(test_only_what_is_still_coming_is_taken_over),
        TEST(test_what_is_not_listed_yet_is_waited_for),
        TEST(test_what_was_ordered_long_ago_is_nobodys),
        TEST(test_what_is_no_number_is_none),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
