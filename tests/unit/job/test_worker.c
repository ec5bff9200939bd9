/* tests/unit/job/test_worker.c - a whole job worker in a process of its own: the test is its supervisor,
 * a fake is its instance. Mirrors core/job/worker.c and what it runs: job.c, instance.c, stage.c, end.c. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include "core/base/clock.h"
#include "core/base/frame.h"
#include "core/base/mem.h"
#include "core/base/str.h"
#include "core/job/shell/shell.h"
#include "core/job/worker.h"
#include "tests/fakes/ssh_fake.h"
#include "tests/harness/harness.h"

#define PATIENCE_MS 30000

/* The commands of a job without sources, in their order. */
enum { PREPARE, GET_SOURCES, STEP, AFTER_SCRIPT, CLEAN_UP, N_EXECS };

struct world {
    char *dir, *user_key;
    struct ssh_fake fake;
    struct ssh_fake_exec execs[N_EXECS];
    enum ssh_fake_kind kind;
    const char *policy;
    int timeout_s, connect_ms;
    const char *after_script_timeout, *runner; /* more of the runner's part, or NULL */
    const char *os;                            /* of the instance, as the provider says, or NULL */
    rlim_t spool_limit;                        /* bytes; 0 = none */
    size_t n_variables, variable_size;         /* beside its own */
    int64_t login_expires_ms;                  /* 0 = never */
    size_t late_keys;                          /* see ssh_fake.h */

    int fd;
    struct frame_decoder decoder;
    pid_t pid;
    json_t *result;
};

static int set_up(void **state)
{
    struct world *world = mem_zero(sizeof(*world));

    assert_non_null(world);
    world->dir = harness_temp_dir();
    world->user_key = ssh_fake_user_key();
    world->policy = "accept";
    world->timeout_s = 60;
    world->connect_ms = 60000;
    world->fd = -1;
    world->pid = -1;
    for (size_t i = 0; i < N_EXECS; i++)
        world->execs[i] = (struct ssh_fake_exec) { .n_statuses = 1 };
    world->execs[STEP].output = "the script's output\n";
    *state = world;
    return 0;
}

static void reset(struct world *world)
{
    if (world->pid > 0) {
        (void) kill(world->pid, SIGKILL);
        (void) waitpid(world->pid, NULL, 0);
    }
    world->pid = -1;
    ssh_fake_stop(&world->fake);
    if (world->fd >= 0)
        (void) close(world->fd);
    world->fd = -1;
    frame_decoder_done(&world->decoder);
    json_object_put(world->result);
    world->result = NULL;
}

static int tear_down(void **state)
{
    struct world *world = *state;

    reset(world);
    harness_remove_dir(world->dir);
    free(world->user_key);
    free(world);
    return 0;
}

static void fake_start(struct world *world)
{
    const struct ssh_fake_options options = { .kind = world->kind,
                                              .execs = world->execs,
                                              .n_execs = N_EXECS,
                                              .late_keys = world->late_keys };

    ssh_fake_start(&world->fake, world->dir, &options);
}

static json_t *start_frame(const struct world *world)
{
    autofree char *text = mem_printf(
        "{\"type\":\"start\",\"seq\":1,\"key\":\"0123456789abcdef0123456789abcdef\","
        "\"control_socket\":\"%s/control.sock\",\"payload\":{\"id\":7,\"token\":\"tok-7\","
        "\"runner_info\":{\"timeout\":%d},\"git_info\":{\"repo_url\":\"https://example/g/p.git\"},"
        "\"variables\":[{\"key\":\"GIT_STRATEGY\",\"value\":\"none\"},"
        "{\"key\":\"RUNNER_AFTER_SCRIPT_TIMEOUT\",\"value\":\"%s\"}],"
        "\"steps\":[{\"name\":\"script\",\"script\":[\"true\"]},"
        "{\"name\":\"after_script\",\"script\":[\"true\"]}]},"
        "\"runner\":{\"name\":\"r\",\"short_token\":\"t\",\"system_id\":\"s_1\",\"shell\":\"sh\","
        "\"builds_dir\":\"/b\"%s},"
        "\"slot\":{\"instance\":\"i-1\",\"slot\":0},\"connect\":{\"address\":\"127.0.0.1\","
        "\"port\":%u,\"username\":\"u\",\"host_key_policy\":\"%s\",\"timeout_ms\":%d,"
        "\"host_keys\":[]}}",
        world->dir, world->timeout_s,
        world->after_script_timeout ? world->after_script_timeout : "5m",
        world->runner ? world->runner : "", world->fake.port, world->policy, world->connect_ms);
    json_t *start = NULL, *connect = NULL;

    assert_non_null(text);
    assert_int_equal(json_parse(text, strlen(text), &start, NULL), 0);
    assert_int_equal(json_opt_object(start, "connect", &connect, NULL), 0);
    assert_int_equal(json_add_str(connect, "key", world->user_key), 0);
    assert_int_equal(json_add_i64(connect, "expires_ms", world->login_expires_ms), 0);
    if (world->os)
        assert_int_equal(json_add_str(connect, "os", world->os), 0);
    return start;
}

