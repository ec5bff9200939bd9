/* tests/unit/job/test_report.c - mirrors core/job/report.c: the test is the supervisor. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>

#include "core/base/clock.h"
#include "core/base/frame.h"
#include "core/base/mem.h"
#include "core/base/rights.h"
#include "core/base/str.h"
#include "core/job/report.h"
#include "tests/harness/harness.h"

#define SLACK_MS 5000 /* more than any wait of a test */
#define KEY "0123456789abcdef0123456789abcdef"

struct world {
    char *dir, *control_path, *spool_path;
    int spool_fd, fd; /* the supervisor's end of the connection */
    struct frame_decoder decoder;
    struct report *report;
};

static int64_t now_ms(void)
{
    return clock_mono_ms(&clock_system);
}

static int set_up(void **state)
{
    struct world *world = mem_zero(sizeof(*world));
    int ends[2];

    assert_non_null(world);
    world->dir = harness_temp_dir();
    world->control_path = harness_path(world->dir, "control.sock");
    world->spool_path = harness_path(world->dir, "1.log");
    world->spool_fd = open(world->spool_path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    assert_true(world->spool_fd >= 0);
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
    world->fd = ends[0];
    frame_decoder_init(&world->decoder, FRAME_MAX_OPERATOR);
    assert_int_equal(report_new(ends[1], world->spool_fd, &world->report, NULL), 0);
    assert_int_equal(report_started(world->report, 1, KEY, world->control_path, true), 0);
    *state = world;
    return 0;
}

static void hang_up(struct world *world)
{
    (void) close(world->fd);
    world->fd = -1;
    frame_decoder_done(&world->decoder);
    frame_decoder_init(&world->decoder, FRAME_MAX_OPERATOR);
}

static int tear_down(void **state)
{
    struct world *world = *state;

    report_free(world->report);
    hang_up(world);
    (void) close(world->spool_fd);
    free(world->control_path);
    free(world->spool_path);
    harness_remove_dir(world->dir);
    free(world);
    return 0;
}

static int listen_again(const struct world *world)
{
    struct sockaddr_un address = { .sun_family = AF_UNIX };
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

    assert_int_equal(str_copy(address.sun_path, sizeof(address.sun_path), world->control_path), 0);
    assert_int_equal(bind(fd, (struct sockaddr *) &address, sizeof(address)), 0);
    assert_int_equal(listen(fd, 0), 0);
    return fd;
}

static int connect_like_a_worker(const struct world *world)
{
    struct sockaddr_un address = { .sun_family = AF_UNIX };
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

    assert_int_equal(str_copy(address.sun_path, sizeof(address.sun_path), world->control_path), 0);
    if (connect(fd, (struct sockaddr *) &address, sizeof(address)) == 0)
        return fd;
    (void) close(fd);
    return -1;
}

static void tell(struct world *world, const char *type, const char *message)
{
    autojson json_t *frame = json_frame(type);

    assert_int_equal(json_add_str(frame, "message", message), 0);
    if (str_eq(type, "host_key_verdict"))
        assert_int_equal(json_add_bool(frame, "ok", str_empty(message)), 0);
    assert_int_equal(frame_send(world->fd, frame, FRAME_MAX_OPERATOR, SLACK_MS, NULL), 0);
}

/* The next frame is of this type; the caller puts it. */
static json_t *hear(struct world *world, const char *type)
{
    json_t *frame = NULL;
    const char *got = "";

    assert_int_equal(frame_recv(world->fd, &world->decoder, SLACK_MS, &frame, NULL), 1);
    (void) json_opt_str(frame, "type", &got, NULL);
    assert_string_equal(got, type);
    return frame;
}

static void hear_and_drop(struct world *world, const char *type)
{
    json_object_put(hear(world, type));
}

static void test_a_stuck_supervisor_with_a_full_backlog_does_not_block_the_job(void **state)
{
    struct world *world = *state;
    autoclose int listener = listen_again(world);
    int64_t until = now_ms() + 1000; /* several tries */
    int waiting[8], n = 0;

    while (n < (int) ARRAY_LEN(waiting) && (waiting[n] = connect_like_a_worker(world)) >= 0)
        n++;
    assert_in_range(n, 1, ARRAY_LEN(waiting) - 1);
    hang_up(world);
    while (now_ms() < until) {
        int64_t began = now_ms();

        assert_false(report_poll(world->report)->abort);
        assert_true(now_ms() - began < 500);
        (void) poll(NULL, 0, 10);
    }
    assert_int_equal(report_fd(world->report), -1);
    while (n > 0) {
        (void) close(accept4(listener, NULL, NULL, SOCK_CLOEXEC));
        (void) close(waiting[--n]);
    }
    for (until = now_ms() + SLACK_MS; report_fd(world->report) < 0 && now_ms() < until;)
        (void) report_poll(world->report);
    world->fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
    hear_and_drop(world, "attach");
}

static int make_read_only(const char *path)
{
    return chmod(path, 0400);
}

static void ends_by(struct world *world, int (*close_row)(const char *path))
{
    autojson json_t *result = json_frame("result");
    int64_t began = now_ms();

    hang_up(world);
    assert_false(report_poll(world->report)->abort);
    assert_int_equal(close_row(world->spool_path), 0);
    report_result(world->report, result);
    assert_true(now_ms() - began < SLACK_MS);
    assert_true(report_poll(world->report)->abort);
}

static void test_a_worker_whose_row_is_closed_ends(void **state)
{
    ends_by(*state, unlink);
}

static void test_a_worker_whose_log_is_kept_ends(void **state)
{
    ends_by(*state, make_read_only);
}

/* The surest counts, once; what a later supervisor may say besides ends nothing. */
static void test_what_becomes_of_the_instance_is_told(void **state)
{
    static const struct {
        const char *why, *cause;
        int64_t left_ms; /* < 0: not said */
        enum report_going going;
        int64_t want_ms;
    } rows[] = {
        { "a cause that nobody knows", "moved", 5, REPORT_STAYS, 0 },
        { "no cause at all", NULL, 5, REPORT_STAYS, 0 },
        { "an interruption", "interrupted", 120000, REPORT_INTERRUPTED, 120000 },
        { "the same again, after a restart", "interrupted", 60000, REPORT_INTERRUPTED, 120000 },
        { "it comes true", "deleting", -1, REPORT_DELETING, -1 },
        { "the notice again", "interrupted", 10, REPORT_DELETING, -1 },
    };
    struct world *world = *state;

    hear_and_drop(world, "started");
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        autojson json_t *frame = json_frame("instance_going");
        const struct report_orders *orders;

        (void) json_add_str(frame, "cause", rows[i].cause);
        if (rows[i].left_ms >= 0)
            (void) json_add_i64(frame, "left_ms", rows[i].left_ms);
        assert_int_equal(frame_send(world->fd, frame, FRAME_MAX_OPERATOR, SLACK_MS, NULL), 0);
        orders = report_poll(world->report);
        if (orders->going != rows[i].going || orders->going_left_ms != rows[i].want_ms ||
            report_stopped(orders) != 0 || report_fd(world->report) < 0)
            fail_msg("%s: %d, %lld ms", rows[i].why, (int) orders->going,
                     (long long) orders->going_left_ms);
    }
}

