/* tests/unit/nestingd/test_qemu_qmp.c - mirrors nestingd/qemu/qmp.c and agent.c: against a peer that says what it is told
 * to, on a real socket. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>

#include "core/base/fs.h"
#include "core/base/mem.h"
#include "core/base/str.h"
#include "nestingd/qemu/agent.h"

#define FOR_EVER call_fresh(INT64_MAX)
#define GREETING "{\"QMP\":{}}\n"
#define OK "{\"return\":{}}\n"

enum { ASKED_MAX = 8192 };

/* One exchange: what is said at once, then what is said each time that a whole line has come; NULL ends it. */
struct peer {
    char folder[64], path[96];
    int listener;
    pthread_t thread;
    const char *first, *answers[8];
    bool stays;            /* it does not hang up at the end */
    char asked[ASKED_MAX]; /* the lines that came */
    int given_fd;
};

static void say(int fd, const char *text)
{
    (void) !send(fd, text, strlen(text), MSG_NOSIGNAL);
}

/* A line, with the descriptor that came with it; false at the end. */
static bool hear(struct peer *peer, int fd)
{
    union {
        char bytes[CMSG_SPACE(sizeof(int))];
        struct cmsghdr align;
    } control;
    size_t len = strlen(peer->asked);

    for (;;) {
        struct iovec part = { .iov_base = peer->asked + len, .iov_len = 1 };
        struct msghdr message = { .msg_iov = &part,
                                  .msg_iovlen = 1,
                                  .msg_control = control.bytes,
                                  .msg_controllen = sizeof(control.bytes) };
        const struct cmsghdr *header;

        if (len + 1 >= ASKED_MAX || recvmsg(fd, &message, MSG_CMSG_CLOEXEC) != 1)
            return false;
        header = CMSG_FIRSTHDR(&message);
        if (header && header->cmsg_type == SCM_RIGHTS)
            (void) memcpy(&peer->given_fd, CMSG_DATA(header), sizeof(int));
        if (peer->asked[len++] == '\n')
            return true;
    }
}

/* The number that an agent is to say again. */
static void say_answer(struct peer *peer, int fd, const char *answer)
{
    const char *number = strstr(peer->asked, "\"id\":");
    autofree char *text = NULL;

    if (!str_eq(answer, "SYNC")) {
        say(fd, answer);
        return;
    }
    text = mem_printf("\xff{\"return\":%.*s}\n", (int) strcspn(number + 5, "}"), number + 5);
    say(fd, text);
}

static void *play(void *arg)
{
    struct peer *peer = arg;
    autoclose int fd = accept4(peer->listener, NULL, NULL, SOCK_CLOEXEC);
    char rest;

    if (peer->first)
        say(fd, peer->first);
    for (const char **answer = peer->answers; *answer && hear(peer, fd); answer++)
        say_answer(peer, fd, *answer);
    if (peer->stays)
        while (recv(fd, &rest, 1, 0) > 0)
            continue;
    return NULL;
}

static int listen_at(const char *path)
{
    struct sockaddr_un address = { .sun_family = AF_UNIX };
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

    assert_int_equal(str_copy(address.sun_path, sizeof(address.sun_path), path), 0);
    assert_int_equal(bind(fd, (const struct sockaddr *) &address, sizeof(address)), 0);
    assert_int_equal(listen(fd, 1), 0);
    return fd;
}

static void make_place(struct peer *peer)
{
    (void) str_copy(peer->folder, sizeof(peer->folder), "/tmp/test-qmp-XXXXXX");
    assert_non_null(mkdtemp(peer->folder));
    (void) snprintf(peer->path, sizeof(peer->path), "%s/qmp", peer->folder);
    peer->listener = -1;
    peer->given_fd = -1;
}

static void start(struct peer *peer)
{
    make_place(peer);
    peer->listener = listen_at(peer->path);
    assert_int_equal(pthread_create(&peer->thread, NULL, play, peer), 0);
}

