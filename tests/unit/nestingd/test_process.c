/* tests/unit/nestingd/test_process.c - mirrors nestingd/process.c and nestingd/call.c, with real programs. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/base/mem.h"
#include "core/base/str.h"
#include "nestingd/process.h"
#include "tests/harness/harness.h"

static const struct call forever = { .deadline_mono_ms = INT64_MAX, .cancel_fd = -1 };

static int sh(const char *script, const struct call *call, struct buf *out, struct error *err)
{
    const char *argv[] = { "sh", "-c", script, NULL };

    return process_run(argv, call, out, NULL, err);
}

static void test_a_program_says_how_it_went(void **unused)
{
    static const struct {
        const char *why, *script;
        int code;
        const char *out, *message;
    } cases[] = {
        { "output is kept", "echo one; echo two", 0, "one\ntwo\n", NULL },
        { "silence is an empty text", "exit 0", 0, "", NULL },
        { "input is empty, not ours", "cat; echo end", 0, "end\n", NULL },
        { "exit status", "exit 3", -EIO, "", "exit status 3 ()" },
        { "with what it complained of", "echo part; echo 'no such VM' >&2; exit 1", -EIO, "part\n",
          "exit status 1 (no such VM)" },
        { "made safe for a log", "printf 'a\\033[1mb\\nc\\n\\n' >&2; exit 1", -EIO, "",
          "exit status 1 (a\\x1b[1mb c)" },
        { "a signal", "kill -9 $$", -EIO, "", "signal 9 ()" },
        { "signals are not blocked or ignored", "kill -PIPE $$", -EIO, "", "signal 13 ()" },
    };

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        autobuf struct buf out = BUF_INIT;
        struct error err = { 0 };
        int r = sh(cases[i].script, &forever, &out, &err);

        if (r != cases[i].code || !str_eq(buf_str(&out), cases[i].out) ||
            (cases[i].message && !str_eq(err.message, cases[i].message)))
            fail_msg("%s: %d, '%s', '%s'", cases[i].why, r, buf_str(&out), err.message);
    }
}

static void test_the_end_of_a_long_complaint_is_told(void **unused)
{
    struct error err = { 0 };

    assert_int_equal(
        sh("i=0; while [ $i -lt 5000 ]; do echo word $i >&2; i=$((i + 1)); done; exit 1", &forever,
           NULL, &err),
        -EIO);
    assert_true(str_ends(err.message, "word 4999)"));
}

static void test_a_program_that_is_not_there(void **unused)
{
    const char *name[] = { "no-such-program-here", "--", NULL };
    const char *path[] = { "/no/such/program", NULL };
    struct error err = { 0 };
    size_t open = harness_open_fds();

    assert_int_equal(process_run(name, &forever, NULL, NULL, &err), -ENOENT);
    assert_string_equal(err.message,
                        "exec: \"no-such-program-here\": executable file not found in $PATH");
    assert_int_equal(process_run(path, &forever, NULL, NULL, &err), -ENOENT);
    assert_string_equal(err.message, "exec: \"/no/such/program\": No such file or directory");
    assert_int_equal(harness_open_fds(), open);
}

static void test_an_argument_is_one_whatever_is_in_it(void **unused)
{
    const char *argv[] = { "printf", "%s|", "--", "$(id)", "a b", ";\n'", "", NULL };
    autobuf struct buf out = BUF_INIT;

    assert_int_equal(process_run(argv, &forever, &out, NULL, NULL), 0);
    assert_string_equal(buf_str(&out), "--|$(id)|a b|;\n'||");
}

static void test_output_has_a_limit(void **unused)
{
    autobuf struct buf out = BUF_INIT;
    struct error err = { 0 };

    assert_int_equal(sh("exec yes", &forever, &out, &err), -EFBIG);
    assert_string_equal(err.message, "it prints more than 1048576 bytes");
}

static void test_what_nobody_keeps_has_none(void **unused)
{
    assert_int_equal(sh("yes | head -c 3000000; yes | head -c 3000000 >&2", &forever, NULL, NULL),
                     0);
}

/* Starts a child that is deaf to all but SIGKILL, as it is, and waits for it for ever. */
static const char stubborn[] = "trap '' INT TERM HUP; "
                               "sh -c 'trap \"\" INT TERM HUP; while :; do sleep 1000; done' & "
                               "echo ready; while :; do wait; done";

struct cancel {
    int fd; /* written to when the program says that it is ready */
};

