/* tests/unit/sdk/test_grpc_message.c - mirrors sdk/lib/grpc_message.c */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "sdk/lib/grpc_message.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static void test_a_message_comes_in_whatever_pieces(void **state)
{
    static const unsigned char body[] = { 0, 0, 0, 0, 3, 'a', 'b', 'c' };

    (void) state;
    for (size_t step = 1; step <= sizeof(body); step++) {
        struct flt_grpc_reader reader = { 0 };

        for (size_t at = 0; at < sizeof(body); at += step) {
            size_t n = sizeof(body) - at < step ? sizeof(body) - at : step;

            assert_false(flt_grpc_reader_is_whole(&reader));
            assert_null(flt_grpc_reader_add(&reader, body + at, n));
        }
        assert_true(flt_grpc_reader_is_whole(&reader));
        assert_int_equal(reader.len, 3);
        assert_memory_equal(reader.data, "abc", 3);
        flt_grpc_reader_done(&reader);
    }
}

static void test_bodies_that_are_wrong(void **state)
{
    static const struct {
        const char *why;
        unsigned char body[8];
        size_t len;
    } rows[] = {
        { "a message that is compressed, which nobody asked for", { 1, 0, 0, 0, 0 }, 5 },
        { "a message that is compressed, which nobody asked for", { 7, 0, 0, 0, 1 }, 5 },
        { "a message of more than 1 MiB", { 0, 0, 0x10, 0, 1 }, 5 },
        { "a message of more than 1 MiB", { 0, 0xff, 0xff, 0xff, 0xff }, 5 },
        { "more than one message", { 0, 0, 0, 0, 0, 0 }, 6 },
        { "more than one message", { 0, 0, 0, 0, 1, 'a', 'b' }, 7 },
        { NULL, { 0, 0, 0x10, 0, 0 }, 5 }, /* 1 MiB itself */
    };

    (void) state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct flt_grpc_reader reader = { 0 };
        const char *why = flt_grpc_reader_add(&reader, rows[i].body, rows[i].len);

        if (rows[i].why)
            assert_string_equal(why, rows[i].why);
        else
            assert_null(why);
        flt_grpc_reader_done(&reader);
    }
}

static void test_nothing_longer_than_the_limit_is_framed(void **state)
{
    size_t len;

    (void) state;
    assert_null(flt_grpc_frame("", FLT_GRPC_MESSAGE_MAX + 1, &len));
}

static void test_a_timeout_has_eight_digits_and_is_never_longer_than_what_is_left(void **state)
{
    static const struct {
        int64_t ms;
        const char *text;
    } rows[] = {
        { 60000, "60000m" },
        { 1, "1m" },
        { 0, "1m" },
        { 99999999, "99999999m" },
        { 100000000, "100000S" },
        { 100000999, "100000S" },
        { INT64_MAX, "99999999H" },
    };

    (void) state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        char text[FLT_GRPC_TIMEOUT_SIZE];

        flt_grpc_timeout_write(rows[i].ms, text);
        assert_string_equal(text, rows[i].text);
    }
}

static void test_a_timeout_is_read_in_all_its_units(void **state)
{
    static const struct {
        const char *text;
        int64_t ms; /* 7 = it is none */
    } rows[] = {
        { "60S", 60000 },
        { "1500m", 1500 },
        { "2M", 120000 },
        { "1H", 3600000 },
        { "1n", 1 },
        { "1000u", 1 },
        { "1001u", 2 },
        { "0S", 0 },
        { "-1S", -1000 },
        { "-1n", -1 },
        { "99999999H", 359999996400000 },
        { "", 7 },
        { "S", 7 },
        { "-S", 7 },
        { "60", 7 },
        { "60s", 7 },
        { "+6S", 7 },
        { " 6S", 7 },
        { "6S ", 7 },
        { "6.5S", 7 },
        { "6SS", 7 },
        { "123456789S", 7 },
        { "-123456789S", 7 },
    };

    (void) state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        int64_t ms = 7;
        int r = flt_grpc_timeout_read(rows[i].text, strlen(rows[i].text), &ms);

        if (r != (rows[i].ms == 7 ? -1 : 0) || ms != rows[i].ms)
            fail_msg("'%s': %d, %lld", rows[i].text, r, (long long) ms);
    }
}

static void test_a_status_that_is_none_is_unknown(void **state)
{
    static const struct {
        const char *text;
        int status;
    } rows[] = { { "0", 0 },  { "9", 9 },  { "16", 16 }, { "17", 2 }, { "", 2 },
                 { "-1", 2 }, { " 0", 2 }, { "000", 2 }, { "OK", 2 }, { "00", 0 } };

    (void) state;
    for (size_t i = 0; i < COUNT(rows); i++)
        assert_int_equal(flt_grpc_status_read(rows[i].text, strlen(rows[i].text)), rows[i].status);
}

static void test_a_message_becomes_a_line_of_text(void **state)
{
    static const struct {
        const char *text, *line;
    } rows[] = {
        { "plain", "plain" },
        { "exit status 1 (no%20such%20VM%0A)", "exit status 1 (no such VM )" },
        { "fin%0A", "fin" },
        { "100%", "100%" },
        { "%4", "%4" },
        { "%zz%41", "%zzA" },
        { "%1b[31m%00red", " [31m red" },
        { "f%C3%BCr", "f\xc3\xbcr" },
        { "%ff%c0%80%ed%a0%80", "??????" },
        { "%e2%82", "" }, /* a character that is cut at the end */
        { "%2541", "%41" },
    };

    (void) state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        char line[64];

        flt_grpc_text_read(rows[i].text, strlen(rows[i].text), line, sizeof(line));
        assert_string_equal(line, rows[i].line);
    }
}

static void test_a_message_is_cut_at_its_room(void **state)
{
    char line[6];

    (void) state;
    flt_grpc_text_read("abcdefgh", 8, line, sizeof(line));
    assert_string_equal(line, "abcde");
    flt_grpc_text_read("abcd%C3%BC", 10, line, sizeof(line));
    assert_string_equal(line, "abcd");
}

static void test_a_text_is_written_so_that_it_can_be_read(void **state)
{
    static const struct {
        const char *text, *wire;
    } rows[] = {
        { "plain, with blanks", "plain, with blanks" },
        { "100%", "100%25" },
        { "f\xc3\xbcr\n", "f%C3%BCr%0A" },
        { "", "" },
    };
    char wire[64], cut[8];

    (void) state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        flt_grpc_text_write(rows[i].text, wire, sizeof(wire));
        assert_string_equal(wire, rows[i].wire);
    }
    flt_grpc_text_write("abcd\nefg", cut, sizeof(cut));
    assert_string_equal(cut, "abcd%0A"); /* no escape is cut in two */
    flt_grpc_text_write("abcde\nfg", cut, sizeof(cut));
    assert_string_equal(cut, "abcde");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_message_comes_in_whatever_pieces),
        cmocka_unit_test(test_bodies_that_are_wrong),
        cmocka_unit_test(test_nothing_longer_than_the_limit_is_framed),
        cmocka_unit_test(test_a_timeout_has_eight_digits_and_is_never_longer_than_what_is_left),
        cmocka_unit_test(test_a_timeout_is_read_in_all_its_units),
        cmocka_unit_test(test_a_status_that_is_none_is_unknown),
        cmocka_unit_test(test_a_message_becomes_a_line_of_text),
        cmocka_unit_test(test_a_message_is_cut_at_its_room),
        cmocka_unit_test(test_a_text_is_written_so_that_it_can_be_read),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