static void stop(struct peer *peer)
{
    assert_int_equal(pthread_join(peer->thread, NULL), 0);
    (void) close(peer->listener);
    if (peer->given_fd >= 0)
        (void) close(peer->given_fd);
    assert_int_equal(fs_remove_tree(AT_FDCWD, peer->folder), 0);
}

static void test_a_monitor_is_greeted_and_asked(void **unused)
{
    struct peer peer = { .first = "{\"event\":\"EARLY\"}\n" GREETING,
                         .answers = {
                             OK, "{\"event\":\"STOP\"}\n{\"return\":{\"status\":\"paused\"}}\n",
                             "{\"error\":{\"desc\":\"no such command\"}}\n", OK } };
    struct call call = FOR_EVER;
    auto_ptr(qmp_close) struct qmp *qmp = NULL;
    autojson json_t *answer = NULL;
    const char *status = NULL;
    struct error err = { 0 };
    autoclose int null = open("/dev/null", O_RDONLY | O_CLOEXEC);

    start(&peer);
    assert_int_equal(qmp_open_monitor(peer.path, &call, &qmp, &err), 0);
    assert_int_equal(qmp_ask(qmp, &call, "query-status", NULL, &answer, &err), 0);
    assert_int_equal(json_need_str(answer, "status", &status, &err), 0);
    assert_string_equal(status, "paused");
    assert_int_equal(qmp_ask(qmp, &call, "frobnicate", json_object_new_object(), NULL, &err),
                     -EREMOTEIO);
    assert_string_equal(err.message, "frobnicate: no such command");
    assert_int_equal(qmp_give_fd(qmp, &call, "state", null, &err), 0);
    stop(&peer);
    assert_string_equal(peer.asked,
                        "{\"execute\":\"qmp_capabilities\"}\n{\"execute\":\"query-status\"}\n"
                        "{\"arguments\":{},\"execute\":\"frobnicate\"}\n"
                        "{\"arguments\":{\"fdname\":\"state\"},\"execute\":\"getfd\"}\n");
    assert_true(peer.given_fd >= 0);
}

static void test_a_monitor_that_is_none(void **unused)
{
    static const struct {
        const char *why, *first, *answer;
        int want;
    } cases[] = {
        { "hangs up", NULL, NULL, -EPIPE },
        { "hangs up later", GREETING, NULL, -EPIPE },
        { "says rubbish", "HTTP/1.1 400 Bad Request\r\n\r\n", NULL, -EPROTO },
        { "answers without a question", OK, NULL, -EPROTO },
        { "greets twice", GREETING, GREETING, -EPROTO },
        { "refuses", GREETING, "{\"error\":{\"desc\":\"no\"}}\n", -EREMOTEIO },
    };

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct peer peer = { .first = cases[i].first, .answers = { cases[i].answer } };
        struct call call = FOR_EVER;
        struct qmp *qmp = NULL;
        struct error err = { 0 };

        start(&peer);
        if (qmp_open_monitor(peer.path, &call, &qmp, &err) != cases[i].want || !err.message[0])
            fail_msg("%s: %d '%s'", cases[i].why, err.code, err.message);
        assert_null(qmp);
        stop(&peer);
    }
}

static void test_a_monitor_that_is_not_there(void **unused)
{
    struct peer peer = { 0 };
    struct call call = FOR_EVER;
    struct qmp *qmp = NULL;

    make_place(&peer);
    assert_int_equal(qmp_open_monitor(peer.path, &call, &qmp, NULL), -ENOENT);
    (void) close(listen_at(peer.path));
    assert_int_equal(qmp_open_monitor(peer.path, &call, &qmp, NULL), -ECONNREFUSED);
    assert_int_equal(fs_remove_tree(AT_FDCWD, peer.folder), 0);
}