static void add_variables(const struct world *world, json_t *start)
{
    json_t *payload = NULL, *variables = NULL;
    autofree char *value = mem_zero(world->variable_size + 1);

    assert_non_null(value);
    memset(value, 'x', world->variable_size);
    assert_int_equal(json_opt_object(start, "payload", &payload, NULL), 0);
    assert_int_equal(json_opt_array(payload, "variables", &variables, NULL), 0);
    for (size_t i = 0; i < world->n_variables; i++) {
        autofree char *key = mem_printf("V%zu", i);
        json_t *variable = json_object_new_object();

        assert_int_equal(json_add_str(variable, "key", key), 0);
        assert_int_equal(json_add_str(variable, "value", value), 0);
        assert_int_equal(json_object_array_add(variables, variable), 0);
    }
}

static void become_worker(const struct world *world, int control_fd, int spool_fd)
{
    const struct rlimit limit = { world->spool_limit, world->spool_limit };

    (void) close(world->fd);
    if (world->spool_limit > 0) {
        (void) signal(SIGXFSZ, SIG_IGN);
        (void) setrlimit(RLIMIT_FSIZE, &limit);
    }
    _exit(job_worker_main(control_fd, spool_fd, NULL));
}

/* Spawns a worker and gives it its job. */
static void worker_start(struct world *world)
{
    autofree char *spool = harness_path(world->dir, "1.log");
    autoclose int spool_fd = open(spool, O_RDWR | O_CREAT | O_TRUNC | O_APPEND | O_CLOEXEC, 0600);
    autojson json_t *start = start_frame(world);
    int ends[2];

    add_variables(world, start);
    assert_true(spool_fd >= 0);
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
    world->fd = ends[0];
    frame_decoder_init(&world->decoder, FRAME_MAX_OPERATOR);
    world->pid = fork();
    assert_true(world->pid >= 0);
    if (world->pid == 0)
        become_worker(world, ends[1], spool_fd);
    (void) close(ends[1]);
    assert_int_equal(frame_send(world->fd, start, FRAME_MAX_START, PATIENCE_MS, NULL), 0);
}

static void tell(struct world *world, const char *type, const char *message)
{
    autojson json_t *frame = json_frame(type);

    assert_int_equal(json_add_str(frame, "message", message), 0);
    assert_int_equal(frame_send(world->fd, frame, FRAME_MAX_OPERATOR, PATIENCE_MS, NULL), 0);
}

/* Skips frames until one of this type; the caller puts it. */
static json_t *hear(struct world *world, const char *type)
{
    for (;;) {
        json_t *frame = NULL;
        const char *got = "";

        assert_int_equal(frame_recv(world->fd, &world->decoder, PATIENCE_MS, &frame, NULL), 1);
        (void) json_opt_str(frame, "type", &got, NULL);
        if (str_eq(got, type))
            return frame;
        json_object_put(frame);
    }
}

static void wait_for_its_end(struct world *world)
{
    int status = -1;

    assert_int_equal(waitpid(world->pid, &status, 0), world->pid);
    world->pid = -1;
    assert_int_equal(status, 0);
}

static void take_result(struct world *world)
{
    world->result = hear(world, "result");
    tell(world, "result_stored", NULL);
    wait_for_its_end(world);
}

/* "success", or the reason of a failure. */
static const char *outcome(const struct world *world)
{
    const char *state = "", *reason = "no reason";

    (void) json_opt_str(world->result, "state", &state, NULL);
    (void) json_opt_str(world->result, "failure_reason", &reason, NULL);
    return str_eq(state, "failed") ? reason : state;
}

