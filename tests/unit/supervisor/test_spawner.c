/* tests/unit/supervisor/test_spawner.c - mirrors core/supervisor/spawner.c, with real spawners. Its
 * argument is the flotilla binary. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core/base/str.h"
#include "core/supervisor/spawner.h"

static const char *flotilla;

struct run {
    uv_loop_t loop;
    struct spawner *spawner;
    int64_t last_spawned, last_pid, last_exited;
    int last_signal;
};

static void on_spawned(void *arg, int64_t tag, int64_t pid, const char *failure)
{
    struct run *run = arg;

    assert_null(failure);
    run->last_spawned = tag;
    run->last_pid = pid;
}

static void on_exited(void *arg, int64_t tag, int status, int signal)
{
    struct run *run = arg;

    (void) status;
    run->last_exited = tag;
    run->last_signal = signal;
}

static void begin(struct run *run)
{
    struct spawner_events events = { on_spawned, on_exited, run };
    struct spawner_options options = { .self_exe = flotilla, .filter_calls = true };
    struct error err = { 0 };

    *run = (struct run) { 0 };
    assert_int_equal(uv_loop_init(&run->loop), 0);
    if (spawner_start(&run->loop, &options, &events, &run->spawner, &err) < 0)
        fail_msg("%s", err.message);
}

static void end(struct run *run)
{
    spawner_stop(run->spawner);
    (void) uv_run(&run->loop, UV_RUN_DEFAULT);
    assert_int_equal(uv_loop_close(&run->loop), 0);
}

/* The newest child of a process. */
static pid_t newest_child(pid_t pid)
{
    char path[64], line[4096] = "", *at = line, *word;
    FILE *file;
    int64_t child = 0;

    (void) snprintf(path, sizeof(path), "/proc/%d/task/%d/children", pid, pid);
    file = fopen(path, "re");
    assert_non_null(file);
    (void) !fgets(line, sizeof(line), file);
    (void) fclose(file);
    while ((word = strtok_r(at, " \n", &at)))
        assert_int_equal(parse_i64(word, 1, INT32_MAX, &child), 0);
    assert_true(child > 0);
    return (pid_t) child;
}

/* Asks for a worker; returns our end of its link. */
static int ask(struct run *run, int64_t tag)
{
    struct error err = { 0 };
    int spool = open("/dev/null", O_WRONLY | O_CLOEXEC), pair[2];

    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
    if (spawner_spawn(run->spawner, tag, pair[1], spool, NULL, &err) < 0)
        fail_msg("%s", err.message);
    (void) close(pair[1]);
    (void) close(spool);
    return pair[0];
}

static void wait_spawned(struct run *run, int64_t tag)
{
    while (run->last_spawned != tag)
        assert_true(uv_run(&run->loop, UV_RUN_ONCE) != 0);
}

static void wait_exited(struct run *run, int64_t tag)
{
    while (run->last_exited != tag)
        assert_true(uv_run(&run->loop, UV_RUN_ONCE) != 0);
}

/* A worker, which waits for its start frame. */
static int spawn(struct run *run, int64_t tag)
{
    int fd = ask(run, tag);

    wait_spawned(run, tag);
    return fd;
}

static void test_hardening_X1_a_worker_that_dies_by_a_signal_takes_its_spawner_along(void **unused)
{
    struct run run;
    pid_t first, second;
    int one, two;

    (void) unused;
    begin(&run);
    first = newest_child(getpid());
    one = spawn(&run, 1);
    assert_int_equal(kill(newest_child(first), SIGKILL), 0);
    wait_exited(&run, 1);
    assert_int_equal(run.last_signal, SIGKILL);
    two = spawn(&run, 2);
    second = newest_child(getpid());
    assert_int_not_equal(first, second);
    (void) close(one);
    (void) close(two);
    end(&run);
}

static void test_a_spawner_that_is_gone_is_replaced_and_asked_again(void **unused)
{
    struct run run;
    siginfo_t info;
    pid_t first;
    int one;

    (void) unused;
    begin(&run);
    first = newest_child(getpid());
    assert_int_equal(kill(first, SIGKILL), 0);
    assert_int_equal(waitid(P_PID, (id_t) first, &info, WEXITED | WNOWAIT), 0);
    one = spawn(&run, 1); /* before the loop has heard of it */
    (void) close(one);
    end(&run);
}