static void test_the_question_for_a_host_key_ends_with_its_reason(void **state)
{
    static const struct {
        const char *frame, *message;
        int want;
        const char *sentence;
    } rows[] = {
        { "host_key_verdict", "", 0, "" },
        { "host_key_verdict", "another key", -EKEYREJECTED, "another key" },
        { NULL, NULL, -ETIMEDOUT, "no supervisor answered about the host key" },
        /* Orders stay; each is stronger than the ones before. */
        { "cancel", "", -ECANCELED, "stopped while asking for the host key" },
        { "instance_lost", "gone", -ENETRESET, "stopped while asking for the host key" },
        { "abort", "", -EINTR, "stopped while asking for the host key" },
    };
    static const struct shown_key shown = { .type = "ssh-ed25519", .key = "AAAA" };
    autojson json_t *connect = json_object_new_object();
    struct world *world = *state;

    hear_and_drop(world, "started");
    assert_int_equal(json_add_str(connect, "host_key_policy", "pin"), 0);
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        int64_t began = now_ms(), limit_ms = rows[i].frame ? 60000 : 50;
        struct error err = { 0 };
        int r;

        if (rows[i].frame)
            tell(world, rows[i].frame, rows[i].message);
        r = report_host_key(world->report, connect, &shown, began + limit_ms, &err);
        if (r != rows[i].want || !str_eq(err.message, rows[i].sentence) ||
            now_ms() - began > SLACK_MS)
            fail_msg("row %zu: %d '%s'", i, r, err.message);
    }
    {
        autojson json_t *frame = hear(world, "host_key"); /* of the row that timed out */
        const char *type = "", *key = "";
        bool pinned = false;

        assert_int_equal(json_need_str(frame, "key_type", &type, NULL), 0);
        assert_int_equal(json_need_str(frame, "key", &key, NULL), 0);
        assert_int_equal(json_opt_bool(frame, "pinned", &pinned, NULL), 0);
        assert_string_equal(type, shown.type);
        assert_string_equal(key, shown.key);
        assert_true(pinned);
    }
}