static void assert_log_has(const struct world *world, const char *text)
{
    autofree char *log = harness_read(world->dir, "1.log");

    if (!strstr(log, text))
        fail_msg("the log lacks '%s':\n%s", text, log);
}

static void test_a_job_runs_its_stages_and_succeeds(void **state)
{
    struct world *world = *state;

    fake_start(world);
    worker_start(world);
    take_result(world);
    assert_string_equal(outcome(world), "success");
    assert_log_has(world, "the script's output");
    assert_log_has(world, "Job succeeded");
    assert_int_equal(ssh_fake_count(&world->fake, "exec sh\n"), N_EXECS);
}

static void test_time_that_runs_out_in_after_script_is_no_success(void **state)
{
    struct world *world = *state;

    world->execs[AFTER_SCRIPT].wait_ms = -1;
    world->timeout_s = 1;
    fake_start(world);
    worker_start(world);
    take_result(world);
    assert_string_equal(outcome(world), "job_execution_timeout");
    assert_log_has(world, "Job failed: execution took longer than 1s seconds");
}

static void test_the_limit_of_after_script_is_a_warning_with_its_words(void **state)
{
    struct world *world = *state;

    world->execs[AFTER_SCRIPT].wait_ms = -1;
    world->after_script_timeout = "300ms";
    fake_start(world);
    worker_start(world);
    take_result(world);
    assert_string_equal(outcome(world), "success");
    assert_log_has(world, "after_script failed, but job will continue unaffected: context deadline "
                          "exceeded");
}

/* job-execution.md 1.6 */
static void test_limits_that_are_none_are_said_and_left_out(void **state)
{
    static const struct {
        const char *limit, *log;
    } rows[] = {
        { "5", "WARNING: Ignoring malformed RUNNER_AFTER_SCRIPT_TIMEOUT timeout: 5\033" },
        { "-2s", "WARNING: Ignoring relative RUNNER_AFTER_SCRIPT_TIMEOUT timeout: -2s\033" },
        { "1h",
          "WARNING: RUNNER_AFTER_SCRIPT_TIMEOUT timeout: 1h is longer than job timeout. Setting "
          "to job timeout\033" },
    };
    struct world *world = *state;

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        world->after_script_timeout = rows[i].limit;
        fake_start(world);
        worker_start(world);
        take_result(world);
        assert_string_equal(outcome(world), "success");
        assert_log_has(world, rows[i].log);
        reset(world);
    }
}

static void answer_login(struct world *world, json_t *connect, const char *message,
                         int64_t retry_after_ms)
{
    autojson json_t *frame = json_frame("login");

    if (connect)
        assert_int_equal(json_add(frame, "connect", connect), 0);
    assert_int_equal(json_add_str(frame, "message", message), 0);
    if (retry_after_ms >= 0)
        assert_int_equal(json_add_i64(frame, "retry_after_ms", retry_after_ms), 0);
    assert_int_equal(frame_send(world->fd, frame, FRAME_MAX_OPERATOR, PATIENCE_MS, NULL), 0);
}

/* A key that was pushed for a minute, on an instance that boots for longer. */
static void test_a_login_that_has_expired_is_asked_for_anew(void **state)
{
    struct world *world = *state;
    autojson json_t *good = NULL;
    json_t *connect = NULL;

    fake_start(world);
    good = start_frame(world);
    assert_int_equal(json_opt_object(good, "connect", &connect, NULL), 0);
    world->login_expires_ms = 1; /* in 1970 */
    worker_start(world);
    json_object_put(hear(world, "login_expired"));
    answer_login(world, NULL, "the instance takes no key yet", 0);
    json_object_put(hear(world, "login_expired"));
    answer_login(world, json_object_get(connect), NULL, -1);
    take_result(world);
    assert_string_equal(outcome(world), "success");
    assert_int_equal(ssh_fake_count(&world->fake, "exec sh\n"), N_EXECS);
}

/* By the metadata of a cloud, say. */
static void test_a_login_with_an_end_may_come_after_us(void **state)
{
    struct world *world = *state;

    world->late_keys = 4;
    world->login_expires_ms = INT64_MAX;
    fake_start(world);
    worker_start(world);
    take_result(world);
    assert_string_equal(outcome(world), "success");
}

