/* tests/unit/job/test_supply.c - mirrors core/job/supply.c: the test is the supervisor. Numbers of requests begin at
 * one, so an answer may be there before its question. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>

#include "core/base/clock.h"
#include "core/base/frame.h"
#include "core/base/mem.h"
#include "core/base/rights.h"
#include "core/base/str.h"
#include "core/job/supply.h"
#include "tests/harness/harness.h"

#define SLACK_MS 20000 /* more than any wait of a test */
#define KEY "0123456789abcdef0123456789abcdef"

struct world {
    char *dir, *control_path;
    int spool_fd, fd; /* the supervisor's end of the connection */
    struct frame_decoder decoder;
    struct report *report;
};

static int64_t in_ms(int64_t ms)
{
    return clock_mono_ms(&clock_system) + ms;
}

static json_t *parse(const char *text)
{
    json_t *json = NULL;

    assert_int_equal(json_parse(text, strlen(text), &json, NULL), 0);
    return json;
}

static void tell(const struct world *world, const char *text)
{
    autojson json_t *frame = parse(text);

    assert_int_equal(frame_send(world->fd, frame, FRAME_MAX_OPERATOR, SLACK_MS, NULL), 0);
}

static void tell_with(const struct world *world, const char *text, int fd)
{
    autojson json_t *frame = parse(text);
    autobuf struct buf data = BUF_INIT;

    assert_int_equal(frame_encode(&data, frame, FRAME_MAX_OPERATOR, NULL), 0);
    assert_int_equal(rights_send(world->fd, &data, &fd, 1), 0);
}

/* The next frame is this one. */
static void hear(struct world *world, const char *text)
{
    autojson json_t *frame = NULL, *want = parse(text);

    assert_int_equal(frame_recv(world->fd, &world->decoder, SLACK_MS, &frame, NULL), 1);
    if (!json_object_equal(frame, want))
        fail_msg("%s instead of %s", json_text(frame), text);
}

static int set_up(void **state)
{
    struct world *world = mem_zero(sizeof(*world));
    int ends[2];

    assert_non_null(world);
    world->dir = harness_temp_dir();
    world->control_path = harness_path(world->dir, "control.sock");
    world->spool_fd = open(world->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
    world->fd = ends[0];
    frame_decoder_init(&world->decoder, FRAME_MAX_OPERATOR);
    assert_int_equal(report_new(ends[1], world->spool_fd, &world->report, NULL), 0);
    assert_int_equal(report_started(world->report, 1, KEY, world->control_path, false), 0);
    hear(world, "{\"type\":\"started\"}");
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
    harness_remove_dir(world->dir);
    free(world);
    return 0;
}

static void test_a_signed_url_comes_with_its_headers(void **state)
{
    struct world *world = *state;
    struct supply_url url;

    tell(world, "{\"type\":\"signed\",\"id\":1,\"url\":\"https://a/b?c\",\"headers\":[\"A: 1\"]}");
    assert_int_equal(supply_sign(world->report, "k", SUPPLY_PUT, &url, NULL), 0);
    assert_string_equal(url.url, "https://a/b?c");
    assert_string_equal(json_object_get_string(json_object_array_get_idx(url.headers, 0)), "A: 1");
    supply_url_done(&url);
    assert_null(url.url);
}

static void test_why_there_is_no_signed_url_is_told(void **state)
{
    static const struct {
        const char *answer;
        int want;
        const char *sentence;
    } rows[] = {
        { "{\"type\":\"signed\",\"id\":1,\"none\":true}", -ENOENT, "no cache store is configured" },
        { "{\"type\":\"signed\",\"id\":2,\"error\":\"the store's key is wrong\"}", -EPERM,
          "the store's key is wrong" },
        { "{\"type\":\"abort\"}", -EINTR, "stopped while asking for a signed URL" },
    };
    struct world *world = *state;

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct supply_url url;
        struct error err = { 0 };
        int r;

        tell(world, rows[i].answer);
        r = supply_sign(world->report, "k", SUPPLY_GET, &url, &err);
        if (r != rows[i].want || !str_eq(err.message, rows[i].sentence))
            fail_msg("row %zu: %d '%s'", i, r, err.message);
        assert_null(url.url);
    }
}

