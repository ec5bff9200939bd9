/* tests/unit/exec/test_board.c - mirrors core/exec/board.c. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "core/base/columns.h"
#include "core/base/str.h"
#include "core/exec/board.h"
#include "scene.h"

#define THREE                                                                                      \
    "stages: [build, test]\n"                                                                      \
    "lib: {stage: build, script: s}\n"                                                             \
    "doc: {stage: build, script: s}\n"                                                             \
    "check: {stage: test, script: s}\n"

static struct board board_of(const struct scene *scene, int64_t now_ms)
{
    return (struct board) { .pipeline = scene->pipeline,
                            .history = &scene->history,
                            .title = "ring, main",
                            .now_ms = now_ms };
}

static void assert_board(const struct board *board, size_t width, size_t height, const char *want)
{
    struct board_page page = { 0 };

    board_draw(board, width, height, &page);
    assert_string_equal(buf_str(&page.text), want);
    board_page_done(&page);
}

static void test_jobs_instances_and_the_end_of_a_log_are_shown(void **unused)
{
    static const char *const tail[] = { "first", "second", "third" };
    struct scene scene = scene_of(THREE);
    struct board board;

    (void) unused;
    scene_instance(&scene, "i-1", 1000);
    scene_instance(&scene, "i-2", 1000);
    scene_start(&scene, 1, "i-1", 2000);
    scene_start(&scene, 2, "i-2", 2000);
    scene_end(&scene, 2, NULL, 0, 5000);
    history_removing(&scene.history, "i-2", "x", 6000);
    board = board_of(&scene, 65000);
    board.tail_of = "lib";
    board.tail = tail;
    board.n_tail = ARRAY_LEN(tail);
    board.note = "job doc passed";
    assert_board(&board, 60, 24,
                 "  1:05  1 of 3 jobs done  ring, main\n"
                 "build > lib    running  1:03  i-1\n"
                 "      + doc    passed   0:03  i-2\n"
                 "test    check  waiting\n"
                 "instance i-1  ready      1:04  [lib]\n"
                 "instance i-2  removing   1:04  [free]\n"
                 "log of lib:\n"
                 "first\n"
                 "second\n"
                 "third\n"
                 "job doc passed\n");
    scene_done(&scene);
}

static void test_an_instance_that_is_gone_is_not_shown(void **unused)
{
    struct scene scene = scene_of("a: {script: s}\n");
    struct board board;

    (void) unused;
    scene_instance(&scene, "i-1", 1000);
    history_gone(&scene.history, "i-1", 2000);
    board = board_of(&scene, 3000);
    assert_board(&board, 60, 24, "  0:03  0 of 1 jobs done  ring, main\ntest   a  ready\n");
    scene_done(&scene);
}

static void test_a_further_try_and_an_exit_code_are_told(void **unused)
{
    struct scene scene =
        scene_of("a: {script: s, retry: 1}\nb: {script: s, allow_failure: true}\n");
    struct board board;

    (void) unused;
    scene_start(&scene, 1, "i-1", 0);
    scene_end(&scene, 1, "script_failure", 2, 1000);
    scene_start(&scene, 2, "i-1", 0);
    scene_end(&scene, 2, "script_failure", 3, 1000);
    board = board_of(&scene, 3000);
    assert_board(&board, 80, 24,
                 "  0:03  1 of 2 jobs done  ring, main\n"
                 "test   a  ready, try 2\n"
                 "     ! b  failed (allowed), exit code 3  0:01  i-1\n");
    scene_done(&scene);
}

static void test_a_low_window_shows_what_matters_most(void **unused)
{
    static const char *const tail[] = { "1", "2", "3", "4" };
    struct scene scene = scene_of("stages: [one, two]\n"
                                  "a: {stage: one, script: s}\n"
                                  "b: {stage: one, script: s}\n"
                                  "c: {stage: one, script: s}\n"
                                  "d: {stage: one, script: s, allow_failure: true}\n"
                                  "e: {stage: two, script: s}\n"
                                  "f: {stage: two, script: s}\n");
    struct board board;

    (void) unused;
    scene_instance(&scene, "i-1", 0);
    scene_instance(&scene, "i-2", 0);
    scene_end(&scene, 1, NULL, 0, 1000);
    scene_end(&scene, 4, "script_failure", 1, 1000);
    scene_start(&scene, 2, "i-1", 1000);
    board = board_of(&scene, 2000);
    board.tail_of = "b";
    board.tail = tail;
    board.n_tail = ARRAY_LEN(tail);
    assert_board(&board, 60, 10,
                 "  0:02  2 of 6 jobs done  ring, main\n"
                 "one > b  running                        0:01  i-1\n"
                 "      c  ready\n"
                 "    ! d  failed (allowed), exit code 1\n"
                 "and 3 more: 2 waiting, 1 passed\n"
                 "instance i-1  ready      0:02  [b]\n"
                 "instance i-2  ready      0:02  [free]\n"
                 "log of b:\n"
                 "3\n"
                 "4\n");
    scene_done(&scene);
}

static void test_names_and_logs_cannot_drive_the_terminal(void **unused) /* hardening_18 */
{
    static const char *const tail[] = { "\x1b]0;t\x07x\ty", "\xe2\x80\xae\xff" };
    struct scene scene = scene_of("\"\\e[2J\\x9bA\": {script: s}\n");
    struct board board = board_of(&scene, 0);
    struct board_page page = { 0 };

    (void) unused;
    scene_instance(&scene, "\x1b[5m", 0);
    scene_start(&scene, 1, "\x1b[5m", 0);
    board.title = board.note = board.problem = board.tail_of = "\x1b]0;t\x07";
    board.tail = tail;
    board.n_tail = ARRAY_LEN(tail);
    board_draw(&board, 200, 24, &page);
    for (const char *at = buf_str(&page.text); *at; at++)
        if ((unsigned char) *at < ' ' && *at != '\n')
            fail_msg("byte %02x in: %s", (unsigned char) *at, at);
    assert_null(strstr(buf_str(&page.text), "\xc2\x9b"));
    assert_null(strstr(buf_str(&page.text), "\xe2\x80\xae"));
    assert_non_null(strstr(buf_str(&page.text), "\\x1b]0;t\\x07x    y\n"));
    board_page_done(&page);
    scene_done(&scene);
}