static void test_a_login_that_nobody_will_have_ends_the_job(void **state)
{
    struct world *world = *state;

    fake_start(world);
    world->login_expires_ms = 1;
    worker_start(world);
    json_object_put(hear(world, "login_expired"));
    answer_login(world, NULL, "instance i-1 is terminated", -1);
    take_result(world);
    assert_string_equal(outcome(world), "runner_system_failure");
    assert_log_has(world, "instance i-1 is terminated");
    assert_int_equal(ssh_fake_count(&world->fake, "exec sh\n"), 0);
}

static void test_a_cancel_ends_the_wait_for_a_login(void **state)
{
    struct world *world = *state;

    fake_start(world);
    world->login_expires_ms = 1;
    worker_start(world);
    json_object_put(hear(world, "login_expired"));
    tell(world, "abort", NULL);
    take_result(world);
    assert_string_equal(outcome(world), "job_canceled");
}

static void test_time_that_runs_out_while_connecting_is_the_jobs(void **state)
{
    struct world *world = *state;

    world->timeout_s = 1;
    fake_start(world);
    ssh_fake_stop(&world->fake);
    world->fake.port = 1; /* nobody listens */
    worker_start(world);
    take_result(world);
    assert_string_equal(outcome(world), "job_execution_timeout");
}

/* Nobody listens. Its own tries are all there are, as N6 wants one deadline for the whole: the peer
 * begins three times. */
static void test_job_execution_10_5_35_an_instance_that_refuses_connections(void **state)
{
    struct world *world = *state;

    fake_start(world);
    ssh_fake_stop(&world->fake);
    world->fake.port = 1;
    world->connect_ms = 300;
    worker_start(world);
    take_result(world);
    assert_string_equal(outcome(world), "runner_system_failure");
    assert_log_has(world, "ERROR: Preparation failed: ");
    assert_log_has(world, "ERROR: Job failed (system failure): ");
}

static void test_the_limit_of_preparing(void **state)
{
    struct world *world = *state;

    fake_start(world);
    ssh_fake_stop(&world->fake);
    world->fake.port = 1;
    world->runner = ",\"prepare_timeout_ms\":300";
    worker_start(world);
    take_result(world);
    assert_string_equal(outcome(world), "job_execution_timeout");
    assert_log_has(world, "ERROR: Job failed: prepare timeout: exceeded timeout of 300ms");
}

static void test_a_first_script_that_fails_points_to_the_profiles(void **state)
{
    struct world *world = *state;

    world->execs[PREPARE].statuses[0] = 3;
    fake_start(world);
    worker_start(world);
    take_result(world);
    assert_string_equal(outcome(world), "script_failure");
    assert_log_has(world,
                   "ERROR: Job failed: prepare environment: run exit (exit code: 3): Process "
                   "exited with status 3. Check https://docs.gitlab.com/");
    assert_int_equal(ssh_fake_count(&world->fake, "exec sh\n"), 1);
}

/* job-execution.md 2.1: the name is run as it is. */
static void test_sh_on_windows_is_said_and_run(void **state)
{
    struct world *world = *state;

    world->os = "windows";
    fake_start(world);
    worker_start(world);
    take_result(world);
    assert_string_equal(outcome(world), "success");
    assert_log_has(world, "shell: the sh of Git for Windows, which must be in the PATH");
    assert_true(ssh_fake_count(&world->fake, "exec sh\n") > 1);
}

/* What is behind the limit is dropped, the last line, too. */
static void test_job_execution_10_5_34_a_log_at_its_limit(void **state)
{
    struct world *world = *state;
    autofree char *text = mem_zero(2001);
    autofree char *log = NULL;
    const char *notice;

    assert_non_null(text);
    for (size_t i = 0; i < 2000; i++)
        text[i] = i % 80 == 79 ? '\n' : 'x';
    world->execs[STEP].output = text;
    world->runner = ",\"output_limit\":1024";
    fake_start(world);
    worker_start(world);
    take_result(world);
    assert_string_equal(outcome(world), "success");
    log = harness_read(world->dir, "1.log");
    notice = strstr(log, "\n\033[33;1mJob's log exceeded limit of 1024 bytes.");
    assert_true(notice && notice - log <= 1024);
    assert_null(strstr(log, "Job succeeded"));
}