static void test_a_key_that_is_right_by_the_policy_needs_no_question(void **state)
{
    static const char *const right[] = {
        "{\"host_key_policy\":\"accept\"}",
        "{\"host_key_policy\":\"pin\",\"host_keys\":[{\"type\":\"ssh-ed25519\",\"key\":\"AAAA\"}]}",
    };
    static const struct shown_key shown = { .type = "ssh-ed25519", .key = "AAAA" };
    struct world *world = *state;

    hang_up(world); /* nobody could answer */
    for (size_t i = 0; i < ARRAY_LEN(right); i++) {
        autojson json_t *connect = NULL;

        assert_int_equal(json_parse(right[i], strlen(right[i]), &connect, NULL), 0);
        assert_int_equal(report_host_key(world->report, connect, &shown, now_ms() + 60000, NULL),
                         0);
    }
}

/* It has no spool, and nobody to go back to. */
static void test_a_probe_is_stopped_when_its_supervisor_goes(void **unused)
{
    struct report *report = NULL;
    int ends[2];

    (void) unused;
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
    assert_int_equal(report_new(ends[1], -1, &report, NULL), 0);
    assert_int_equal(report_stopped(report_poll(report)), 0);
    (void) close(ends[0]);
    assert_int_equal(report_stopped(report_poll(report)), -EINTR);
    report_free(report);
}

/* The bytes of several frames come at once. */
static void send_together(int fd, int spool_fd, const char *const *types, size_t n)
{
    autobuf struct buf data = BUF_INIT;

    for (size_t i = 0; i < n; i++) {
        autojson json_t *frame = json_frame(types[i]);

        assert_int_equal(frame_encode(&data, frame, FRAME_MAX_START, NULL), 0);
    }
    assert_int_equal(rights_send(fd, &data, &spool_fd, spool_fd >= 0), 0);
}

static void test_what_comes_right_behind_the_start_is_heard(void **unused)
{
    static const char *const types[] = { "start", "cancel" };
    autojson json_t *start = NULL;
    struct report *report = NULL;
    int ends[2];

    (void) unused;
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
    assert_int_equal(report_new(ends[1], -1, &report, NULL), 0);
    send_together(ends[0], -1, types, ARRAY_LEN(types));
    assert_int_equal(report_wait_start(report, &start, NULL), 1);
    assert_int_equal(report_stopped(report_poll(report)), -ECANCELED);
    report_free(report);
    (void) close(ends[0]);
}