/* Its supervisor may hang, and the probe, too. */
static void test_a_probe_lives_no_longer_than_it_is_given(void **unused)
{
    struct error err = { 0 };
    struct run run;
    int pair[2];

    (void) unused;
    begin(&run);
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
    if (spawner_probe(run.spawner, -7, pair[1], 1, NULL, &err) < 0)
        fail_msg("%s", err.message);
    (void) close(pair[1]);
    while (run.last_exited != -7)
        assert_true(uv_run(&run.loop, UV_RUN_ONCE) != 0);
    assert_int_equal(run.last_spawned, -7);
    assert_int_equal(run.last_signal, SIGALRM);
    (void) close(pair[0]);
    end(&run);
}

/* The loop hears of both ends at one turn. */
static void test_the_end_of_a_spawner_and_of_its_connection_are_one(void **unused)
{
    struct run run;
    siginfo_t info;
    pid_t first;
    int one;

    (void) unused;
    begin(&run);
    first = newest_child(getpid());
    assert_int_equal(kill(first, SIGKILL), 0);
    assert_int_equal(waitid(P_PID, (id_t) first, &info, WEXITED | WNOWAIT), 0);
    while (uv_run(&run.loop, UV_RUN_NOWAIT) != 0)
        continue;
    one = spawn(&run, 1);
    (void) close(one);
    end(&run);
}

static void replace(struct run *run, bool filter_calls)
{
    struct error err = { 0 };

    if (spawner_replace(run->spawner, filter_calls, &err) < 0)
        fail_msg("%s", err.message);
}

static void test_the_ends_of_workers_are_told_by_a_spawner_that_was_replaced(void **unused)
{
    struct run run;
    pid_t first, second, old;
    int one, two;

    (void) unused;
    begin(&run);
    first = newest_child(getpid());
    one = spawn(&run, 1);
    old = (pid_t) run.last_pid;
    replace(&run, false);
    second = newest_child(getpid());
    assert_int_not_equal(first, second);
    two = spawn(&run, 2);
    assert_int_equal(newest_child(second), run.last_pid);
    assert_int_equal(kill(old, SIGABRT), 0);
    wait_exited(&run, 1);
    assert_int_equal(run.last_signal, SIGABRT);
    while (kill(first, 0) == 0) /* nothing is left for it to tell */
        assert_true(uv_run(&run.loop, UV_RUN_ONCE) != 0);
    assert_int_equal(kill(second, 0), 0);
    (void) close(one);
    (void) close(two);
    end(&run);
}

static void test_a_request_that_was_not_answered_holds_its_spawner(void **unused)
{
    struct run run;
    int one;

    (void) unused;
    begin(&run);
    one = ask(&run, 1);
    replace(&run, true);
    wait_spawned(&run, 1);
    assert_int_equal(kill((pid_t) run.last_pid, SIGABRT), 0);
    wait_exited(&run, 1);
    assert_int_equal(run.last_signal, SIGABRT);
    (void) close(one);
    end(&run);
}

static void test_a_spawner_without_workers_goes_when_it_is_replaced(void **unused)
{
    struct run run;
    pid_t first;

    (void) unused;
    begin(&run);
    first = newest_child(getpid());
    for (int i = 0; i < 3; i++)
        replace(&run, true);
    while (kill(first, 0) == 0)
        assert_true(uv_run(&run.loop, UV_RUN_ONCE) != 0);
    end(&run);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_hardening_X1_a_worker_that_dies_by_a_signal_takes_its_spawner_along),
        cmocka_unit_test(test_a_spawner_that_is_gone_is_replaced_and_asked_again),
        cmocka_unit_test(test_a_probe_lives_no_longer_than_it_is_given),
        cmocka_unit_test(test_the_end_of_a_spawner_and_of_its_connection_are_one),
        cmocka_unit_test(test_the_ends_of_workers_are_told_by_a_spawner_that_was_replaced),
        cmocka_unit_test(test_a_request_that_was_not_answered_holds_its_spawner),
        cmocka_unit_test(test_a_spawner_without_workers_goes_when_it_is_replaced),
    };

    assert_int_equal(argc, 2);
    flotilla = argv[1];
    return cmocka_run_group_tests(tests, NULL, NULL);
}
