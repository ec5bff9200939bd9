/* tests/unit/base/test_log.c - mirrors core/base/log.c */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/base/json.h"
#include "core/base/mem.h"
#include "core/base/str.h"
#include "tests/harness/harness.h"

#define LOG_TOPIC "topic"
#include "core/base/log.h"

/* Lines go into a pipe; what is in it is read without waiting. */
struct output {
    int fds[2];
    char text[600000];
};
static struct output output;

static int open_output(void **unused)
{
    assert_int_equal(pipe2(output.fds, O_CLOEXEC), 0);
    assert_true(fcntl(output.fds[0], F_SETFL, O_NONBLOCK) >= 0);
    return 0;
}

static int close_output(void **unused)
{
    log_open(2, LOG_FORMAT_TEXT, LOG_LEVEL_INFO);
    (void) close(output.fds[0]);
    (void) close(output.fds[1]);
    return 0;
}

static const char *read_output(void)
{
    size_t len = 0;
    ssize_t n;

    while ((n = read(output.fds[0], output.text + len, sizeof(output.text) - 1 - len)) > 0)
        len += (size_t) n;
    output.text[len] = '\0';
    return output.text;
}

/* "2026-01-02T03:04:05.678Z " */
static const char *after_time(const char *line)
{
    static const char shape[] = "0000-00-00T00:00:00.000Z ";

    for (size_t i = 0; shape[i]; i++)
        if (shape[i] == '0' ? line[i] < '0' || line[i] > '9' : line[i] != shape[i])
            fail_msg("no time at the start of '%s'", line);
    return line + sizeof(shape) - 1;
}

static void test_text_line_has_time_level_topic_and_message(void **unused)
{
    log_open(output.fds[1], LOG_FORMAT_TEXT, LOG_LEVEL_INFO);
    log_warning("%d jobs", 3);
    assert_string_equal(after_time(read_output()), "warning topic: 3 jobs\n");
}

static void test_level_decides_what_is_written(void **unused)
{
    static const struct {
        enum log_level level;
        size_t lines;
    } cases[] = { { LOG_LEVEL_ERROR, 1 },
                  { LOG_LEVEL_WARNING, 2 },
                  { LOG_LEVEL_NOTICE, 3 },
                  { LOG_LEVEL_INFO, 4 },
                  { LOG_LEVEL_DEBUG, 5 } };

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        size_t lines = 0;

        log_open(output.fds[1], LOG_FORMAT_TEXT, cases[i].level);
        log_error("x");
        log_warning("x");
        log_notice("x");
        log_info("x");
        log_debug("x");
        for (const char *at = read_output(); (at = strchr(at, '\n')); at++)
            lines++;
        assert_int_equal(lines, cases[i].lines);
    }
}

static void test_scopes_add_fields_while_they_are_open(void **unused)
{
    log_open(output.fds[1], LOG_FORMAT_TEXT, LOG_LEVEL_INFO);
    {
        auto_log_scope struct log_scope runner = log_scope_open("runner", "%s", "a");
        auto_log_scope struct log_scope job = log_scope_open("job", "%d", 7);

        log_info("inside");
        assert_string_equal(after_time(read_output()), "info    topic: inside runner=a job=7\n");
    }
    log_info("outside");
    assert_string_equal(after_time(read_output()), "info    topic: outside\n");
}

static void test_more_scopes_than_there_is_room_for_are_dropped(void **unused)
{
    struct log_scope scopes[20];

    log_open(output.fds[1], LOG_FORMAT_TEXT, LOG_LEVEL_INFO);
    for (size_t i = 0; i < ARRAY_LEN(scopes); i++)
        scopes[i] = log_scope_open("k", "%zu", i);
    log_info("x");
    assert_non_null(strstr(read_output(), "k=0 k=1"));
    for (size_t i = ARRAY_LEN(scopes); i > 0; i--)
        log_scope_close(&scopes[i - 1]);
    log_info("x");
    assert_string_equal(after_time(read_output()), "info    topic: x\n");
}

