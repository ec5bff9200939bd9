/* tests/unit/nestingd/test_slots.c - mirrors nestingd/slots.c */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>

#include "core/base/log.h"
#include "core/base/str.h"
#include "nestingd/slots.h"
#include "tests/harness/harness.h"

static struct record record(const char *id, bool has_slot, int32_t slot)
{
    struct record ret = { .has_slot = has_slot, .slot = slot, .need = { 2, 1 << 30, 5 } };

    (void) str_copy(ret.id, sizeof(ret.id), id);
    return ret;
}

static void load(struct slots *slots, int folder)
{
    struct error err = { 0 };

    if (slots_load(slots, folder, &err) < 0)
        fail_msg("%s", err.message);
}

static void test_what_is_added_is_there_for_the_next_one(void **state)
{
    auto_ptr(harness_remove_dir) char *dir = harness_temp_dir();
    autoclose int folder = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    struct record first = record("nesting-aaaaaaaa", true, -5),
                  loose = record("nesting-bbbbbbbb", false, 0),
                  third = record("nesting-cccccccc", true, INT32_MAX);
    struct slots slots, next;

    (void) state;
    load(&slots, folder);
    assert_int_equal(slots.n, 0);
    assert_int_equal(slots_add(&slots, &first, NULL), 0);
    assert_int_equal(slots_add(&slots, &loose, NULL), 0);
    assert_int_equal(slots_add(&slots, &third, NULL), 0);
    assert_null(slots_at(&slots, 0)); /* none is in no slot */
    load(&next, folder);
    assert_int_equal(next.n, 3);
    assert_string_equal(slots_at(&next, -5)->id, first.id);
    assert_string_equal(slots_at(&next, INT32_MAX)->id, third.id);
    assert_false(slots_find(&next, loose.id)->has_slot);
    assert_true(slots_find(&next, loose.id)->is_made);
    assert_int_equal(slots_find(&next, first.id)->need.cpus, 2);
    assert_int_equal(slots_find(&next, first.id)->need.memory_bytes, 1 << 30);
    slots_done(&next);
    slots_drop(&slots, first.id);
    slots_drop(&slots, "nesting-unknown0");
    load(&next, folder);
    assert_int_equal(next.n, 2);
    assert_null(slots_at(&next, -5));
    slots_done(&next);
    slots_done(&slots);
}

static void test_files_that_are_wrong_are_put_aside(void **state)
{
    static const char *const rows[] = {
        "",
        "{",
        "[]",
        "{\"vms\": 7}",
        "{\"vms\": [{}]}",
        "{\"vms\": [{\"id\": \"../../etc\"}]}",
        "{\"vms\": [{\"id\": \"nesting-aaaaaaaa\", \"slot\": 4294967296}]}",
        "{\"vms\": [{\"id\": \"nesting-aaaaaaaa\"}, {\"id\": \"nesting-aaaaaaaa\"}]}",
        "{\"vms\": [{\"id\": \"nesting-a\", \"slot\": 1}, {\"id\": \"nesting-b\", \"slot\": 1}]}",
        "{\"vms\": [{\"id\": \"nesting-aaaaaaaa\", \"memory_bytes\": -1}]}",
    };

    (void) state;
    log_open(open("/dev/null", O_WRONLY | O_CLOEXEC), LOG_FORMAT_TEXT, LOG_LEVEL_ERROR);
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        auto_ptr(harness_remove_dir) char *dir = harness_temp_dir();
        autoclose int folder = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        autofree char *aside = NULL;
        struct slots slots;

        harness_write(dir, "vms.json", rows[i]);
        load(&slots, folder);
        assert_int_equal(slots.n, 0);
        aside = harness_read(dir, "vms.json.damaged");
        assert_string_equal(aside, rows[i]);
        slots_done(&slots);
    }
}

struct failing {
    int folder;
    struct slots slots;
};

static int add_and_drop(void *arg)
{
    struct failing *failing = arg;
    struct record added = record("nesting-dddddddd", true, 4);
    struct error err;
    int r = slots_add(&failing->slots, &added, &err);

    if (r < 0) {
        /* As if it had never been asked for, here and on the disk. */
        assert_null(slots_find(&failing->slots, added.id));
        return r;
    }
    slots_drop(&failing->slots, added.id);
    assert_null(slots_find(&failing->slots, added.id));
    return 0;
}

static void test_a_record_that_cannot_be_written_is_none(void **state)
{
    auto_ptr(harness_remove_dir) char *dir = harness_temp_dir();
    autoclose int folder = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    struct record kept = record("nesting-aaaaaaaa", true, 1);
    struct failing failing = { .folder = folder };

    (void) state;
    harness_need_faults();
    load(&failing.slots, folder);
    assert_int_equal(slots_add(&failing.slots, &kept, NULL), 0);
    assert_true(harness_try_each_allocation(add_and_drop, &failing) > 0);
    assert_true(harness_try_each_call(add_and_drop, &failing, ENOSPC) > 0);
    assert_string_equal(slots_at(&failing.slots, 1)->id, kept.id);
    slots_done(&failing.slots);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_what_is_added_is_there_for_the_next_one),
        cmocka_unit_test(test_files_that_are_wrong_are_put_aside),
        cmocka_unit_test(test_a_record_that_cannot_be_written_is_none),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
