/* tests/unit/exec/test_job_log.c - mirrors core/exec/job_log.c. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "core/base/buf.h"
#include "core/base/str.h"
#include "core/exec/job_log.h"

static void on_line(void *arg, const char *text)
{
    struct buf *lines = arg;

    buf_add_str(lines, text);
    buf_add_char(lines, '|');
}

/* What is shown of `data`, a '|' behind each line, when it comes in pieces of `piece` bytes. */
static void show(struct buf *out, const char *data, size_t len, size_t piece, bool colours)
{
    struct job_log log = { .colours = colours, .on_line = on_line, .arg = out };

    for (size_t at = 0; at < len; at += piece)
        job_log_add(&log, data + at, MIN(piece, len - at));
    job_log_end(&log);
}

static void test_a_log_is_shown_as_a_person_reads_it(void **unused)
{
    static const struct {
        const char *why, *data, *plain, *coloured; /* coloured NULL: the same */
    } cases[] = {
        { "lines", "one\ntwo\n", "one|two|", NULL },
        { "a last line without an end", "one\ntwo", "one|two|", NULL },
        { "an empty line is one", "one\n\ntwo\n", "one||two|", NULL },
        { "nothing", "", "", NULL },
        { "Windows' line ends", "one\r\ntwo\r\n", "one|two|", NULL },
        { "the last text after a carriage return stays", "10%\r20%\rdone\n", "done|", NULL },
        { "section markers are left out, with what erases them",
          "section_start:1:x\r\x1b[0Kheader\nsection_end:2:x\r\x1b[0K\nnext\n", "header|next|",
          NULL },
        { "what a script left unfinished is a line of its own",
          "one\ndefsection_end:2:x\r\x1b[0Ksection_start:3:y\r\x1b[0Kheader\n", "one|def|header|",
          NULL },
        { "in its colour", "\x1b[31mdefsection_end:2:x\r\x1b[0K\n", "def|", "\x1b[31mdef\x1b[0m|" },
        { "also behind a carriage return", "10%\r20%section_end:2:x\r\x1b[0K\n", "20%|", NULL },
        { "what only looks like a marker is text", "see section_end:x\nsection_start:1:x\n",
          "see section_end:x|section_start:1:x|", NULL },
        { "a tab is text", "a\tb\n", "a\tb|", NULL },
        { "UTF-8 is text", "\xc3\xa9 \xe2\x80\xa6\n", "\xc3\xa9 \xe2\x80\xa6|", NULL },
        { "colours end with the line", "\x1b[31mred\n", "red|", "\x1b[31mred\x1b[0m|" },
        { "colours of 256 and of a palette", "\x1b[38;5;9m\x1b[38:2::1:2:3mx\n", "x|",
          "\x1b[38;5;9m\x1b[38:2::1:2:3mx\x1b[0m|" },
        { "a reset without numbers", "\x1b[mx\n", "x|", "\x1b[mx\x1b[0m|" },
        { "control bytes inside of a colour", "\x1b[1\b\b\x05mx\n", "x|", NULL },
        { "private parameters are no colour", "\x1b[>4;2mx\n\x1b[?25mx\n", "x|x|", NULL },
        { "moving, erasing, saving",
          "\x1b[2J\x1b[1;1H\x1b[K\x1b"
          "7x\x1b"
          "8\n",
          "x|", NULL },
        { "a title loses what makes it one", "\x1b]0;t\x07x\n", "0;tx|", NULL },
        { "an unfinished sequence", "x\x1b[31", "x|", NULL },
        { "an escape at the end", "x\x1b", "x|", NULL },
        { "control bytes",
          "a\b\x7f\x01"
          "b\n",
          "ab|", NULL },
        { "C1 control bytes, which some terminals obey",
          "a\xc2\x9b"
          "2Jb\n",
          "a2Jb|", NULL },
    };

    (void) unused;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++)
        for (size_t piece = 1; piece < 4; piece++) {
            const char *coloured = cases[i].coloured ? cases[i].coloured : cases[i].plain;
            autobuf struct buf plain = BUF_INIT, colours = BUF_INIT;

            show(&plain, cases[i].data, strlen(cases[i].data), piece, false);
            show(&colours, cases[i].data, strlen(cases[i].data), piece, true);
            if (!str_eq(buf_str(&plain), cases[i].plain))
                fail_msg("%s: '%s'", cases[i].why, buf_str(&plain));
            if (!str_eq(buf_str(&colours), coloured))
                fail_msg("%s, in colours: '%s'", cases[i].why, buf_str(&colours));
        }
}

static void test_a_line_without_end_is_cut_and_not_kept(void **unused)
{
    static const size_t line = 64 * 1024;
    autobuf struct buf data = BUF_INIT, shown = BUF_INIT;

    (void) unused;
    for (size_t i = 0; i < 2 * line + 10; i++)
        buf_add_char(&data, 'x');
    show(&shown, data.data, data.len, 1000, false);
    assert_int_equal(shown.len, data.len + 3);
    assert_int_equal(shown.data[line], '|');
    assert_int_equal(shown.data[2 * line + 1], '|');
}

static void test_a_nul_byte_hides_nothing_behind_it(void **unused)
{
    autobuf struct buf shown = BUF_INIT;

    (void) unused;
    show(&shown, "a\0b\n", 4, 4, false);
    assert_string_equal(buf_str(&shown), "ab|");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_log_is_shown_as_a_person_reads_it),
        cmocka_unit_test(test_a_line_without_end_is_cut_and_not_kept),
        cmocka_unit_test(test_a_nul_byte_hides_nothing_behind_it),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