static int ask_for_both(void *arg)
{
    struct world *world = arg;
    autojson json_t *request = parse("{\"kind\":\"cache_download\",\"name\":\"k\"}");
    struct supply_url url;
    int stream = -1;
    int r = supply_sign(world->report, "a/b", SUPPLY_HEAD, &url, NULL);

    supply_url_done(&url);
    return r < 0 ? r : supply_transfer(world->report, request, &stream, NULL);
}

/* In a child, so that the test can hear what it asks. */
static pid_t start(struct world *world, int (*work)(void *arg))
{
    pid_t pid = fork();

    assert_true(pid >= 0);
    if (pid == 0) {
        (void) close(world->fd);
        _exit(work(world) == 0 ? 0 : 1);
    }
    return pid;
}

static void assert_went_well(pid_t pid)
{
    int status = -1;

    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
}

static int listen_there(const struct world *world)
{
    struct sockaddr_un address = { .sun_family = AF_UNIX };
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

    assert_int_equal(str_copy(address.sun_path, sizeof(address.sun_path), world->control_path), 0);
    assert_int_equal(bind(fd, (struct sockaddr *) &address, sizeof(address)), 0);
    assert_int_equal(listen(fd, 1), 0);
    return fd;
}

static void change_supervisor(struct world *world, int listener)
{
    hang_up(world);
    world->fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
    hear(world, "{\"type\":\"attach\",\"seq\":1,\"key\":\"" KEY "\",\"protocol\":1}");
    tell(world, "{\"type\":\"attached\"}");
    hear(world, "{\"type\":\"started\"}");
}

static void test_a_question_without_an_answer_is_asked_of_the_next_supervisor(void **state)
{
    static const char question[] =
        "{\"type\":\"sign\",\"id\":1,\"name\":\"a/b\",\"method\":\"HEAD\"}";
    static const char request[] = "{\"type\":\"transfer\",\"id\":2,"
                                  "\"request\":{\"kind\":\"cache_download\",\"name\":\"k\"}}";
    struct world *world = *state;
    autoclose int listener = listen_there(world);
    pid_t pid = start(world, ask_for_both);

    hear(world, question);
    change_supervisor(world, listener);
    hear(world, question);
    tell(world, "{\"type\":\"signed\",\"id\":1,\"url\":\"https://a/\"}");
    hear(world, request);
    change_supervisor(world, listener);
    hear(world, request);
    tell_with(world, "{\"type\":\"transfer_open\",\"id\":2}", world->spool_fd);
    assert_went_well(pid);
}

static void send_byte(int fd)
{
    assert_int_equal(send(fd, "x", 1, MSG_NOSIGNAL), 1);
}

static void test_a_transfer_has_its_stream_and_its_end(void **state)
{
    struct world *world = *state;
    autojson json_t *request = parse("{\"kind\":\"cache_download\",\"name\":\"k\"}");
    struct supply_end end;
    autoclose int stream = -1;
    char byte = 0;
    int ends[2];

    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
    tell_with(world, "{\"type\":\"transfer_open\",\"id\":1}", ends[1]);
    (void) close(ends[1]);
    assert_int_equal(supply_transfer(world->report, request, &stream, NULL), 0);
    send_byte(ends[0]);
    (void) close(ends[0]);
    assert_int_equal(read(stream, &byte, 1), 1);
    assert_int_equal(byte, 'x');
    supply_commit(world->report, true);
    hear(world, "{\"type\":\"transfer_commit\",\"id\":1,\"whole\":true}");
    tell(world, "{\"type\":\"transfer_end\",\"id\":1,\"result\":\"unavailable\",\"status\":503,"
                "\"message\":\"later\"}");
    assert_int_equal(supply_wait(world->report, in_ms(SLACK_MS), &end, NULL), 0);
    assert_int_equal(end.result, SUPPLY_UNAVAILABLE);
    assert_int_equal(end.status, 503);
    assert_string_equal(end.message, "later");
}

