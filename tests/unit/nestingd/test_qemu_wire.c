/* tests/unit/nestingd/test_qemu_wire.c - mirrors nestingd/qemu/wire.c and usernet.c */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "nestingd/qemu/usernet.h"
#include "nestingd/qemu/wire.h"

static void test_what_each_line_is(void **unused)
{
    static const struct {
        const char *why, *line, *says;
        int want;
        enum wire_kind kind;
    } cases[] = {
        { "a greeting", "{\"QMP\":{\"version\":{},\"capabilities\":[]}}\r\n", NULL, 1,
          WIRE_GREETING },
        { "an event", "{\"event\":\"STOP\",\"timestamp\":{}}\n", NULL, 1, WIRE_EVENT },
        { "an answer", "{\"return\":{\"a\":1}}\n", NULL, 1, WIRE_RETURN },
        { "an answer that is nothing", "{\"return\":null}\n", NULL, 1, WIRE_RETURN },
        { "a refusal", "{\"error\":{\"class\":\"GenericError\",\"desc\":\"no \\u001b[2Jway\"}}\n",
          "no \\x1b[2Jway", 1, WIRE_ERROR },
        { "a refusal without reason", "{\"error\":7}\n", "it does not say why", 1, WIRE_ERROR },
        { "a refusal with an empty one", "{\"error\":{\"desc\":\"\"}}\n", "it does not say why", 1,
          WIRE_ERROR },
        { "half a line", "{\"return\":", NULL, 0, WIRE_EVENT },
        { "no object", "[1]\n", "no object", -EPROTO, WIRE_EVENT },
        { "no JSON", "hello\n", "no JSON", -EPROTO, WIRE_EVENT },
        { "an empty line", "\n", "no JSON", -EPROTO, WIRE_EVENT },
        { "an object of another kind", "{\"execute\":\"quit\"}\n", "none of those", -EPROTO,
          WIRE_EVENT },
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        autobuf struct buf in = BUF_INIT;
        autojson json_t *body = NULL;
        enum wire_kind kind = WIRE_EVENT;
        struct error err = { 0 };

        buf_add_str(&in, cases[i].line);
        if (wire_take(&in, &kind, &body, &err) != cases[i].want || kind != cases[i].kind)
            fail_msg("%s: kind %d, '%s'", cases[i].why, (int) kind, err.message);
        if (cases[i].says && !strstr(err.message, cases[i].says))
            fail_msg("%s: '%s'", cases[i].why, err.message);
        assert_int_equal(in.len, cases[i].want == 0 ? strlen(cases[i].line) : 0);
    }
}

static void test_lines_come_one_by_one(void **unused)
{
    autobuf struct buf in = BUF_INIT;
    autojson json_t *first = NULL, *second = NULL;
    enum wire_kind kind;

    buf_add_str(&in, "{\"return\":1}\n{\"return\":2}\n{");
    assert_int_equal(wire_take(&in, &kind, &first, NULL), 1);
    assert_int_equal(json_object_get_int64(first), 1);
    assert_int_equal(wire_take(&in, &kind, &second, NULL), 1);
    assert_int_equal(json_object_get_int64(second), 2);
    assert_string_equal(buf_str(&in), "{");
}

static void test_a_line_has_a_limit(void **unused)
{
    autobuf struct buf in = BUF_INIT;
    autojson json_t *body = NULL;
    enum wire_kind kind;
    struct error err = { 0 };

    for (size_t i = 0; i < WIRE_LINE_MAX; i++)
        buf_add_char(&in, ' ');
    assert_int_equal(wire_take(&in, &kind, &body, &err), 0);
    buf_add_char(&in, ' ');
    assert_int_equal(wire_take(&in, &kind, &body, &err), -EPROTO);
    assert_non_null(strstr(err.message, "more than"));
}

static void test_what_comes_before_the_mark_is_nothing(void **unused)
{
    autobuf struct buf in = BUF_INIT;

    assert_false(wire_skip_to_mark(&in));
    buf_add_str(&in, "{\"return\":1}\n");
    assert_false(wire_skip_to_mark(&in));
    assert_int_equal(in.len, 0);
    buf_add_str(&in, "old\n\xff{\"return\":2}\n");
    assert_true(wire_skip_to_mark(&in));
    assert_string_equal(buf_str(&in), "{\"return\":2}\n");
}

static void test_the_forwarded_port(void **unused)
{
    static const struct {
        const char *why, *text;
        unsigned want; /* 0 = none */
    } cases[] = {
        { "as QEMU prints it",
          "Hub -1 (net):\r\n  Protocol[State]    FD  Source Address  Port   Dest. Address  Port "
          "RecvQ SendQ\r\n"
          "  TCP[HOST_FORWARD]  13       127.0.0.1 43567       10.0.2.15    22     0     0\r\n",
          43567 },
        { "connections of the guest before it",
          "  TCP[ESTABLISHED]   24       10.0.2.15 41000     192.0.2.7  8080     0     0\n"
          "  UDP[236 sec]       25       10.0.2.15   123     192.0.2.7   123     0     0\n"
          "  TCP[HOST_FORWARD]  13       127.0.0.1 1         10.0.2.15    22     0     0\n",
          1 },
        { "nothing", "", 0 },
        { "no such line", "TCP[ESTABLISHED] 24 127.0.0.1 41000 192.0.2.7 8080 0 0\n", 0 },
        { "words missing", "TCP[HOST_FORWARD] 13 127.0.0.1\n", 0 },
        { "no number", "TCP[HOST_FORWARD] 13 127.0.0.1 http 10.0.2.15 22\n", 0 },
        { "out of range", "TCP[HOST_FORWARD] 13 127.0.0.1 65536 10.0.2.15 22\n", 0 },
        { "a number without end",
          "TCP[HOST_FORWARD] 13 127.0.0.1 99999999999999999999 10.0.2.15 22", 0 },
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        unsigned port = 0;
        int r = usernet_find_port(cases[i].text, &port);

        if (port != cases[i].want || r != (cases[i].want ? 0 : -ENOENT))
            fail_msg("%s: %d, %u", cases[i].why, r, port);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_what_each_line_is),
        cmocka_unit_test(test_lines_come_one_by_one),
        cmocka_unit_test(test_a_line_has_a_limit),
        cmocka_unit_test(test_what_comes_before_the_mark_is_nothing),
        cmocka_unit_test(test_the_forwarded_port),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
