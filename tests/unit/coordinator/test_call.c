/* tests/unit/coordinator/test_call.c - mirrors core/coordinator/call.c, against a server
 * that takes one request and answers it, or does not. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <arpa/inet.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "core/base/buf.h"
#include "core/base/mem.h"
#include "core/base/str.h"
#include "core/coordinator/call.h"
#include "tests/harness/harness.h"

struct server {
    int fd;
    bool silent;
    pthread_t thread;
    struct buf request;
};

static bool is_answerable(const struct server *server)
{
    return !server->silent && strstr(buf_str(&server->request), "\r\n\r\n");
}

/* Answers behind the headers, and reads on until the client has had enough. */
static void *serve(void *arg)
{
    static const char answer[] =
        "HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
    struct server *server = arg;
    autoclose int fd = accept4(server->fd, NULL, NULL, SOCK_CLOEXEC);
    bool answered = false;
    char chunk[4096];
    ssize_t n;

    while (fd >= 0 && (n = recv(fd, chunk, sizeof(chunk), 0)) > 0) {
        buf_add(&server->request, chunk, (size_t) n);
        if (answered || !is_answerable(server))
            continue;
        answered = true;
        (void) send(fd, answer, sizeof(answer) - 1, MSG_NOSIGNAL);
    }
    return NULL;
}

/* Its URL; the caller frees. */
static char *start_server(struct server *server)
{
    struct sockaddr_in address = { .sin_family = AF_INET,
                                   .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    socklen_t len = sizeof(address);

    server->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(server->fd, (struct sockaddr *) &address, sizeof(address)), 0);
    assert_int_equal(listen(server->fd, 4), 0);
    assert_int_equal(getsockname(server->fd, (struct sockaddr *) &address, &len), 0);
    assert_int_equal(pthread_create(&server->thread, NULL, serve, server), 0);
    return mem_printf("http://127.0.0.1:%d", ntohs(address.sin_port));
}

static void stop_server(struct server *server)
{
    assert_int_equal(pthread_join(server->thread, NULL), 0);
    (void) close(server->fd);
}

static void on_updated(void *arg, const struct update_outcome *outcome)
{
    *(struct update_outcome *) arg = *outcome;
}

/* One PUT with this token, to its end. */
static struct update_outcome update(const char *url, const char *token)
{
    struct coordinator_host host = { .url = url };
    struct coordinator_job_update update = { .job_id = 1, .token = token, .state = "running" };
    struct coordinator_client *client = NULL;
    struct coordinator_call *call = NULL;
    struct update_outcome outcome = { 0 };
    struct error err = { 0 };
    uv_loop_t loop;

    assert_int_equal(uv_loop_init(&loop), 0);
    assert_int_equal(coordinator_client_new(&loop, &client, &err), 0);
    assert_int_equal(
        coordinator_update_job(client, &host, &update, on_updated, &outcome, &call, &err), 0);
    while (outcome.status == 0 && uv_run(&loop, UV_RUN_ONCE))
        continue;
    coordinator_client_free(client);
    (void) uv_run(&loop, UV_RUN_DEFAULT);
    assert_int_equal(uv_loop_close(&loop), 0);
    return outcome;
}

static void test_a_long_token_arrives_whole(void **unused)
{
    struct server server = { 0 };
    autofree char *url = start_server(&server), *want = NULL;
    char token[3001];

    (void) unused;
    memset(token, 't', sizeof(token) - 1);
    token[sizeof(token) - 1] = '\0';
    assert_int_equal(update(url, token).result, UPDATE_OK);
    stop_server(&server);
    want = mem_printf("JOB-TOKEN: %s\r\n", token);
    assert_non_null(strstr(buf_str(&server.request), want));
    buf_done(&server.request);
}

static void test_hardening_N10_a_silent_network_ends_a_report(void **unused)
{
    struct server server = { .silent = true };
    autofree char *url = NULL;
    struct update_outcome outcome;

    (void) unused;
    harness_need_faults();
    assert_int_equal(setenv("FLOTILLA_LIMITS", "report_silence=1000", 1), 0);
    url = start_server(&server);
    outcome = update(url, "token");
    assert_int_equal(unsetenv("FLOTILLA_LIMITS"), 0);
    assert_int_equal(outcome.result, UPDATE_FAILED);
    assert_int_equal(outcome.status, COORDINATOR_TRANSPORT_ERROR);
    stop_server(&server);
    buf_done(&server.request);
}

static void on_answered(struct coordinator_call *call, const struct call_answer *answer)
{
    (void) call;
    (void) answer;
    fail();
}

static void test_a_body_that_could_not_be_built_is_not_sent(void **unused)
{
    struct coordinator_host host = { .url = "http://127.0.0.1:1" };
    struct call_request request = { .method = "PUT", .path = "jobs/1", .content_type = "x" };
    struct coordinator_client *client = NULL;
    struct coordinator_call *call = NULL;
    struct error err = { 0 };
    uv_loop_t loop;

    (void) unused;
    assert_int_equal(uv_loop_init(&loop), 0);
    assert_int_equal(coordinator_client_new(&loop, &client, &err), 0);
    request.body.max = 1;
    buf_add_str(&request.body, "longer");
    assert_true(call_start(client, &host, &request, on_answered, NULL, &call, &err) < 0);
    assert_null(call);
    coordinator_client_free(client);
    (void) uv_run(&loop, UV_RUN_DEFAULT);
    assert_int_equal(uv_loop_close(&loop), 0);
}

#define CALLS 10

struct answered {
    uv_loop_t loop;
    size_t n, at_once, most_at_once;
    uint64_t turn;
};

static void count_answer(void *arg, const struct coordinator_job_answer *answer)
{
    struct answered *answered = arg;

    assert_int_equal(answer->status, COORDINATOR_TRANSPORT_ERROR);
    if (answered->turn != uv_now(&answered->loop))
        answered->at_once = 0;
    answered->turn = uv_now(&answered->loop);
    answered->at_once++;
    answered->most_at_once = MAX(answered->most_at_once, answered->at_once);
    answered->n++;
}

/* Nobody listens there, so that all end at once. */
static void test_a_turn_takes_few_answers_and_the_next_ones_the_others(void **unused)
{
    struct coordinator_host host = { .url = "http://127.0.0.1:1" };
    struct answered answered = { 0 };
    struct coordinator_client *client = NULL;
    autojson json_t *info = json_object_new_object();
    struct coordinator_call *calls[CALLS];
    struct error err = { 0 };

    (void) unused;
    assert_int_equal(uv_loop_init(&answered.loop), 0);
    assert_int_equal(coordinator_client_new(&answered.loop, &client, &err), 0);
    for (size_t i = 0; i < CALLS; i++)
        assert_int_equal(coordinator_request_job(client, &host, "token", "s_1", NULL, info, NULL,
                                                 count_answer, &answered, &calls[i], &err),
                         0);
    while (answered.n < CALLS && uv_run(&answered.loop, UV_RUN_ONCE))
        continue;
    assert_int_equal(answered.n, CALLS);
    assert_in_range(answered.most_at_once, 1, 3);
    coordinator_client_free(client);
    (void) uv_run(&answered.loop, UV_RUN_DEFAULT);
    assert_int_equal(uv_loop_close(&answered.loop), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_long_token_arrives_whole),
        cmocka_unit_test(test_hardening_N10_a_silent_network_ends_a_report),
        cmocka_unit_test(test_a_body_that_could_not_be_built_is_not_sent),
        cmocka_unit_test(test_a_turn_takes_few_answers_and_the_next_ones_the_others),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