static void cancel_when_ready(void *arg, const char *line)
{
    struct cancel *cancel = arg;

    if (str_eq(line, "ready"))
        assert_int_equal(write(cancel->fd, "x", 1), 1);
}

static void test_a_client_that_goes_ends_the_whole_group(void **unused)
{
    const char *argv[] = { "sh", "-c", stubborn, NULL };
    struct error err = { 0 };
    int ends[2], life[2];
    char byte;

    assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
    assert_int_equal(pipe2(life, 0), 0); /* held by who runs */
    {
        struct call call = { .deadline_mono_ms = INT64_MAX, .cancel_fd = ends[0] };
        struct cancel cancel = { ends[1] };
        struct process_listener listener = { .line = cancel_when_ready, .arg = &cancel };

        assert_int_equal(process_run(argv, &call, NULL, &listener, &err), -ECANCELED);
    }
    assert_string_equal(err.message, "the call was cancelled");
    (void) close(life[1]);
    assert_int_equal(read(life[0], &byte, 1), 0);
    (void) close(life[0]);
    (void) close(ends[0]);
    (void) close(ends[1]);
}

static void test_time_that_is_over_ends_it(void **unused)
{
    struct call call = call_fresh(50);
    struct error err = { 0 };

    assert_int_equal(sh("while :; do sleep 1000; done", &call, NULL, &err), -ETIMEDOUT);
    assert_string_equal(err.message, "the time for it is over");
}

static void test_who_keeps_the_output_open_is_not_waited_for(void **unused)
{
    autobuf struct buf out = BUF_INIT;

    assert_int_equal(sh("sleep 1000 & echo $!", &forever, &out, NULL), 0);
    {
        int64_t pid = 0;

        out.data[strcspn(out.data, "\n")] = '\0';
        assert_int_equal(parse_i64(out.data, 2, INT32_MAX, &pid), 0);
        assert_int_equal(kill((pid_t) pid, SIGKILL), 0); /* it was left alone */
    }
}

static void add_line(void *arg, const char *line)
{
    buf_addf(arg, "[%s]", line);
}

static void test_lines_are_told(void **unused)
{
    const char *argv[] = { "sh", "-c", "printf 'pulling\\n1%%\\r2%%\\n\\nend'", NULL };
    autobuf struct buf lines = BUF_INIT;
    struct process_listener listener = { .line = add_line, .arg = &lines };

    assert_int_equal(process_run(argv, &forever, NULL, &listener, NULL), 0);
    assert_string_equal(buf_str(&lines), "[pulling][1%][2%][end]");
}

static struct process *start(const char *script, int output_fd)
{
    const char *argv[] = { "sh", "-c", script, NULL };
    struct process *process = NULL;

    assert_int_equal(process_start(argv, output_fd, &process, NULL), 0);
    return process;
}

static void test_one_in_the_background_tells_its_end(void **unused)
{
    auto_ptr(harness_remove_dir) char *dir = harness_temp_dir();
    autofree char *path = harness_path(dir, "log");
    autoclose int log = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    auto_ptr(process_free) struct process *process = start("echo out; echo bad >&2; exit 7", log);
    struct error err = { 0 };

    assert_int_equal(process_wait(process, &forever, NULL), 0);
    assert_int_equal(process_result(process, &err), -EIO);
    assert_string_equal(err.message, "exit status 7");
    {
        autofree char *text = harness_read(dir, "log");

        assert_string_equal(text, "out\nbad\n");
    }
}

static void test_one_in_the_background_is_stopped(void **unused)
{
    static const struct {
        const char *why, *script;
        int64_t grace_ms;
        int code;
        const char *message;
    } cases[] = {
        { "asked first", "trap 'exit 0' INT; echo >\"$F\"; while :; do sleep 0.01; done", 1000000,
          0, "" },
        { "killed when it is deaf", "trap '' INT; echo >\"$F\"; while :; do sleep 0.01; done", 1,
          -EIO, "signal 9" },
        { "or when there is no time",
          "trap 'exit 0' INT; echo >\"$F\"; while :; do sleep 0.01; done", 0, -EIO, "signal 9" },
    };

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        auto_ptr(harness_remove_dir) char *dir = harness_temp_dir();
        autofree char *ready = harness_path(dir, "ready");
        autofree char *script = mem_printf("F='%s'; %s", ready, cases[i].script);
        auto_ptr(process_free) struct process *process = start(script, -1);
        struct error err = { 0 };
        int r;

        assert_int_equal(process_result(process, NULL), -EAGAIN);
        while (access(ready, F_OK) < 0)
            (void) usleep(1000);
        process_stop(process, cases[i].grace_ms);
        r = process_result(process, &err);
        if (r != cases[i].code || !str_eq(err.message, cases[i].message))
            fail_msg("%s: %d %s", cases[i].why, r, err.message);
        process_signal(process, SIGKILL); /* to one that has ended: nothing */
    }
}

