/* tests/unit/plugins/test_aws_orders.c - mirrors plugins/aws/orders.c: how much desired capacity is asked for. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "plugins/aws/aws.h"

/* After the host, whose `fail` cmocka makes a macro. */
#include <cmocka.h>

#define NOW INT64_C(1800000000000)
#define MINUTE INT64_C(60000)

static struct aws_view group(int64_t desired, int64_t counted, int64_t max)
{
    return (struct aws_view) { .desired = desired, .counted = counted, .max = max };
}

static void expect(const char *why, struct aws_growth got, bool ask, int64_t target,
                   uint32_t accepted)
{
    if (got.ask != ask || (ask && got.target != target) || got.accepted != accepted)
        fail_msg("%s: ask %d target %lld accepted %u", why, got.ask, (long long) got.target,
                 got.accepted);
}

static void test_an_order_is_counted_from_what_the_group_wants_now(void **state)
{
    static const struct {
        const char *why;
        int64_t desired, counted, max;
        uint32_t n;
        bool ask;
        int64_t target;
        uint32_t accepted;
    } rows[] = {
        { "an empty group", 0, 0, 10, 3, true, 3, 3 },
        { "on top of what is there", 4, 4, 10, 3, true, 7, 3 },
        { "somebody has lowered it", 1, 4, 10, 2, true, 3, 2 },
        { "AWS replaces one of its own accord", 4, 3, 10, 1, true, 5, 1 },
        { "as far as the maximum", 8, 8, 10, 5, true, 10, 2 },
        { "no further than the maximum", 10, 10, 10, 5, false, 0, 0 },
        { "a maximum below what is wanted lowers nothing", 12, 12, 10, 1, false, 0, 0 },
    };
    struct aws_orders none = { 0 };

    (void) state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct aws_view view = group(rows[i].desired, rows[i].counted, rows[i].max);

        expect(rows[i].why, orders_plan(&none, &view, "r", rows[i].n, NOW), rows[i].ask,
               rows[i].target, rows[i].accepted);
    }
}

static void begin(struct aws_orders *orders, const char *request_id, int64_t target, uint32_t n,
                  int64_t at_ms)
{
    struct aws_growth growth = { .target = target, .accepted = n, .ask = true };

    orders_begin(orders, request_id, &growth, at_ms);
}

static void test_a_repetition_has_the_target_of_its_order(void **state)
{
    struct aws_orders orders = { 0 };
    struct aws_view view = group(4, 4, 20);

    (void) state;
    begin(&orders, "r", 7, 3, NOW);
    expect("AWS has not heard of it", orders_plan(&orders, &view, "r", 3, NOW), true, 7, 3);
    view.desired = 7;
    expect("AWS has heard of it", orders_plan(&orders, &view, "r", 3, NOW), false, 0, 3);
    view.desired = 9;
    expect("somebody has raised it above", orders_plan(&orders, &view, "r", 3, NOW), false, 0, 3);
    view.desired = 5;
    expect("somebody has raised it in part", orders_plan(&orders, &view, "r", 3, NOW), true, 7, 3);
    view.desired = 2;
    expect("somebody has lowered it", orders_plan(&orders, &view, "r", 3, NOW), true, 7, 3);
    assert_true(orders_lower(&orders));
    view.desired = 6;
    expect("one of them was taken out", orders_plan(&orders, &view, "r", 3, NOW), false, 0, 3);
    orders_raise(&orders);
    expect("it was not after all", orders_plan(&orders, &view, "r", 3, NOW), true, 7, 3);
    orders_answered(&orders, "r");
    view.desired = 0;
    expect("what was answered stands", orders_plan(&orders, &view, "r", 3, NOW), false, 0, 3);
    assert_false(orders_lower(&orders));
    orders_forget(&orders, "r");
    expect("what was refused is ordered anew", orders_plan(&orders, &view, "r", 3, NOW), true, 3,
           3);
}

static void test_what_aws_owes_for_orders_that_were_given_up_is_not_ordered_again(void **state)
{
    struct aws_orders orders = { 0 };
    struct aws_view view = group(6, 0, 50);

    (void) state;
    begin(&orders, "a", 6, 6, NOW);
    orders_answered(&orders, "a");
    expect("it is waited for", orders_plan(&orders, &view, "b", 2, NOW + 14 * MINUTE), true, 8, 2);
    expect("it is given up", orders_plan(&orders, &view, "b", 2, NOW + 15 * MINUTE), false, 0, 2);
    expect("more than was given up", orders_plan(&orders, &view, "b", 8, NOW + 15 * MINUTE), true,
           8, 8);
    begin(&orders, "b", 6, 2, NOW + 15 * MINUTE);
    orders_answered(&orders, "b");
    expect("what another order took over", orders_plan(&orders, &view, "c", 5, NOW + 16 * MINUTE),
           true, 7, 5);
    view.counted = 3;
    orders_appeared(&orders, 3, NOW + 16 * MINUTE);
    expect("three came, two for the newer", orders_plan(&orders, &view, "c", 5, NOW + 16 * MINUTE),
           true, 8, 5);
    view.counted = 6;
    orders_appeared(&orders, 3, NOW + 16 * MINUTE);
    expect("all came", orders_plan(&orders, &view, "c", 5, NOW + 16 * MINUTE), true, 11, 5);
}