/* coordinator-protocol.md 6.7: the prefix counts among the 50 columns, two spaces, fields by name. */
static void test_runner_lines_are_those_of_gitlab_runner(void **unused)
{
    static const struct {
        const char *why, *prefix;
        enum log_level level;
        const char *message;
    } cases[] = {
        { "padded to 50 columns", "", LOG_LEVEL_INFO, "received" },
        { "with its prefix", "WARNING: ", LOG_LEVEL_WARNING, "received" },
        { "one that is long", "ERROR: ", LOG_LEVEL_ERROR,
          "a message that takes more than its columns, much more" },
    };
    auto_log_scope struct log_scope runner = log_scope_open("runner", "%s", "a");
    auto_log_scope struct log_scope job = log_scope_open("job", "%d", 7);

    log_open(output.fds[1], LOG_FORMAT_RUNNER, LOG_LEVEL_DEBUG);
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        autofree char *want = mem_printf("%s%-*s  job=7 runner=a\n", cases[i].prefix,
                                         50 - (int) strlen(cases[i].prefix), cases[i].message);

        log_line(cases[i].level, "topic", "%s", cases[i].message);
        if (strcmp(read_output(), want) != 0)
            fail_msg("%s: got '%s', not '%s'", cases[i].why, output.text, want);
    }
}

static void test_runner_lines_have_colours_on_a_terminal_alone(void **unused)
{
    int primary = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC), terminal;
    char text[200];
    ssize_t n;

    assert_true(primary >= 0 && grantpt(primary) == 0 && unlockpt(primary) == 0);
    terminal = open(ptsname(primary), O_RDWR | O_NOCTTY | O_CLOEXEC);
    assert_true(terminal >= 0);
    log_open(terminal, LOG_FORMAT_RUNNER, LOG_LEVEL_INFO);
    log_error("x");
    n = read(primary, text, sizeof(text) - 1);
    assert_true(n > 0);
    text[n] = '\0';
    assert_ptr_equal(strstr(text, "\033[31;1mERROR: x "), text);
    assert_non_null(strstr(text, " \033[0;m "));
    (void) close(terminal);
    (void) close(primary);
}

/* In the message and in a field. */
static void test_outside_text_cannot_forge_lines_or_drive_a_terminal(void **unused)
{
    static const struct {
        const char *why, *text, *want;
    } cases[] = {
        { "a line of its own", "a\nerror: b", "a\\x0aerror: b" },
        { "an escape sequence", "\x1b[2J", "\\x1b[2J" },
        { "bytes that are no UTF-8", "\xff", "\\xff" },
        { "format directives", "%s%n%1$*2$n", "%s%n%1$*2$n" },
        { "letters stay", "\xc3\xa9\xe2\x82\xac", "\xc3\xa9\xe2\x82\xac" },
    };

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        auto_log_scope struct log_scope scope = log_scope_open("job", "%s", cases[i].text);
        autofree char *want =
            mem_printf("info    topic: %s job=%s\n", cases[i].want, cases[i].want);

        log_open(output.fds[1], LOG_FORMAT_TEXT, LOG_LEVEL_INFO);
        log_info("%s", cases[i].text);
        if (strcmp(after_time(read_output()), want) != 0)
            fail_msg("%s: got %s", cases[i].why, output.text);
    }
}

static void test_json_line_is_one_object(void **unused)
{
    autojson json_t *line = NULL;
    const char *text;

    log_open(output.fds[1], LOG_FORMAT_JSON, LOG_LEVEL_INFO);
    {
        auto_log_scope struct log_scope scope = log_scope_open("job", "%s", "\"\xff\n");

        log_notice("say \"%s\"", "hi\n");
    }
    text = read_output();
    assert_int_equal(strchr(text, '\n') - text + 1, strlen(text));
    assert_int_equal(json_parse(text, strlen(text), &line, NULL), 0);
    assert_int_equal(json_need_str(line, "level", &text, NULL), 0);
    assert_string_equal(text, "notice");
    assert_int_equal(json_need_str(line, "topic", &text, NULL), 0);
    assert_string_equal(text, "topic");
    assert_int_equal(json_need_str(line, "msg", &text, NULL), 0);
    assert_string_equal(text, "say \"hi\\x0a\"");
    assert_int_equal(json_need_str(line, "job", &text, NULL), 0);
    assert_string_equal(text, "\"\\xff\\x0a");
}

static void test_blocked_descriptor_drops_counts_and_never_blocks(void **unused)
{
    char filler[1000];
    const char *last;

    memset(filler, 'x', sizeof(filler) - 1);
    filler[sizeof(filler) - 1] = '\0';
    log_open(output.fds[1], LOG_FORMAT_TEXT, LOG_LEVEL_INFO);
    /* Far more than the pipe (64 KiB) and the queue (256 KiB) hold; nobody reads. */
    for (int i = 0; i < 1000; i++)
        log_info("%s", filler);
    for (;;) {
        if (strlen(read_output()) == 0)
            break;
        log_flush();
    }
    log_info("back again");
    last = read_output();
    assert_non_null(strstr(last, " log lines were dropped: stderr was blocked\n"));
    assert_non_null(strstr(last, "topic: back again\n"));
    assert_true(strstr(last, "dropped") < strstr(last, "back again"));
    log_info("once");
    assert_null(strstr(read_output(), "dropped"));
}