static void test_one_that_is_let_go_goes_on(void **unused)
{
    auto_ptr(harness_remove_dir) char *dir = harness_temp_dir();
    autofree char *fifo = harness_path(dir, "go");
    autofree char *done = harness_path(dir, "done");
    autofree char *script = mem_printf("read word <'%s'; echo $word >'%s'", fifo, done);
    size_t open_before = harness_open_fds();
    struct process *process;

    assert_int_equal(mkfifo(fifo, 0600), 0);
    process = start(script, -1);
    process_free(process);
    harness_write(dir, "go", "on\n");
    while (access(done, F_OK) < 0)
        (void) usleep(1000);
    /* Its thread is the last to let go. */
    while (harness_open_fds() > open_before)
        (void) usleep(1000);
}

static void test_one_beside_that_ends_ends_the_other(void **unused)
{
    const char *argv[] = { "sh", "-c", "while :; do sleep 1000; done", NULL };
    auto_ptr(process_free) struct process *beside = start("exit 0", -1);
    struct process_listener listener = { .beside = beside };

    assert_int_equal(process_run(argv, &forever, NULL, &listener, NULL), -ESRCH);
}

static int run_once(void *arg)
{
    return sh("exit 0", &forever, NULL, NULL);
}

static void test_no_memory_leaves_nothing(void **unused)
{
    harness_need_faults();
    assert_true(harness_fail_each_allocation(run_once, NULL) > 0);
}

static void test_a_call_within_a_call(void **unused)
{
    struct call outer = call_fresh(1000000);
    struct call inner = call_within(&outer, 0), longer = call_within(&outer, INT64_MAX);

    assert_int_equal(call_ended(&outer, NULL), 0);
    assert_int_equal(call_ended(&inner, NULL), -ETIMEDOUT);
    assert_int_equal(longer.deadline_mono_ms, outer.deadline_mono_ms);
    assert_int_equal(call_sleep(&outer, 1, NULL), 0);
    assert_int_equal(call_sleep(&inner, 1000000, NULL), -ETIMEDOUT);
}

/* However the clock goes on between two looks at it: a wait of -1 ms would have no end. */
static void test_a_look_at_a_call_never_waits(void **unused)
{
    for (int i = 0; i < 200000; i++)
        assert_int_equal(call_ended(&forever, NULL), 0);
}

/* Whoever is at the other end says more and more. */
static void test_time_that_is_over_is_so_for_what_is_ready_too(void **unused)
{
    struct call outer = call_fresh(1000000), over = call_within(&outer, 0);
    struct pollfd fds[] = { { 0 },
                            { .fd = open("/dev/zero", O_RDONLY | O_CLOEXEC), .events = POLLIN } };

    assert_int_equal(call_poll(&outer, fds, ARRAY_LEN(fds), -1, NULL), 1);
    assert_int_equal(call_poll(&over, fds, ARRAY_LEN(fds), -1, NULL), -ETIMEDOUT);
    (void) close(fds[1].fd);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_program_says_how_it_went),
        cmocka_unit_test(test_the_end_of_a_long_complaint_is_told),
        cmocka_unit_test(test_a_program_that_is_not_there),
        cmocka_unit_test(test_an_argument_is_one_whatever_is_in_it),
        cmocka_unit_test(test_output_has_a_limit),
        cmocka_unit_test(test_what_nobody_keeps_has_none),
        cmocka_unit_test(test_a_client_that_goes_ends_the_whole_group),
        cmocka_unit_test(test_time_that_is_over_ends_it),
        cmocka_unit_test(test_who_keeps_the_output_open_is_not_waited_for),
        cmocka_unit_test(test_lines_are_told),
        cmocka_unit_test(test_one_in_the_background_tells_its_end),
        cmocka_unit_test(test_one_in_the_background_is_stopped),
        cmocka_unit_test(test_one_that_is_let_go_goes_on),
        cmocka_unit_test(test_one_beside_that_ends_ends_the_other),
        cmocka_unit_test(test_no_memory_leaves_nothing),
        cmocka_unit_test(test_a_call_within_a_call),
        cmocka_unit_test(test_a_look_at_a_call_never_waits),
        cmocka_unit_test(test_time_that_is_over_is_so_for_what_is_ready_too),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
