/* tests/unit/base/test_json.c - mirrors core/base/json.c */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "core/base/buf.h"
#include "core/base/json.h"

static int parse(const char *text, json_t **ret, struct error *err)
{
    return json_parse(text, strlen(text), ret, err);
}

static void test_what_is_json_and_what_is_not(void **unused)
{
    static const struct {
        const char *why, *text;
        int want;
    } cases[] = {
        { "an object", "{\"a\":1}", 0 },
        { "white space around", " \n\t{}\r\n ", 0 },
        { "a bare number ends with the text", "123", 0 },
        { "a bare string", "\"x\"", 0 },
        { "last of two equal keys wins, as GitLab's", "{\"a\":1,\"a\":2}", 0 },
        { "nothing", "", -EINVAL },
        { "an object that does not end", "{\"a\":", -EINVAL },
        { "two values", "{}{}", -EINVAL },
        { "a letter behind", "{} x", -EINVAL },
        { "a comma too many", "{\"a\":1,}", -EINVAL },
        { "single quotes around a value", "{\"a\":'1'}", -EINVAL },
        { "a comment", "/* x */ {}", -EINVAL },
        { "bytes that are no UTF-8", "\"\xff\xfe\"", -EINVAL },
        { "half a character", "\"\xe2\x82\"", -EINVAL },
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        json_t *untouched = (json_t *) 1, *got = untouched;
        struct error err = { 0 };
        int r = parse(cases[i].text, &got, &err);

        if (r != cases[i].want)
            fail_msg("%s: got %d '%s'", cases[i].why, r, err.message);
        if (r == 0)
            json_object_put(got);
        else if (got != untouched || !err.message[0])
            fail_msg("%s: result touched or nothing said", cases[i].why);
    }
}

static void test_nul_byte_ends_nothing(void **unused)
{
    json_t *got = NULL;

    assert_int_equal(json_parse("{}\0{}", 5, &got, NULL), -EINVAL);
    assert_int_equal(json_parse("{\"a\0b\":1}", 9, &got, NULL), -EINVAL);
    assert_null(got);
}

static void test_depth_is_limited_to_64(void **unused)
{
    static const struct {
        const char *why;
        int depth, want;
    } cases[] = { { "as deep as allowed", 63, 0 }, { "deeper", 65, -EINVAL } };

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        autobuf struct buf text = BUF_INIT;
        autojson json_t *got = NULL;
        int r;

        for (int k = 0; k < cases[i].depth; k++)
            buf_add_char(&text, '[');
        for (int k = 0; k < cases[i].depth; k++)
            buf_add_char(&text, ']');
        r = json_parse(text.data, text.len, &got, NULL);
        if (r != cases[i].want)
            fail_msg("%s: got %d", cases[i].why, r);
    }
}

static void test_strings(void **unused)
{
    static const struct {
        const char *why, *json;
        int need, opt;
        const char *value, *message;
    } cases[] = {
        { "there", "{\"k\":\"v\"}", 0, 0, "v", "" },
        { "empty is a value", "{\"k\":\"\"}", 0, 0, "", "" },
        { "missing", "{}", -ENOENT, 0, "default", "k: is missing" },
        { "null counts as missing", "{\"k\":null}", -ENOENT, 0, "default", "k: is missing" },
        { "a number", "{\"k\":1}", -EINVAL, -EINVAL, "default", "k: must be a string, not int" },
        { "a NUL inside", "{\"k\":\"a\\u0000b\"}", -EINVAL, -EINVAL, "default",
          "k: has a NUL byte" },
        { "no object", "[]", -EINVAL, -EINVAL, "default", "k: its parent is no object" },
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        autojson json_t *obj = NULL;
        const char *need = "default", *opt = "default";
        struct error err = { 0 }, opt_err = { 0 };
        int r;

        assert_int_equal(parse(cases[i].json, &obj, NULL), 0);
        r = json_need_str(obj, "k", &need, &err);
        if (r != cases[i].need || strcmp(need, cases[i].value) != 0 ||
            strcmp(err.message, cases[i].message) != 0)
            fail_msg("%s: got %d '%s' '%s'", cases[i].why, r, need, err.message);
        r = json_opt_str(obj, "k", &opt, &opt_err);
        if (r != cases[i].opt || strcmp(opt, cases[i].value) != 0)
            fail_msg("%s: optional: got %d '%s'", cases[i].why, r, opt);
        if (r == 0 && opt_err.message[0])
            fail_msg("%s: optional: an error is left behind", cases[i].why);
    }
}