/* The cause is in the job's log, and the reason is never the script's. */
static void test_an_instance_that_fails_is_a_failure_of_the_system(void **state)
{
    static const struct {
        enum ssh_fake_kind kind;
        const char *log;
    } rows[] = {
        { SSH_FAKE_RUBBISH, "(system failure): SSH handshake with 127.0.0.1 port " },
        { SSH_FAKE_OLD, "no common encryption client->server; the instance offers aes128-cbc" },
        { SSH_FAKE_NO_KEYS, "refused with the key; the instance takes password: check username" },
        { SSH_FAKE_NO_CHANNELS, "(system failure): the instance refuses another channel (" },
        { SSH_FAKE_NO_COMMANDS, "(system failure): the instance refuses to run 'sh' (" },
        { SSH_FAKE_HANGS_UP, "running a command: the connection to the instance is lost" },
    };
    struct world *world = *state;
    int64_t exit_code = -1;

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        world->kind = rows[i].kind;
        /* This one may hang up before its list is read, and is asked again. */
        world->connect_ms = rows[i].kind == SSH_FAKE_OLD ? 20000 : 300;
        fake_start(world);
        worker_start(world);
        take_result(world);
        assert_string_equal(outcome(world), "runner_system_failure");
        assert_log_has(world, rows[i].log);
        assert_log_has(world, "ERROR: Job failed (system failure): ");
        (void) json_opt_i64(world->result, "exit_code", 0, INT64_MAX, &exit_code, NULL);
        assert_int_equal(exit_code, -1);
        reset(world);
    }
}

/* hardening.md N7: a channel that ends without a status. */
static void test_a_step_without_a_status_is_a_failure_of_the_system(void **state)
{
    struct world *world = *state;

    world->execs[STEP].n_statuses = 0;
    fake_start(world);
    worker_start(world);
    take_result(world);
    assert_string_equal(outcome(world), "runner_system_failure");
    assert_log_has(world, "(system failure): the command ended without an exit status; ");
}

static void test_an_order_during_the_question_for_the_host_key_is_obeyed(void **state)
{
    static const struct {
        const char *policy, *order, *outcome, *log;
    } rows[] = {
        { "tofu", "cancel", "job_canceled", "Job failed: canceled" },
        { "tofu", "abort", "job_canceled", "Job failed: canceled" },
        { "tofu", "instance_lost", "runner_system_failure", "(system failure): it caught fire" },
        { "pin", "cancel", "job_canceled", "Job failed: canceled" },
    };
    struct world *world = *state;

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        autojson json_t *question = NULL;
        bool pinned = false;

        world->policy = rows[i].policy;
        fake_start(world);
        worker_start(world);
        question = hear(world, "host_key");
        assert_int_equal(json_opt_bool(question, "pinned", &pinned, NULL), 0);
        assert_int_equal(pinned, str_eq(rows[i].policy, "pin"));
        tell(world, rows[i].order, "it caught fire");
        take_result(world);
        assert_string_equal(outcome(world), rows[i].outcome);
        assert_log_has(world, rows[i].log);
        assert_int_equal(ssh_fake_count(&world->fake, "login"), 0);
        reset(world);
    }
}

static size_t log_size(const struct world *world)
{
    autofree char *log = harness_read(world->dir, "1.log");

    return strlen(log);
}

static void test_a_log_without_its_end_is_no_success(void **state)
{
    struct world *world = *state;

    fake_start(world);
    worker_start(world);
    take_result(world);
    world->spool_limit = log_size(world) - 5;
    reset(world);
    fake_start(world);
    worker_start(world);
    take_result(world);
    assert_string_equal(outcome(world), "runner_system_failure");
    assert_int_equal(log_size(world), world->spool_limit);
}

static void test_a_script_whose_output_cannot_be_stored_is_killed(void **state)
{
    struct world *world = *state;
    autofree char *text = mem_zero(4001);

    assert_non_null(text);
    for (size_t i = 0; i < 4000; i++)
        text[i] = i % 80 == 79 ? '\n' : 'x';
    world->execs[STEP] = (struct ssh_fake_exec) { .output = text, .wait_ms = -1 };
    world->spool_limit = 3000;
    fake_start(world);
    worker_start(world);
    take_result(world);
    assert_string_equal(outcome(world), "runner_system_failure");
    assert_int_equal(ssh_fake_count(&world->fake, "kill -TERM"), 1);
}