static void test_silence_lasts_as_long_as_the_call(void **unused)
{
    struct peer peer = { .stays = true };
    struct call call = call_fresh(1);
    struct qmp *qmp = NULL;
    int ends[2];

    start(&peer);
    assert_int_equal(qmp_open_monitor(peer.path, &call, &qmp, NULL), -ETIMEDOUT);
    stop(&peer);

    start(&peer);
    assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
    (void) close(ends[1]);
    call = FOR_EVER;
    call.cancel_fd = ends[0];
    assert_int_equal(qmp_open_monitor(peer.path, &call, &qmp, NULL), -ECANCELED);
    (void) close(ends[0]);
    stop(&peer);
}

/* Answers to others before the mark, and to an earlier one of ours behind it. */
static void test_an_agent_is_found_behind_old_answers(void **unused)
{
    struct peer peer = { .first = "{\"return\":3}\nrubbish\n\xff{\"return\":-5}\n",
                         .answers = { "SYNC", OK } };
    struct call call = FOR_EVER;
    auto_ptr(qmp_close) struct qmp *agent = NULL;
    struct error err = { 0 };

    start(&peer);
    assert_int_equal(qmp_open_agent(peer.path, &call, &agent, &err), 0);
    assert_int_equal(qmp_ask(agent, &call, "guest-ping", NULL, NULL, &err), 0);
    stop(&peer);
}

static int refresh(struct peer *peer, struct error *err)
{
    struct call call = FOR_EVER;
    auto_ptr(qmp_close) struct qmp *agent = NULL;
    int r;

    start(peer);
    assert_int_equal(qmp_open_agent(peer->path, &call, &agent, err), 0);
    r = agent_refresh(agent, &call, err);
    stop(peer);
    return r;
}

static void test_a_guest_is_made_different(void **unused)
{
    struct peer peer = { .answers = { "SYNC", "{\"return\":{\"pid\":7}}\n",
                                      "{\"return\":{\"exited\":false}}\n",
                                      "{\"return\":{\"exited\":true,\"exitcode\":0}}\n" } };
    struct error err = { 0 };

    assert_int_equal(refresh(&peer, &err), 0);
    assert_non_null(strstr(peer.asked, "\"path\":\"/bin/sh\""));
    assert_non_null(
        strstr(peer.asked, "{\"arguments\":{\"pid\":7},\"execute\":\"guest-exec-status\"}\n"));
}

static void test_a_guest_that_stays_the_same(void **unused)
{
    static const struct {
        const char *why, *started, *status, *says;
        int want;
    } cases[] = {
        { "the script fails", "{\"return\":{\"pid\":7}}\n",
          "{\"return\":{\"exited\":true,\"exitcode\":1,\"err-data\":\"YQpubyBwZXJsG1sySgo=\"}}\n",
          "exit status 1 (no perl\\x1b[2J)", -ENOTSUP },
        { "the script is killed", "{\"return\":{\"pid\":7}}\n",
          "{\"return\":{\"exited\":true,\"signal\":9}}\n", "exit status -1", -ENOTSUP },
        { "the agent may not", "{\"error\":{\"desc\":\"guest-exec has been disabled\"}}\n", NULL,
          "guest-exec has been disabled", -ENOTSUP },
        { "no pid", "{\"return\":{}}\n", NULL, "can't be made different from others: ", -ENOENT },
        { "no status", "{\"return\":{\"pid\":7}}\n", "{\"return\":{\"exited\":\"yes\"}}\n",
          "exited", -EINVAL },
        { "the guest goes", "{\"return\":{\"pid\":7}}\n", NULL, "it has ended", -EPIPE },
    };

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct peer peer = { .answers = { "SYNC", cases[i].started, cases[i].status } };
        struct error err = { 0 };

        if (refresh(&peer, &err) != cases[i].want || !strstr(err.message, cases[i].says))
            fail_msg("%s: %d '%s'", cases[i].why, err.code, err.message);
    }
}