static void test_numbers(void **unused)
{
    static const struct {
        const char *why, *json;
        int64_t min, max;
        int want;
        int64_t value;
    } cases[] = {
        { "inside", "{\"k\":5}", 1, 10, 0, 5 },
        { "the least", "{\"k\":1}", 1, 10, 0, 1 },
        { "the most", "{\"k\":10}", 1, 10, 0, 10 },
        { "below", "{\"k\":0}", 1, 10, -ERANGE, -7 },
        { "above", "{\"k\":11}", 1, 10, -ERANGE, -7 },
        { "the largest there is", "{\"k\":9223372036854775807}", 0, INT64_MAX, 0, INT64_MAX },
        { "one more", "{\"k\":9223372036854775808}", 0, INT64_MAX, -ERANGE, -7 },
        { "much more", "{\"k\":99999999999999999999999}", 0, INT64_MAX, -ERANGE, -7 },
        { "a fraction", "{\"k\":5.0}", 1, 10, -EINVAL, -7 },
        { "text", "{\"k\":\"5\"}", 1, 10, -EINVAL, -7 },
        { "truth", "{\"k\":true}", 0, 10, -EINVAL, -7 },
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        autojson json_t *obj = NULL;
        struct error err = { 0 };
        int64_t need = -7, opt = -7;
        int r;

        assert_int_equal(parse(cases[i].json, &obj, NULL), 0);
        r = json_need_i64(obj, "k", cases[i].min, cases[i].max, &need, &err);
        if (r != cases[i].want || need != cases[i].value)
            fail_msg("%s: got %d %lld", cases[i].why, r, (long long) need);
        if (r < 0 && strncmp(err.message, "k: must be ", 11) != 0)
            fail_msg("%s: '%s' does not name the field", cases[i].why, err.message);
        r = json_opt_i64(obj, "k", cases[i].min, cases[i].max, &opt, NULL);
        if (r != cases[i].want || opt != cases[i].value)
            fail_msg("%s: optional: got %d %lld", cases[i].why, r, (long long) opt);
    }
}

static void test_optional_members_keep_their_defaults(void **unused)
{
    autojson json_t *obj = NULL;
    json_t *array = NULL, *object = NULL;
    int64_t number = 3;
    bool truth = true;

    assert_int_equal(parse("{\"n\":null,\"t\":false,\"a\":[1],\"o\":{}}", &obj, NULL), 0);
    assert_int_equal(json_opt_i64(obj, "n", 0, 9, &number, NULL), 0);
    assert_int_equal(number, 3);
    assert_int_equal(json_opt_bool(obj, "missing", &truth, NULL), 0);
    assert_true(truth);
    assert_int_equal(json_opt_bool(obj, "t", &truth, NULL), 0);
    assert_false(truth);
    assert_int_equal(json_opt_bool(obj, "a", &truth, NULL), -EINVAL);
    assert_int_equal(json_opt_array(obj, "a", &array, NULL), 0);
    assert_int_equal(json_object_array_length(array), 1);
    assert_int_equal(json_opt_array(obj, "o", &array, NULL), -EINVAL);
    assert_int_equal(json_opt_object(obj, "missing", &object, NULL), 0);
    assert_null(object);
    assert_int_equal(json_opt_object(obj, "a", &object, NULL), -EINVAL);
    assert_null(object);
}

static void test_building(void **unused)
{
    autojson json_t *frame = json_frame("x");

    assert_int_equal(json_add_str(frame, "s", "a/\"b\""), 0);
    assert_int_equal(json_add_str(frame, "none", NULL), 0);
    assert_int_equal(json_add_i64(frame, "n", -1), 0);
    assert_int_equal(json_add_bool(frame, "b", true), 0);
    assert_int_equal(json_add(frame, "failed", NULL), -ENOMEM);
    assert_string_equal(json_text(frame),
                        "{\"type\":\"x\",\"s\":\"a/\\\"b\\\"\",\"n\":-1,\"b\":true}");
}

static void test_quoting(void **unused)
{
    static const char text[] = "a\"b\\c\n\x1b\0\xc3\xa9\xff/";
    autobuf struct buf out = BUF_INIT;

    json_quote(&out, text, sizeof(text) - 1);
    assert_string_equal(buf_str(&out), "\"a\\\"b\\\\c\\n\\u001b\\u0000\xc3\xa9\xff/\"");
    buf_clear(&out);
    json_quote(&out, "", 0);
    assert_string_equal(buf_str(&out), "\"\"");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_what_is_json_and_what_is_not),
        cmocka_unit_test(test_nul_byte_ends_nothing),
        cmocka_unit_test(test_depth_is_limited_to_64),
        cmocka_unit_test(test_strings),
        cmocka_unit_test(test_numbers),
        cmocka_unit_test(test_optional_members_keep_their_defaults),
        cmocka_unit_test(test_building),
        cmocka_unit_test(test_quoting),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