/* Whatever the window is, the board stays in it and tells its running job where one line is left. */
static void test_the_board_stays_in_its_window(void **unused)
{
    static const char *const tail[] = { "\xe6\xbc\xa2\xe5\xad\x97 and more", "", "x" };
    struct scene scene = scene_of(THREE "\"\xe6\xbc\xa2\xe5\xad\x97\": {stage: test, script: s}\n");
    struct board board;

    (void) unused;
    for (int i = 0; i < 5; i++)
        scene_instance(&scene, "i-1", 0);
    scene_start(&scene, 1, "i-1", 0);
    board = board_of(&scene, 2000);
    board.note = board.problem = board.tail_of = "note";
    board.tail = tail;
    board.n_tail = ARRAY_LEN(tail);
    for (size_t width = 0; width <= 90; width++)
        for (size_t height = 0; height <= 30; height++) {
            struct board_page page = { 0 };
            size_t lines = 0;

            board_draw(&board, width, height, &page);
            for (char *line = page.text.data, *end; line && *line; line = end + 1) {
                end = strchr(line, '\n');
                *end = '\0';
                assert_true(columns_of(line) <= width);
                lines++;
            }
            assert_int_equal(lines, page.n_lines);
            assert_true(lines <= height);
            board_page_done(&page);
        }
    scene_done(&scene);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_jobs_instances_and_the_end_of_a_log_are_shown),
        cmocka_unit_test(test_an_instance_that_is_gone_is_not_shown),
        cmocka_unit_test(test_a_further_try_and_an_exit_code_are_told),
        cmocka_unit_test(test_a_low_window_shows_what_matters_most),
        cmocka_unit_test(test_names_and_logs_cannot_drive_the_terminal),
        cmocka_unit_test(test_the_board_stays_in_its_window),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
