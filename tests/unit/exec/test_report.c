/* tests/unit/exec/test_report.c - mirrors core/exec/report.c; tests/integration/test_report.py reads a
 * page with a parser and opens it in a browser. */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "core/base/buf.h"
#include "core/base/fs.h"
#include "core/base/mem.h"
#include "core/base/str.h"
#include "core/exec/report.h"
#include "core/page/page.h"
#include "scene.h"

static struct report report_of(struct scene *scene, const char *title)
{
    return (struct report) { .pipeline = scene->pipeline,
                             .history = &scene->history,
                             .title = title,
                             .when = "2026-01-01T00:00:00Z",
                             .verdict = "passed" };
}

static void assert_has(const struct buf *html, const char *text)
{
    if (!strstr(buf_str(html), text))
        fail_msg("'%s' is not in %s", text, buf_str(html));
}

static void test_bars_are_as_long_as_what_they_tell_of(void **unused)
{
    struct scene scene = scene_of("a: {script: s}\n");
    struct report report = report_of(&scene, "t");
    autobuf struct buf html = BUF_INIT;

    (void) unused;
    history_appeared(&scene.history, "i-1", 1, 1000);
    history_ready(&scene.history, "i-1", 2000);
    scene_start(&scene, 1, "i-1", 4000);
    scene_end(&scene, 1, NULL, 0, 6000);
    history_removing(&scene.history, "i-1", "it is idle", 8000);
    history_decided(&scene.history, "order 1", 500);
    scene.history.ended_ms = 10000;
    assert_int_equal(report_format(&report, &html, NULL), 0);
    assert_has(&html, "<rect class=\"waiting\" x=\"0.0\" width=\"400.0\"");
    assert_has(&html, "<rect class=\"passed\" x=\"400.0\" width=\"200.0\"");
    assert_has(&html, "<rect class=\"starting\" x=\"100.0\" width=\"900.0\"");
    assert_has(&html, "<rect class=\"ready\" x=\"200.0\" width=\"600.0\"");
    assert_has(
        &html,
        "<td class=\"number\">4.0</td><td class=\"number\">2.0</td><td><bdi>i-1</bdi>, slot 0");
    assert_has(&html, "<td>it is idle</td>");
    assert_has(&html, "at 0.5&nbsp;s:</span> order 1");
    scene_done(&scene);
}

static void test_what_comes_from_outside_is_escaped(void **unused) /* hardening_17 */
{
    static const char evil[] = "<script>\"onerror='x'&</title>\xe2\x80\xae\x1b[2J";
    static const char shown[] =
        "&lt;script&gt;&quot;onerror=&#39;x&#39;&amp;&lt;/title&gt;\\xe2\\x80\\xae\\x1b[2J";
    autofree char *text =
        mem_printf("stages: [%s]\n%s: {stage: %s, script: s}\n", "'<b>'", "'<i>'", "'<b>'");
    struct scene scene = scene_of(text);
    struct report report = report_of(&scene, evil);
    autobuf struct buf html = BUF_INIT;
    size_t found = 0;

    (void) unused;
    history_appeared(&scene.history, evil, 1, 0);
    history_removing(&scene.history, evil, evil, 0);
    history_decided(&scene.history, evil, 0);
    scene_start(&scene, 1, evil, 0);
    scene_end(&scene, 1, evil, 0, 0);
    assert_int_equal(report_format(&report, &html, NULL), 0);
    for (const char *at = buf_str(&html); (at = strstr(at, shown)); at++)
        found++;
    assert_true(found >= 7); /* title twice, lane, table, why, decision, slot */
    assert_null(strstr(buf_str(&html), "<script"));
    assert_null(strstr(buf_str(&html), "<b>"));
    assert_null(strstr(buf_str(&html), "<i>"));
    assert_null(strstr(buf_str(&html), "\"onerror"));
    assert_null(strchr(buf_str(&html), '\x1b'));
    scene_done(&scene);
}

static void test_a_job_that_never_ran_has_a_row_and_a_run_of_no_time_a_page(void **unused)
{
    struct scene scene = scene_of("a: {script: s}\nb: {script: s, when: manual}\n");
    struct report report = report_of(&scene, "t");
    autobuf struct buf html = BUF_INIT;

    (void) unused;
    assert_int_equal(report_format(&report, &html, NULL), 0);
    assert_has(&html, "<th scope=\"row\"><bdi>a</bdi></th>");
    assert_has(&html, "<th scope=\"row\"><bdi>b</bdi></th>");
    assert_has(&html, "There were none.");
    scene_done(&scene);
}

static void test_a_file_is_replaced_as_a_whole(void **unused)
{
    char folder[] = "/tmp/flotilla-test-XXXXXX";
    struct scene scene = scene_of("a: {script: s}\n");
    struct report report = report_of(&scene, "t");
    autofree char *file = NULL;
    autobuf struct buf text = BUF_INIT;
    struct stat before, after;

    (void) unused;
    assert_non_null(mkdtemp(folder));
    file = mem_printf("%s/r.html", folder);
    assert_int_equal(page_check_file(file, NULL), 0);
    assert_int_equal(report_write(&report, file, NULL), 0);
    assert_int_equal(stat(file, &before), 0);
    assert_int_equal(report_write(&report, file, NULL), 0);
    assert_int_equal(stat(file, &after), 0);
    assert_int_not_equal(before.st_ino, after.st_ino);
    assert_int_equal(fs_read_file(AT_FDCWD, file, 1 << 20, &text, NULL), 0);
    assert_true(str_ends(buf_str(&text), "</html>\n"));
    assert_int_equal(fs_remove_tree(AT_FDCWD, folder), 0);
    scene_done(&scene);
}

static void test_a_place_that_cannot_be_written_is_told_before(void **unused)
{
    static const struct {
        const char *file, *want;
    } cases[] = {
        { "/nowhere/r.html", "--report /nowhere/r.html can't be written: /nowhere: No such file" },
        { "/tmp/", "--report /tmp/ names a directory; name a file in it" },
        { "/tmp", "--report /tmp: that is there and no regular file" },
        { "/dev/null", "--report /dev/null: that is there and no regular file" },
    };
    struct error err = { 0 };

    (void) unused;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        assert_true(page_check_file(cases[i].file, &err) < 0);
        if (!str_starts(err.message, cases[i].want))
            fail_msg("%s", err.message);
    }
}

static void test_without_memory_there_is_no_half_page(void **unused)
{
    struct scene scene = scene_of("a: {script: s}\n");
    struct report report = report_of(&scene, "t");
    size_t n = 0, counted;
    int r;

    (void) unused;
    do {
        autobuf struct buf html = BUF_INIT;

        (void) mem_fail_at(++n);
        r = report_format(&report, &html, NULL);
        counted = mem_fail_at(0);
        if (r == 0 && counted < n)
            assert_true(str_ends(buf_str(&html), "</html>\n"));
    } while (counted >= n);
    scene_done(&scene);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_bars_are_as_long_as_what_they_tell_of),
        cmocka_unit_test(test_what_comes_from_outside_is_escaped),
        cmocka_unit_test(test_a_job_that_never_ran_has_a_row_and_a_run_of_no_time_a_page),
        cmocka_unit_test(test_a_file_is_replaced_as_a_whole),
        cmocka_unit_test(test_a_place_that_cannot_be_written_is_told_before),
        cmocka_unit_test(test_without_memory_there_is_no_half_page),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
