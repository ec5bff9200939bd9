/* tests/unit/sdk/test_host_key_store.c - mirrors sdk/lib/host_key_store.c. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "sdk/lib/file.h"
#include "sdk/lib/host_key_store.h"
#include "sdk/lib/host_keys.h"

/* After the host, whose `fail` cmocka makes a macro. */
#include <cmocka.h>

#define ED "AAAAC3NzaC1lZDI1NTE5AAAAIGk5dGVzdHRlc3R0ZXN0dGVzdHRlc3R0ZXN0dGVzdHRl"

static char path[64];

static int begin(void **state)
{
    char folder[] = "/tmp/flotilla-keys-XXXXXX";

    (void) state;
    assert_non_null(mkdtemp(folder));
    (void) snprintf(path, sizeof(path), "%s/keys.json", folder);
    return 0;
}

static int end(void **state)
{
    (void) state;
    (void) unlink(path);
    *strrchr(path, '/') = '\0';
    return rmdir(path);
}

static int starts_with_b(void *arg, const char *id)
{
    (void) arg;
    return id[0] == 'b';
}

static const struct flt_host_key_owners owners = { .n = 1, .is_there = starts_with_b };

static void keep(struct flt_host_key_store *store, const char *id, int with_key)
{
    struct json_object *keys = json_object_new_array();
    char error[FLT_ERROR_MAX];

    if (with_key)
        flt_host_keys_add(keys, "ssh-ed25519", ED);
    assert_int_equal(flt_host_key_store_keep(store, id, keys, &owners, error), FLT_OK);
}

static size_t count(const struct flt_host_key_store *store, const char *id)
{
    struct json_object *keys = flt_host_key_store_find(store, id);

    assert_non_null(keys);
    return json_object_array_length(keys);
}

static void test_keys_are_there_for_the_next_process(void **state)
{
    struct flt_host_key_store store = { .keys = NULL };
    char error[FLT_ERROR_MAX];

    (void) state;
    flt_host_key_store_open(&store, path, error);
    assert_string_equal(error, "");
    assert_null(flt_host_key_store_find(&store, "a/1"));
    keep(&store, "a/1", 1);
    keep(&store, "b/2", 0);
    flt_host_key_store_done(&store);
    flt_host_key_store_open(&store, path, error);
    assert_string_equal(error, "");
    assert_int_equal(count(&store, "a/1"), 1);
    assert_int_equal(count(&store, "b/2"), 0);
    flt_host_key_store_done(&store);
}

static void test_those_of_instances_that_are_gone_make_room(void **state)
{
    struct flt_host_key_store store = { .keys = NULL };
    char error[FLT_ERROR_MAX], id[16];

    (void) state;
    flt_host_key_store_open(&store, path, error);
    keep(&store, "b/1", 1);
    for (int i = 0; i < 40; i++) {
        (void) snprintf(id, sizeof(id), "a/%d", i);
        keep(&store, id, 1);
    }
    assert_int_equal(count(&store, "b/1"), 1);
    assert_null(flt_host_key_store_find(&store, "a/0"));
    assert_true(json_object_object_length(store.keys) < 25);
    flt_host_key_store_done(&store);
}

static void test_a_file_that_is_damaged_is_told_and_replaced(void **state)
{
    static const char *const texts[] = {
        "",
        "{\"a\":[",
        "[]",
        "{\"a\":1}",
        "{\"a\":[1]}",
        "{\"a\":[\"no-blank\"]}",
        "{\"a\":[\"t k\",\"t k\",\"t k\",\"t k\",\"t k\",\"t k\",\"t k\",\"t k\",\"t k\"]}",
    };
    struct flt_host_key_store store = { .keys = NULL };
    char error[FLT_ERROR_MAX];

    (void) state;
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        assert_int_equal(flt_file_replace(path, texts[i], error), FLT_OK);
        *error = '\0';
        flt_host_key_store_open(&store, path, error);
        if (!*error || flt_host_key_store_find(&store, "a"))
            fail_msg("%s: %s", texts[i], error);
        flt_host_key_store_done(&store);
    }
    flt_host_key_store_open(&store, path, error);
    keep(&store, "b", 1);
    flt_host_key_store_done(&store);
    flt_host_key_store_open(&store, path, error);
    assert_string_equal(error, "");
    flt_host_key_store_done(&store);
}

static void test_without_a_file_they_hold_in_memory(void **state)
{
    struct flt_host_key_store store = { .keys = NULL };
    char error[FLT_ERROR_MAX];

    (void) state;
    flt_host_key_store_open(&store, "", error);
    assert_string_equal(error, "");
    keep(&store, "b", 1);
    assert_int_equal(count(&store, "b"), 1);
    assert_int_equal(access(".new", F_OK), -1);
    flt_host_key_store_done(&store);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_keys_are_there_for_the_next_process, begin, end),
        cmocka_unit_test_setup_teardown(test_those_of_instances_that_are_gone_make_room, begin,
                                        end),
        cmocka_unit_test_setup_teardown(test_a_file_that_is_damaged_is_told_and_replaced, begin,
                                        end),
        cmocka_unit_test_setup_teardown(test_without_a_file_they_hold_in_memory, begin, end),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