static void test_what_aws_owes_for_an_order_that_is_not_repeated_is_not_ordered_again(void **state)
{
    struct aws_orders orders = { 0 };
    struct aws_view view = group(3, 0, 50);

    (void) state;
    begin(&orders, "a", 3, 3, NOW);
    expect("AWS is slow", orders_plan(&orders, &view, "b", 3, NOW + MINUTE), false, 0, 3);
    expect("more than was wanted", orders_plan(&orders, &view, "b", 5, NOW + MINUTE), true, 5, 5);
    view.desired = 0;
    expect("AWS never heard of it", orders_plan(&orders, &view, "b", 3, NOW + MINUTE), true, 3, 3);
    view.desired = 3;
    begin(&orders, "b", 3, 3, NOW + MINUTE);
    orders_answered(&orders, "b");
    expect("it was taken over", orders_plan(&orders, &view, "c", 2, NOW + MINUTE), true, 5, 2);
}

static void test_orders_are_forgotten_by_age_and_by_number(void **state)
{
    struct aws_orders orders = { 0 };
    char name[16];

    (void) state;
    begin(&orders, "old", 1, 1, NOW);
    begin(&orders, "new", 2, 1, NOW + 24 * 60 * MINUTE);
    assert_null(orders_find(&orders, "old"));
    for (int i = 0; i < AWS_ORDERS_MAX; i++) {
        (void) snprintf(name, sizeof(name), "r-%d", i);
        begin(&orders, name, i, 1, NOW + 24 * 60 * MINUTE);
    }
    assert_int_equal(orders.n, AWS_ORDERS_MAX);
    assert_null(orders_find(&orders, "new"));
    assert_non_null(orders_find(&orders, "r-0"));
}

/* A cloud and a host, at random: orders whose calls are lost before or after AWS heard of them, removals and boots in
 * between. At each answer the group wants exactly what was ordered and not removed. */

struct play {
    struct aws_orders orders;
    struct aws_view view;
    int64_t wanted;
    unsigned random;
};

static unsigned pick(struct play *p, unsigned below)
{
    p->random = p->random * 1103515245u + 12345u;
    return (p->random >> 16) % below;
}

static void boot_some(struct play *p)
{
    while (p->view.counted < p->view.desired && pick(p, 2)) {
        p->view.counted++;
        orders_appeared(&p->orders, 1, NOW);
    }
}

static void remove_some(struct play *p)
{
    while (p->view.counted > 0 && pick(p, 3) == 0) {
        bool lowered = orders_lower(&p->orders);

        if (pick(p, 5) == 0) { /* refused */
            if (lowered)
                orders_raise(&p->orders);
            continue;
        }
        p->view.counted--;
        p->view.desired--;
        p->wanted--;
    }
}

static void test_whatever_is_lost_growth_neither_doubles_nor_shrinks(void **state)
{
    struct play p = { .view = { .max = 100000 }, .random = 7 };

    (void) state;
    for (int i = 0; i < 20000; i++) {
        uint32_t n = 1 + pick(&p, 5);
        char name[16];
        bool answered = false;

        (void) snprintf(name, sizeof(name), "r-%d", i);
        p.wanted += n;
        while (!answered) {
            struct aws_growth growth = orders_plan(&p.orders, &p.view, name, n, NOW);
            unsigned fate = pick(&p, 4); /* 0 lost before, 1 lost after, else answered */

            assert_int_equal(growth.accepted, n);
            orders_begin(&p.orders, name, &growth, NOW);
            if (growth.ask && fate != 0) {
                assert_true(growth.target > p.view.desired);
                p.view.desired = growth.target;
            }
            answered = !growth.ask || fate > 1;
            if (answered)
                orders_answered(&p.orders, name);
            boot_some(&p);
            remove_some(&p);
        }
        if (p.view.desired != p.wanted)
            fail_msg("order %d: the group wants %lld, ordered are %lld", i,
                     (long long) p.view.desired, (long long) p.wanted);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_an_order_is_counted_from_what_the_group_wants_now),
        cmocka_unit_test(test_a_repetition_has_the_target_of_its_order),
        cmocka_unit_test(test_what_aws_owes_for_orders_that_were_given_up_is_not_ordered_again),
        cmocka_unit_test(test_what_aws_owes_for_an_order_that_is_not_repeated_is_not_ordered_again),
        cmocka_unit_test(test_orders_are_forgotten_by_age_and_by_number),
        cmocka_unit_test(test_whatever_is_lost_growth_neither_doubles_nor_shrinks),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