#define CARD(mac, address)                                                                         \
    "{\"name\":\"eth0\",\"hardware-address\":\"" mac                                               \
    "\",\"ip-addresses\":[{\"ip-address\":\"" address "\"}]}"

static void test_the_address_of_a_card(void **unused)
{
    static const struct {
        const char *why, *answer, *want; /* "" = -ENOENT */
    } cases[] = {
        { "its own",
          "{\"return\":[{\"name\":\"lo\"}," CARD("52:54:00:AB:00:01", "192.0.2.7") "]}\n",
          "192.0.2.7" },
        { "another card's", "{\"return\":[" CARD("52:54:00:ab:00:02", "192.0.2.7") "]}\n", "" },
        { "the host's loopback", "{\"return\":[" CARD("52:54:00:ab:00:01", "127.0.0.1") "]}\n",
          "" },
        { "a link's own", "{\"return\":[" CARD("52:54:00:ab:00:01", "169.254.169.254") "]}\n", "" },
        { "many", "{\"return\":[" CARD("52:54:00:ab:00:01", "224.0.0.1") "]}\n", "" },
        { "a name", "{\"return\":[" CARD("52:54:00:ab:00:01", "gitlab.example.com") "]}\n", "" },
        { "none", "{\"return\":[7,{\"hardware-address\":\"52:54:00:ab:00:01\"}]}\n", "" },
    };

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct peer peer = { .answers = { "SYNC", cases[i].answer } };
        struct call call = FOR_EVER;
        auto_ptr(qmp_close) struct qmp *agent = NULL;
        char addr[VM_ADDR_SIZE] = "";
        int r;

        start(&peer);
        assert_int_equal(qmp_open_agent(peer.path, &call, &agent, NULL), 0);
        r = agent_find_address(agent, &call, "52:54:00:ab:00:01", addr, NULL);
        if (!str_eq(addr, cases[i].want) || r != (cases[i].want[0] ? 0 : -ENOENT))
            fail_msg("%s: %d '%s'", cases[i].why, r, addr);
        stop(&peer);
    }
}

/* It answers nothing at all, which a QEMU that hangs does. */
static void test_who_listens_is_killed(void **unused)
{
    struct peer peer = { 0 };
    struct call call = FOR_EVER;
    int ready[2], status = 0;
    char byte;
    pid_t pid;

    make_place(&peer);
    assert_int_equal(pipe2(ready, O_CLOEXEC), 0);
    pid = fork();
    if (pid == 0) {
        (void) listen_at(peer.path);
        (void) close(ready[1]);
        for (;;)
            (void) pause();
    }
    (void) close(ready[1]);
    assert_int_equal(read(ready[0], &byte, 1), 0);
    (void) close(ready[0]);
    assert_true(qmp_is_heard(peer.path));
    assert_int_equal(qmp_kill(peer.path, &call, NULL), 0);
    assert_false(qmp_is_heard(peer.path));
    assert_int_equal(waitpid(pid, &status, WNOHANG), pid);
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
    assert_int_equal(qmp_kill(peer.path, &call, NULL), 0);
    assert_int_equal(fs_remove_tree(AT_FDCWD, peer.folder), 0);
    assert_int_equal(qmp_kill(peer.path, &call, NULL), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_monitor_is_greeted_and_asked),
        cmocka_unit_test(test_a_monitor_that_is_none),
        cmocka_unit_test(test_a_monitor_that_is_not_there),
        cmocka_unit_test(test_silence_lasts_as_long_as_the_call),
        cmocka_unit_test(test_an_agent_is_found_behind_old_answers),
        cmocka_unit_test(test_a_guest_is_made_different),
        cmocka_unit_test(test_a_guest_that_stays_the_same),
        cmocka_unit_test(test_the_address_of_a_card),
        cmocka_unit_test(test_who_listens_is_killed),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
