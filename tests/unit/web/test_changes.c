/* tests/unit/web/test_changes.c - mirrors core/web/changes.c */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <string.h>

#include "core/base/mem.h"
#include "core/web/changes.h"

static void put(struct web_changes *changes, const char *key, const char *value)
{
    autobuf struct buf text = BUF_INIT;

    buf_add_str(&text, value);
    web_changes_put(changes, key, &text);
}

static void assert_told(const struct web_changes *changes, const char *set, const char *gone)
{
    assert_string_equal(buf_str(web_changes_set(changes)), set);
    assert_string_equal(buf_str(web_changes_gone(changes)), gone);
}

static void test_what_is_new_different_and_gone(void **unused)
{
    struct web_changes *changes = web_changes_new();

    web_changes_begin(changes, false);
    put(changes, "a", "1");
    put(changes, "b\"", "{}");
    assert_int_equal(web_changes_end(changes), 1);
    assert_told(changes, "\"a\":1,\"b\\\"\":{}", "");
    assert_string_equal(buf_str(web_changes_whole(changes)), "");

    web_changes_begin(changes, true);
    put(changes, "a", "1");
    put(changes, "b\"", "{}");
    assert_int_equal(web_changes_end(changes), 0);
    assert_told(changes, "", "");
    assert_string_equal(buf_str(web_changes_whole(changes)), "\"a\":1,\"b\\\"\":{}");

    web_changes_begin(changes, true);
    put(changes, "c", "3");
    put(changes, "a", "2");
    assert_int_equal(web_changes_end(changes), 1);
    assert_told(changes, "\"c\":3,\"a\":2", "\"b\\\"\"");
    assert_string_equal(buf_str(web_changes_whole(changes)), "\"c\":3,\"a\":2");

    web_changes_begin(changes, false);
    assert_int_equal(web_changes_end(changes), 1);
    assert_told(changes, "", "\"c\",\"a\"");

    /* What was gone is new when it comes back as it was. */
    web_changes_begin(changes, false);
    put(changes, "a", "2");
    assert_int_equal(web_changes_end(changes), 1);
    assert_told(changes, "\"a\":2", "");
    web_changes_free(changes);
    web_changes_free(NULL);
}

static void test_a_round_without_memory_makes_everything_new(void **unused)
{
    struct web_changes *changes = web_changes_new();
    struct buf broken = { .error = -ENOMEM };

    web_changes_begin(changes, false);
    put(changes, "a", "1");
    web_changes_put(changes, "b", &broken);
    assert_int_equal(web_changes_end(changes), -ENOMEM);
    web_changes_begin(changes, false);
    put(changes, "a", "1");
    put(changes, "b", "2");
    assert_int_equal(web_changes_end(changes), 1);
    assert_told(changes, "\"a\":1,\"b\":2", "");
    web_changes_free(changes);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_what_is_new_different_and_gone),
        cmocka_unit_test(test_a_round_without_memory_makes_everything_new),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