/* It has served a probe by then. */
static void test_a_process_that_waits_takes_a_job_with_its_spool(void **state)
{
    static const char *const types[] = { "job", "start", "cancel" };
    struct world *world = *state;
    autofree char *log = NULL;

    for (int with_spool = 0; with_spool < 2; with_spool++) {
        autojson json_t *first = NULL, *start = NULL;
        struct error err = { 0 };
        struct report *report = NULL;
        int ends[2], spool_fd = -1, r;

        assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
        assert_int_equal(report_new(ends[1], -1, &report, NULL), 0);
        send_together(ends[0], -1, types + 1, 1);
        assert_int_equal(report_wait_start(report, &first, NULL), 1);
        send_together(ends[0], with_spool ? world->spool_fd : -1, types, ARRAY_LEN(types));
        r = report_wait_job(report, &spool_fd, &err);
        assert_int_equal(r, with_spool ? 1 : -EPROTO);
        if (with_spool) {
            assert_int_equal(report_wait_start(report, &start, NULL), 1);
            assert_int_equal(report_stopped(report_poll(report)), -ECANCELED);
            assert_int_equal(write(spool_fd, "line\n", 5), 5);
            (void) close(spool_fd);
        }
        report_free(report);
        (void) close(ends[0]);
    }
    log = harness_read(world->dir, "1.log");
    assert_string_equal(log, "line\n");
}

/* By which it knows whose the VM is; one that lost its ledger, too. */
static void test_a_vm_is_told_to_every_supervisor(void **state)
{
    struct world *world = *state;
    autoclose int listener = listen_again(world);
    json_t *vm = json_frame("vm"), *identity = NULL;
    const char *id = "";

    assert_int_equal(json_add_str(vm, "id", "nesting-1"), 0);
    report_identity(world->report, json_frame("identity"));
    report_vm(world->report, vm);
    hear_and_drop(world, "started");
    hear_and_drop(world, "vm");
    hang_up(world);
    (void) report_poll(world->report);
    while (poll(&(struct pollfd) { .fd = listener, .events = POLLIN }, 1, 10) == 0)
        (void) report_poll(world->report); /* it tries again after a while */
    world->fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
    hear_and_drop(world, "attach");
    tell(world, "identify", "");
    (void) report_poll(world->report);
    identity = hear(world, "identity");
    (void) json_opt_str(identity, "vm", &id, NULL);
    assert_string_equal(id, "nesting-1");
    json_object_put(identity);
    tell(world, "attached", "");
    (void) report_poll(world->report);
    hear_and_drop(world, "started");
    hear_and_drop(world, "vm");
}

static void test_a_result_is_told_to_every_supervisor_until_one_stores_it(void **state)
{
    struct world *world = *state;
    autojson json_t *result = json_frame("result");
    int status = -1;
    autoclose int listener = listen_again(world);
    pid_t pid = fork();

    if (pid == 0) {
        (void) close(world->fd);
        report_result(world->report, result);
        _exit(0);
    }
    for (int supervisor = 0; supervisor < 2; supervisor++) {
        hear_and_drop(world, "started");
        hear_and_drop(world, "result");
        hang_up(world);
        world->fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
        hear_and_drop(world, "attach");
        tell(world, "attached", "");
    }
    hear_and_drop(world, "started");
    hear_and_drop(world, "result");
    tell(world, "result_stored", "");
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
}

#define ROW(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        ROW(test_a_stuck_supervisor_with_a_full_backlog_does_not_block_the_job),
        ROW(test_a_worker_whose_row_is_closed_ends),
        ROW(test_a_worker_whose_log_is_kept_ends),
        ROW(test_what_becomes_of_the_instance_is_told),
        ROW(test_the_question_for_a_host_key_ends_with_its_reason),
        ROW(test_a_key_that_is_right_by_the_policy_needs_no_question),
        cmocka_unit_test(test_what_comes_right_behind_the_start_is_heard),
        ROW(test_a_process_that_waits_takes_a_job_with_its_spool),
        cmocka_unit_test(test_a_probe_is_stopped_when_its_supervisor_goes),
        ROW(test_a_vm_is_told_to_every_supervisor),
        ROW(test_a_result_is_told_to_every_supervisor_until_one_stores_it),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
