/* tests/unit/nestingd/test_room.c - mirrors nestingd/room.c and nestingd/claims.c, which are pure. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>

#include "core/base/random.h"
#include "core/base/str.h"
#include "nestingd/claims.h"
#include "nestingd/room.h"

static uint64_t
    told; /* the CPUs of those that were told, as digits; of many, the last ones at best */

static void on_room(struct room_asker *asker)
{
    told = told * 10 + asker->need.cpus;
}

static struct room_asker asker(unsigned cpus)
{
    return (struct room_asker) { .need = { .cpus = cpus }, .on_room = on_room };
}

static void test_whoever_came_first_is_served_first(void **state)
{
    struct room room = { .limits = { .most = { .cpus = 4 } } };
    struct room_asker one = asker(3), large = asker(4), small = asker(1);

    (void) state;
    told = 0;
    room_ask(&room, &one);
    room_ask(&room, &large);
    room_ask(&room, &small);
    assert_true(one.has_room);
    assert_false(large.has_room ||
                 small.has_room); /* the small one would fit, and does not overtake */
    room_give(&room, &one.need);
    assert_true(large.has_room);
    assert_false(small.has_room);
    room_give(&room, &large.need);
    assert_true(small.has_room);
    assert_int_equal(told, 341);
    room_give(&room, &small.need);
    assert_int_equal(room.vms, 0);
    assert_int_equal(room.used.cpus, 0);
}

static void test_whoever_leaves_holds_up_nobody(void **state)
{
    struct room room = { .limits = { .vms = 2, .most = { .cpus = 4 } } };
    struct room_asker one = asker(3), large = asker(4), small = asker(1);

    (void) state;
    told = 0;
    room_ask(&room, &one);
    room_ask(&room, &large);
    room_ask(&room, &small);
    room_leave(&room, &large);
    assert_true(small.has_room);
    assert_false(large.has_room);
    assert_int_equal(told, 31);
}

static void test_more_room_is_given_away_at_once(void **state)
{
    struct room room = { .limits = { .vms = 1 } };
    struct room_asker one = asker(1), two = asker(2), three = asker(3);

    (void) state;
    told = 0;
    room_ask(&room, &one);
    room_ask(&room, &two);
    room_ask(&room, &three);
    room_set_limits(&room, &(struct room_limits) { .vms = 2 });
    assert_true(two.has_room);
    assert_false(three.has_room);
    room_set_limits(&room, &(struct room_limits) { 0 });
    assert_true(three.has_room);
    assert_int_equal(told, 123);
}

/* VMs of an earlier daemon may be more than there is room for. */
static void test_vms_that_are_there_count_whatever_they_take(void **state)
{
    const struct need need = { .cpus = 8, .memory_bytes = 100, .disk_bytes = 100 };
    struct room room = { .limits = { .vms = 1, .most = { 4, 50, 50 } } };
    struct room_asker one = asker(1);

    (void) state;
    room_take(&room, &need);
    room_take(&room, &need);
    room_ask(&room, &one);
    assert_false(one.has_room);
    room_give(&room, &need);
    assert_false(one.has_room);
    room_give(&room, &need);
    assert_true(one.has_room);
}

static void test_what_never_fits_is_told(void **state)
{
    static const struct room_limits limits = { 2, { 4, INT64_C(8) << 30, INT64_C(20) << 30 } };
    static const struct {
        struct need need;
        const char *message;
    } rows[] = {
        { { 4, INT64_C(8) << 30, INT64_C(20) << 30 }, NULL },
        { { 0, 0, 0 }, NULL },
        { { 5, 0, 0 },
          "a VM of image mac takes 5 CPUs, and all VMs of this host may take 4: see max_cpus in "
          "the "
          "daemon's configuration" },
        { { 0, (INT64_C(8) << 30) + 1, 0 },
          "a VM of image mac takes 8 GiB of memory, and all VMs of this host may take 8 GiB: see "
          "max_memory in the daemon's configuration" },
        { { 0, 0, INT64_C(40) << 30 },
          "a VM of image mac takes 40 GiB of disk, and all VMs of this host may take 20 GiB: see "
          "max_disk in the daemon's configuration" },
    };

    (void) state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct error err = { 0 };
        int r = room_check(&limits, "mac", &rows[i].need, &err);

        assert_int_equal(r, rows[i].message ? -EDQUOT : 0);
        assert_string_equal(err.message, rows[i].message ? rows[i].message : "");
    }
}

/* Random ones, against what the sum says. */
static void test_the_limits_hold_whoever_comes_and_goes(void **state)
{
    struct room room = { .limits = { .vms = 5, .most = { .cpus = 12 } } };
    struct room_asker askers[20];
    bool is_in[20] = { false };
    struct rng_seeded rng;

    (void) state;
    rng_seed(&rng, 7);
    for (int step = 0; step < 5000; step++) {
        size_t i = rng_below(&rng.rng, ARRAY_LEN(askers));
        unsigned vms = 0, cpus = 0;

        if (!is_in[i]) {
            askers[i] = asker(1 + (unsigned) rng_below(&rng.rng, 12));
            room_ask(&room, &askers[i]);
        } else if (askers[i].has_room) {
            room_give(&room, &askers[i].need);
        } else {
            room_leave(&room, &askers[i]);
        }
        is_in[i] = !is_in[i];
        for (size_t j = 0; j < ARRAY_LEN(askers); j++) {
            vms += is_in[j] && askers[j].has_room;
            cpus += is_in[j] && askers[j].has_room ? askers[j].need.cpus : 0;
        }
        assert_true(vms <= 5 && cpus <= 12);
        assert_true(room.vms == vms && room.used.cpus == cpus);
        /* Whoever waits in front does not fit. */
        assert_true(!room.first || vms == 5 || cpus + room.first->need.cpus > 12);
    }
}

static unsigned held; /* how many were told */

static void on_held(struct claim *claim)
{
    (void) claim;
    held++;
}

static void test_one_at_a_time_works_on_a_thing(void **state)
{
    struct claims claims = { 0 };
    struct claim a = { .key = "slot 1", .on_held = on_held }, b = a, c = a,
                 other = { .key = "slot 2", .on_held = on_held };

    (void) state;
    held = 0;
    claims_ask(&claims, &a);
    claims_ask(&claims, &b);
    claims_ask(&claims, &other);
    claims_ask(&claims, &c);
    assert_true(a.is_held && other.is_held);
    assert_false(b.is_held || c.is_held);
    claims_drop(&claims, &b); /* it waits no longer */
    assert_false(c.is_held);
    claims_drop(&claims, &a);
    assert_true(c.is_held);
    assert_int_equal(held, 1);
    claims_drop(&claims, &c);
    claims_drop(&claims, &other);
    assert_null(claims.first);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_whoever_came_first_is_served_first),
        cmocka_unit_test(test_whoever_leaves_holds_up_nobody),
        cmocka_unit_test(test_more_room_is_given_away_at_once),
        cmocka_unit_test(test_vms_that_are_there_count_whatever_they_take),
        cmocka_unit_test(test_what_never_fits_is_told),
        cmocka_unit_test(test_the_limits_hold_whoever_comes_and_goes),
        cmocka_unit_test(test_one_at_a_time_works_on_a_thing),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
