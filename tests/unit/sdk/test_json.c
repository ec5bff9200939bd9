/* tests/unit/sdk/test_json.c - mirrors sdk/lib/json.c */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "sdk/lib/json.h"

static struct json_object *read_json(const char *text)
{
    struct json_object *ret = NULL;
    char error[FLT_ERROR_MAX];

    if (flt_json_parse(text, strlen(text), &ret, error) < 0)
        fail_msg("%s: %s", text, error);
    return ret;
}

static void test_values_are_found_and_read(void **unused)
{
    struct json_object *json =
        read_json(" {\"a\": {\"text\": \"t\", \"n\": -3, \"on\": true}, \"null\": null} \n");
    const char *text = NULL;
    char error[FLT_ERROR_MAX];
    int64_t number = 0;
    int is_on = 0;

    (void) unused;
    assert_int_equal(flt_json_need_text(json, "a.text", &text, error), 0);
    assert_string_equal(text, "t");
    assert_string_equal(flt_json_text(json, "a.text"), "t");
    assert_null(flt_json_text(json, "a.n"));
    assert_int_equal(flt_json_need_i64(json, "a.n", -3, 3, &number, error), 0);
    assert_int_equal(number, -3);
    assert_int_equal(flt_json_opt_bool(json, "a.on", &is_on, error), 0);
    assert_int_equal(is_on, 1);
    assert_null(flt_json_find(json, "null"));
    assert_null(flt_json_find(json, "a.text.below"));
    json_object_put(json);
}

static void test_errors_say_where_and_no_value(void **unused)
{
    struct json_object *json = read_json(
        "{\"a\": {\"text\": 5, \"n\": \"secret\", \"big\": 9223372036854775808, \"on\": 1, "
        "\"nul\": \"a\\u0000b\"}}");
    const char *text = "untouched";
    char error[FLT_ERROR_MAX];
    int64_t number = 7;
    int is_on = 7;

    (void) unused;
    assert_int_equal(flt_json_need_text(json, "a.text", &text, error), -1);
    assert_string_equal(error, "a.text must be a string");
    assert_int_equal(flt_json_need_text(json, "a.nul", &text, error), -1);
    assert_int_equal(flt_json_opt_text(json, "a.nul", &text, error), -1);
    assert_int_equal(flt_json_need_text(json, "a.none", &text, error), -1);
    assert_string_equal(error, "a.none is missing");
    assert_int_equal(flt_json_need_text(json, "a.none", &text, NULL), -1);
    assert_int_equal(flt_json_need_i64(json, "a.n", 0, 10, &number, error), -1);
    assert_string_equal(error, "a.n must be a whole number from 0 to 10");
    assert_int_equal(flt_json_need_i64(json, "a.text", 6, 10, &number, error), -1);
    assert_int_equal(flt_json_need_i64(json, "a.big", 0, INT64_MAX, &number, error), -1);
    assert_int_equal(flt_json_need_i64(json, "b", 0, 10, &number, error), -1);
    assert_int_equal(flt_json_opt_bool(json, "a.on", &is_on, error), -1);
    assert_string_equal(error, "a.on must be true or false");
    assert_string_equal(text, "untouched");
    assert_int_equal(number, 7);
    assert_int_equal(is_on, 7);
    json_object_put(json);
}

static void test_what_is_not_there_keeps_its_default(void **unused)
{
    static const char *const paths[] = { "none", "null", "null.below", "text.below" };
    struct json_object *json = read_json("{\"null\": null, \"text\": \"t\"}");
    const char *text = "default";
    char error[FLT_ERROR_MAX];
    int64_t number = 7;
    int is_on = 7;

    (void) unused;
    for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++) {
        assert_int_equal(flt_json_opt_text(json, paths[i], &text, error), 0);
        assert_int_equal(flt_json_opt_i64(json, paths[i], 0, 1, &number, error), 0);
        assert_int_equal(flt_json_opt_bool(json, paths[i], &is_on, error), 0);
    }
    assert_string_equal(text, "default");
    assert_int_equal(number, 7);
    assert_int_equal(is_on, 7);
    json_object_put(json);
}

static void test_broken_texts_are_refused(void **unused)
{
    static const char *const rows[] = { "",    " ",        "{",           "{\"a\":1,}", "[1] x",
                                        "nul", "\"\xff\"", "{\"a\":1}{}", "// c\n1" };

    (void) unused;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct json_object *json = NULL;
        char error[FLT_ERROR_MAX] = "";

        if (flt_json_parse(rows[i], strlen(rows[i]), &json, error) == 0 || json ||
            strncmp(error, "JSON is broken at byte ", 23) != 0)
            fail_msg("'%s': %s", rows[i], error);
    }
    {
        struct json_object *json = NULL;
        char error[FLT_ERROR_MAX] = "";

        assert_int_equal(flt_json_parse("1\0", 2, &json, error), -1);
    }
}

static void test_depth_has_an_end(void **unused)
{
    struct json_object *json = NULL;
    char text[200], error[FLT_ERROR_MAX];

    (void) unused;
    memset(text, '[', 100);
    memset(text + 100, ']', 100);
    assert_int_equal(flt_json_parse(text + 70, 60, &json, error), 0);
    json_object_put(json);
    assert_int_equal(flt_json_parse(text, 200, &json, error), -1);
}

static void test_a_bare_value_is_one(void **unused)
{
    struct json_object *json = read_json("12");

    (void) unused;
    assert_int_equal(json_object_get_int64(json), 12);
    json_object_put(json);
    assert_null(read_json("null"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_values_are_found_and_read),
        cmocka_unit_test(test_errors_say_where_and_no_value),
        cmocka_unit_test(test_what_is_not_there_keeps_its_default),
        cmocka_unit_test(test_broken_texts_are_refused),
        cmocka_unit_test(test_depth_has_an_end),
        cmocka_unit_test(test_a_bare_value_is_one),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