static void test_a_transfer_that_is_refused_says_why(void **state)
{
    struct world *world = *state;
    autojson json_t *request = json_object_new_object();
    struct error err = { 0 };
    int stream = 0;

    tell(world, "{\"type\":\"transfer_open\",\"id\":1,\"error\":\"two run already\"}");
    assert_int_equal(supply_transfer(world->report, request, &stream, &err), -EPERM);
    assert_int_equal(stream, -1);
    assert_string_equal(err.message, "two run already");
    tell(world, "{\"type\":\"transfer_open\",\"id\":2}");
    assert_int_equal(supply_transfer(world->report, request, &stream, &err), -EPROTO);
}

static void open_transfer(struct world *world, int64_t id)
{
    autofree char *open = mem_printf("{\"type\":\"transfer_open\",\"id\":%lld}", (long long) id);
    autojson json_t *request = json_object_new_object();
    autoclose int stream = -1;

    tell_with(world, open, world->spool_fd);
    assert_int_equal(supply_transfer(world->report, request, &stream, NULL), 0);
}

static void test_who_waits_no_more_stops_the_transfer(void **state)
{
    struct world *world = *state;
    struct supply_end end;

    open_transfer(world, 1);
    assert_int_equal(supply_wait(world->report, in_ms(20), &end, NULL), -ETIMEDOUT);
    hear(world, "{\"type\":\"transfer_stop\",\"id\":1}");
    open_transfer(world, 2);
    /* The end of the former one is not its own. */
    tell(world, "{\"type\":\"transfer_end\",\"id\":1,\"result\":\"ok\"}");
    tell(world, "{\"type\":\"cancel\"}");
    assert_int_equal(supply_wait(world->report, in_ms(SLACK_MS), &end, NULL), -ECANCELED);
    hear(world, "{\"type\":\"transfer_stop\",\"id\":2}");
}

static int heed_nothing(void *arg)
{
    (void) report_poll(arg);
    return 0;
}

/* After the steps a cancel stops nothing: what is uploaded then is uploaded. */
static void test_what_stops_a_wait_is_the_jobs_to_say(void **state)
{
    struct world *world = *state;
    struct supply_end end;

    report_stop_rule(world->report, heed_nothing, world->report);
    tell(world, "{\"type\":\"cancel\"}");
    open_transfer(world, 1);
    tell(world, "{\"type\":\"transfer_end\",\"id\":1,\"result\":\"ok\"}");
    assert_int_equal(supply_wait(world->report, in_ms(SLACK_MS), &end, NULL), 0);
    assert_int_equal(end.result, SUPPLY_OK);
}

static void test_a_transfer_ends_with_its_supervisor(void **state)
{
    struct world *world = *state;
    struct supply_end end;

    open_transfer(world, 1);
    hang_up(world);
    assert_int_equal(supply_wait(world->report, in_ms(SLACK_MS), &end, NULL), 0);
    assert_int_equal(end.result, SUPPLY_RETRY);
}

/* The stream that came with the last word of a supervisor is there all the same, for its end to be seen. */
static void test_a_supervisor_may_die_behind_its_answer(void **state)
{
    struct world *world = *state;
    autojson json_t *request = json_object_new_object();
    struct supply_end end;
    autoclose int stream = -1;

    tell_with(world, "{\"type\":\"transfer_open\",\"id\":1}", world->spool_fd);
    hang_up(world);
    assert_int_equal(supply_transfer(world->report, request, &stream, NULL), 0);
    assert_true(stream >= 0);
    assert_int_equal(supply_wait(world->report, in_ms(SLACK_MS), &end, NULL), 0);
    assert_int_equal(end.result, SUPPLY_RETRY);
}

#define ROW(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        ROW(test_a_signed_url_comes_with_its_headers),
        ROW(test_why_there_is_no_signed_url_is_told),
        ROW(test_a_question_without_an_answer_is_asked_of_the_next_supervisor),
        ROW(test_a_transfer_has_its_stream_and_its_end),
        ROW(test_a_transfer_that_is_refused_says_why),
        ROW(test_who_waits_no_more_stops_the_transfer),
        ROW(test_what_stops_a_wait_is_the_jobs_to_say),
        ROW(test_a_transfer_ends_with_its_supervisor),
        ROW(test_a_supervisor_may_die_behind_its_answer),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