/* hardening.md X2, V5 and section 9. */
static void test_the_largest_payloads_fit_into_a_workers_memory(void **state)
{
    static const struct {
        const char *why;
        size_t n, size;
        const char *runner;
    } rows[] = {
        { "few and large", 15, 1024 * 1024, NULL },
        { "many and small", 9990, 1500, NULL },
        { "in PowerShell", 15, 1024 * 1024, ",\"shell\":\"pwsh\"" },
    };
    struct world *world = *state;

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        world->runner = rows[i].runner;
        if (rows[i].runner) /* it is asked for its directory first */
            world->execs[PREPARE] = (struct ssh_fake_exec) { .output = "\n/home/u\n",
                                                             .statuses = { SHELL_ASKED },
                                                             .n_statuses = 1 };
        world->n_variables = rows[i].n;
        world->variable_size = rows[i].size;
        fake_start(world);
        worker_start(world);
        take_result(world);
        if (!str_eq(outcome(world), "success"))
            fail_msg("%s: %s", rows[i].why, outcome(world));
        reset(world);
    }
}

/* It has nothing to do meanwhile, and a descriptor that is closed must not keep it awake. */
static void test_a_worker_without_supervisor_sleeps_and_ends_with_its_row(void **state)
{
    struct world *world = *state;
    struct rusage before, after;
    int64_t used_ms;

    world->execs[STEP].wait_ms = 1500;
    fake_start(world);
    worker_start(world);
    while (ssh_fake_count(&world->fake, "exec ") <= STEP)
        (void) poll(NULL, 0, 5);
    (void) close(world->fd);
    world->fd = -1;
    while (ssh_fake_count(&world->fake, "exec ") < N_EXECS)
        (void) poll(NULL, 0, 5);
    (void) getrusage(RUSAGE_CHILDREN, &before);
    {
        autofree char *spool = harness_path(world->dir, "1.log");

        assert_int_equal(unlink(spool), 0); /* the row is closed */
    }
    wait_for_its_end(world);
    (void) getrusage(RUSAGE_CHILDREN, &after);
    used_ms = (after.ru_utime.tv_sec - before.ru_utime.tv_sec) * 1000 +
              (after.ru_utime.tv_usec - before.ru_utime.tv_usec) / 1000 +
              (after.ru_stime.tv_sec - before.ru_stime.tv_sec) * 1000 +
              (after.ru_stime.tv_usec - before.ru_stime.tv_usec) / 1000;
    assert_in_range(used_ms, 0, 100);
}

#define ROW(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        ROW(test_a_job_runs_its_stages_and_succeeds),
        ROW(test_time_that_runs_out_in_after_script_is_no_success),
        ROW(test_the_limit_of_after_script_is_a_warning_with_its_words),
        ROW(test_limits_that_are_none_are_said_and_left_out),
        ROW(test_a_login_that_has_expired_is_asked_for_anew),
        ROW(test_a_login_with_an_end_may_come_after_us),
        ROW(test_a_login_that_nobody_will_have_ends_the_job),
        ROW(test_a_cancel_ends_the_wait_for_a_login),
        ROW(test_time_that_runs_out_while_connecting_is_the_jobs),
        ROW(test_job_execution_10_5_35_an_instance_that_refuses_connections),
        ROW(test_the_limit_of_preparing),
        ROW(test_sh_on_windows_is_said_and_run),
        ROW(test_a_first_script_that_fails_points_to_the_profiles),
        ROW(test_job_execution_10_5_34_a_log_at_its_limit),
        ROW(test_an_instance_that_fails_is_a_failure_of_the_system),
        ROW(test_a_step_without_a_status_is_a_failure_of_the_system),
        ROW(test_an_order_during_the_question_for_the_host_key_is_obeyed),
        ROW(test_a_log_without_its_end_is_no_success),
        ROW(test_a_script_whose_output_cannot_be_stored_is_killed),
        ROW(test_the_largest_payloads_fit_into_a_workers_memory),
        ROW(test_a_worker_without_supervisor_sleeps_and_ends_with_its_row),
    };

    if (job_worker_prepare(true, NULL) < 0)
        return 1;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