static void test_lines_stay_whole_and_all_are_accounted_for_when_blocked(void **unused)
{
    char filler[700];
    size_t lines = 0, dropped = 0;

    memset(filler, 'y', sizeof(filler) - 1);
    filler[sizeof(filler) - 1] = '\0';
    log_open(output.fds[1], LOG_FORMAT_TEXT, LOG_LEVEL_INFO);
    for (int i = 0; i < 1000; i++)
        log_info("%s", filler);
    for (bool more = true; more;) {
        const char *at = read_output();

        more = *at != '\0';
        for (; (at = strchr(at, '\n')); at++)
            lines++;
        log_flush();
    }
    log_info("end");
    for (const char *at = read_output(); *at; at = strchr(at, '\n') + 1) {
        int64_t n = 0;
        autofree char *number = NULL;

        at = after_time(at);
        if (strncmp(at, "warning log: ", 13) != 0)
            continue;
        number = mem_strndup(at + 13, strcspn(at + 13, " "));
        assert_int_equal(parse_i64(number, 1, 1000, &n), 0);
        dropped += (size_t) n;
    }
    assert_int_equal(lines + dropped, 1000);
    assert_true(dropped > 0);
}

static void *log_many(void *name)
{
    auto_log_scope struct log_scope scope = log_scope_open("thread", "%s", (const char *) name);

    for (int i = 0; i < 100; i++)
        log_info("line");
    return NULL;
}

static void test_threads_do_not_mix_their_lines_or_scopes(void **unused)
{
    pthread_t threads[2];
    size_t lines[2] = { 0 };

    log_open(output.fds[1], LOG_FORMAT_TEXT, LOG_LEVEL_INFO);
    assert_int_equal(pthread_create(&threads[0], NULL, log_many, "a"), 0);
    assert_int_equal(pthread_create(&threads[1], NULL, log_many, "b"), 0);
    assert_int_equal(pthread_join(threads[0], NULL), 0);
    assert_int_equal(pthread_join(threads[1], NULL), 0);
    for (const char *at = read_output(); *at; at = strchr(at, '\n') + 1) {
        const char *rest = after_time(at);

        if (strncmp(rest, "info    topic: line thread=", 27) != 0 || rest[28] != '\n')
            fail_msg("a mixed line: %.60s", at);
        lines[rest[27] - 'a']++;
    }
    assert_int_equal(lines[0], 100);
    assert_int_equal(lines[1], 100);
}

static void test_names_of_levels_and_formats(void **unused)
{
    enum log_level level = LOG_LEVEL_DEBUG;
    enum log_format format = LOG_FORMAT_JSON;

    assert_int_equal(log_parse_level("warn", &level), 0);
    assert_int_equal(level, LOG_LEVEL_WARNING);
    assert_int_equal(log_parse_level("warning", &level), 0);
    assert_int_equal(level, LOG_LEVEL_WARNING);
    assert_int_equal(log_parse_level("notice", &level), 0);
    assert_int_equal(level, LOG_LEVEL_NOTICE);
    assert_int_equal(log_parse_level("loud", &level), -EINVAL);
    assert_int_equal(level, LOG_LEVEL_NOTICE);
    assert_int_equal(log_parse_format("runner", &format), 0);
    assert_int_equal(format, LOG_FORMAT_RUNNER);
    assert_int_equal(log_parse_format("xml", &format), -EINVAL);
    assert_int_equal(format, LOG_FORMAT_RUNNER);
}

#define WITH_OUTPUT(test) cmocka_unit_test_setup_teardown(test, open_output, close_output)

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_OUTPUT(test_text_line_has_time_level_topic_and_message),
        WITH_OUTPUT(test_level_decides_what_is_written),
        WITH_OUTPUT(test_scopes_add_fields_while_they_are_open),
        WITH_OUTPUT(test_more_scopes_than_there_is_room_for_are_dropped),
        WITH_OUTPUT(test_outside_text_cannot_forge_lines_or_drive_a_terminal),
        WITH_OUTPUT(test_json_line_is_one_object),
        WITH_OUTPUT(test_blocked_descriptor_drops_counts_and_never_blocks),
        WITH_OUTPUT(test_lines_stay_whole_and_all_are_accounted_for_when_blocked),
        WITH_OUTPUT(test_threads_do_not_mix_their_lines_or_scopes),
        WITH_OUTPUT(test_runner_lines_are_those_of_gitlab_runner),
        WITH_OUTPUT(test_runner_lines_have_colours_on_a_terminal_alone),
        cmocka_unit_test(test_names_of_levels_and_formats),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
