/* tests/unit/job/connect/test_ssh.c - mirrors core/job/connect/ssh.h, against a server that does what
 * a row says (hardening.md case 36, N1, N6, N7). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "core/base/buf.h"
#include "core/base/clock.h"
#include "core/base/mem.h"
#include "core/base/str.h"
#include "core/job/connect/ssh.h"
#include "tests/fakes/ssh_fake.h"
#include "tests/harness/harness.h"

/* More than any wait of a test, less than a person's patience. */
#define SLACK_MS 20000
#define SHORT_MS 300

/* What the two libraries say of their own. */
#ifdef WITH_LIBSSH2
#define LONG_GREETING "Failed getting banner"
#define NO_COMMON                                                                                  \
    "no common algorithms; update its sshd or allow current ones in its sshd_config, and give it " \
    "an Ed25519 or ECDSA host key: libssh2 before 1.11 checks no RSA one"
#else
#define LONG_GREETING "Receiving banner: too large banner"
#define NO_COMMON                                                                                  \
    "no common encryption client->server; the instance offers aes128-cbc only: update its sshd "   \
    "or allow a current one in its sshd_config"
#endif

struct world {
    char *dir, *user_key;
    struct ssh_fake fake;
    struct remote_options options;
    struct ssh_conn *conn;
    struct error err;
    struct buf output;

    /* What the watch and the host key check do, and what they saw. */
    int control_fds[2], polls, stop_after_polls, stop_with;
    int verdict;
    int64_t verdict_deadline_ms;
    char *shown_key;
};

static int64_t now_ms(void)
{
    return clock_mono_ms(&clock_system);
}

static int control_fd(void *arg)
{
    struct world *world = arg;

    return world->polls < 2 ? world->control_fds[0] : world->control_fds[1];
}

static int poll_control(void *arg)
{
    struct world *world = arg;

    return ++world->polls > world->stop_after_polls && world->stop_with ? world->stop_with : 0;
}

static int check_host_key(void *arg, const char *type, const char *key, int64_t deadline_mono_ms,
                          struct error *err)
{
    struct world *world = arg;

    assert_string_equal(type, "ssh-ed25519");
    free(world->shown_key);
    world->shown_key = mem_strdup(key);
    world->verdict_deadline_ms = deadline_mono_ms;
    return world->verdict < 0 ? error_set(err, world->verdict, "the verdict's sentence") : 0;
}

static int set_up(void **state)
{
    struct world *world = mem_zero(sizeof(*world));

    assert_non_null(world);
    world->dir = harness_temp_dir();
    world->user_key = ssh_fake_user_key();
    world->control_fds[0] = world->control_fds[1] = -1;
    world->options = (struct remote_options) {
        .address = "127.0.0.1",
        .username = "runner",
        .private_key = world->user_key,
        .timeout_ms = 20000,
        .check_host_key = check_host_key,
        .check_arg = world,
        .watch = { .control_fd = control_fd, .poll_control = poll_control, .arg = world },
    };
    *state = world;
    return 0;
}

static int tear_down(void **state)
{
    struct world *world = *state;

    ssh_close(world->conn);
    ssh_fake_stop(&world->fake);
    harness_remove_dir(world->dir);
    buf_done(&world->output);
    free(world->user_key);
    free(world->shown_key);
    free(world);
    return 0;
}

static void start(struct world *world, enum ssh_fake_kind kind, const struct ssh_fake_exec *exec)
{
    const struct ssh_fake_options options = { .kind = kind, .execs = exec, .n_execs = 1 };

    ssh_fake_start(&world->fake, world->dir, &options);
    world->options.port = world->fake.port;
}

static int open_connection(struct world *world)
{
    return ssh_open(&world->options, &world->conn, &world->err);
}

static int on_output(void *arg, bool is_stderr, const void *data, size_t len)
{
    struct world *world = arg;

    assert_false(is_stderr);
    buf_add(&world->output, data, len);
    return 0;
}

static int run(struct world *world, int64_t limit_ms, struct remote_exit *ret)
{
    const struct remote_exec exec = { .command = "sh",
                                      .input = "the script\n",
                                      .input_len = 11,
                                      .on_output = on_output,
                                      .arg = world,
                                      .deadline_mono_ms = now_ms() + limit_ms };

    return ssh_exec(world->conn, &exec, ret, &world->err);
}

static void test_a_command_gets_its_input_and_gives_output_and_status(void **state)
{
    static const struct ssh_fake_exec exec = { .output = "hello\n",
                                               .statuses = { 7 },
                                               .n_statuses = 1 };
    struct world *world = *state;
    struct remote_exit exit = { 0 };

    start(world, SSH_FAKE_SERVER, &exec);
    assert_int_equal(open_connection(world), 0);
    assert_string_equal(world->shown_key, world->fake.host_key);
    assert_int_equal(run(world, SLACK_MS, &exit), 0);
    assert_int_equal(exit.status, 7);
    assert_string_equal(buf_str(&world->output), "hello\n");
    assert_int_equal(ssh_fake_count(&world->fake, "exec sh\nthe script\n"), 1);
}

static void test_hardening_36_of_two_statuses_the_first_counts(void **state)
{
    static const struct ssh_fake_exec exec = { .statuses = { 3, 0 }, .n_statuses = 2 };
    struct world *world = *state;
    struct remote_exit exit = { 0 };

    start(world, SSH_FAKE_SERVER, &exec);
    assert_int_equal(open_connection(world), 0);
    assert_int_equal(run(world, SLACK_MS, &exit), 0);
    assert_int_equal(exit.status, 3);
}

/* Windows has more than a byte, and a liar has anything. */
static void test_a_status_that_is_not_0_is_no_success(void **state)
{
    static const struct ssh_fake_exec exec = { .statuses = { 256 }, .n_statuses = 1 };
    struct world *world = *state;
    struct remote_exit exit = { 0 };

    start(world, SSH_FAKE_SERVER, &exec);
    assert_int_equal(open_connection(world), 0);
    assert_int_equal(run(world, SLACK_MS, &exit), 0);
    assert_int_equal(exit.status, 255);
}

static int on_turn(void *arg, bool is_stderr, const void *data, size_t len)
{
    const char *text = data;

    for (size_t i = 0; i < len; i++)
        assert_int_equal(is_stderr, text[i] < 'a');
    buf_add(arg, data, len);
    return 0;
}

static void test_both_outputs_come_in_their_order(void **state)
{
    static const struct ssh_fake_exec exec = { .turns = "abABcCddDefFFgGhHiIjJkKlLmMnNoOpPqQ",
                                               .statuses = { 1 },
                                               .n_statuses = 1 };
    struct world *world = *state;
    const struct remote_exec command = { .command = "sh",
                                         .on_output = on_turn,
                                         .arg = &world->output };
    struct remote_exit exit = { 0 };

    start(world, SSH_FAKE_SERVER, &exec);
    assert_int_equal(open_connection(world), 0);
    assert_int_equal(ssh_exec(world->conn, &command, &exit, &world->err), 0);
    assert_string_equal(buf_str(&world->output), exec.turns);
}

static void test_hardening_36_no_status_is_never_a_success(void **state)
{
    static const struct ssh_fake_exec exec = { .output = "done\n" };
    struct world *world = *state;
    struct remote_exit exit = { 0 };

    start(world, SSH_FAKE_SERVER, &exec);
    assert_int_equal(open_connection(world), 0);
    assert_int_equal(run(world, SLACK_MS, &exit), -EPIPE);
    assert_true(str_starts(world->err.message, "the command ended without an exit status; "));
}

/* What the server still says on a channel that it ended is output as any other. */
static void test_hardening_36_data_after_the_end_changes_nothing(void **state)
{
    static const struct ssh_fake_exec exec = {
        .output = "before\n", .after_eof = "after\n", .statuses = { 4 }, .n_statuses = 1
    };
    struct world *world = *state;
    struct remote_exit exit = { 0 };

    start(world, SSH_FAKE_SERVER, &exec);
    assert_int_equal(open_connection(world), 0);
    assert_int_equal(run(world, SLACK_MS, &exit), 0);
    assert_int_equal(exit.status, 4);
    assert_true(str_starts(buf_str(&world->output), "before\n"));
}

static bool is_told(const struct world *world, int code, int want, const char *sentence)
{
    autobuf struct buf wanted = BUF_INIT;
    const char *port = strstr(sentence, "PORT");

    if (port)
        buf_addf(&wanted, "%.*s%u%s", (int) (port - sentence), sentence, world->options.port,
                 port + 4);
    else
        buf_add_str(&wanted, sentence);
    return code == want && str_starts(world->err.message, buf_str(&wanted));
}

static void assert_told(const struct world *world, const char *why, int code, int want,
                        const char *sentence)
{
    if (!is_told(world, code, want, sentence))
        fail_msg("%s: %d, %s", why, code, world->err.message);
}

/* Each says what failed, where, and what to look at (hardening.md case 36, N3, N6). */
static void test_hardening_36_each_way_not_to_connect_has_its_sentence(void **state)
{
    static const struct {
        const char *why;
        enum ssh_fake_kind kind;
        int code;
        const char *sentence;
    } rows[] = {
        { "a banner of gigabytes", SSH_FAKE_ENDLESS_BANNER, -EPROTO,
          "SSH handshake with 127.0.0.1 port PORT: what answers there does not greet as an SSH "
          "server does (" LONG_GREETING "); check protocol_port" },
        { "a byte and then silence", SSH_FAKE_SLOW_BANNER, -ETIMEDOUT,
          "SSH handshake with 127.0.0.1 port PORT: connected, but no SSH greeting came in time; "
          "the instance hangs or still boots, or protocol_port is not sshd's" },
        { "silence", SSH_FAKE_NO_BANNER, -ETIMEDOUT,
          "SSH handshake with 127.0.0.1 port PORT: connected, but no SSH greeting came in time; " },
        { "a web server", SSH_FAKE_RUBBISH, -EPROTO,
          "SSH handshake with 127.0.0.1 port PORT: what answers there does not greet as an SSH "
          "server does (" },
        { "a closed connection", SSH_FAKE_CLOSES, -EPROTO,
          "SSH handshake with 127.0.0.1 port PORT: what answers there does not greet as an SSH "
          "server does (the instance closes the connection); check protocol_port" },
        { "a greeting and then silence", SSH_FAKE_STALLS, -ETIMEDOUT,
          "SSH handshake with 127.0.0.1 port PORT: the instance greets but does not answer in "
          "time" },
        { "questions without an end", SSH_FAKE_ENDLESS_QUESTIONS, -ETIMEDOUT,
          "SSH authentication as 'runner': the instance does not decide in time" },
        { "an old cipher", SSH_FAKE_OLD, -EPROTONOSUPPORT,
          "SSH handshake with 127.0.0.1 port PORT: " NO_COMMON },
        { "no key is taken", SSH_FAKE_NO_KEYS, -EACCES,
          "SSH authentication as 'runner' was refused with the key and the password; the instance "
          "takes password: check username and its authorized_keys and password" },
    };
    struct world *world = *state;

    world->options.password = "secret";
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        int r;

        /* Each must get as far as its row says, which takes a slow machine longer. The old one may
         * hang up before its list is read, and is asked again. */
        world->options.timeout_ms = rows[i].kind == SSH_FAKE_OLD ? SLACK_MS : SHORT_MS;
        for (;;) {
            int64_t began = now_ms();

            start(world, rows[i].kind, NULL);
            r = open_connection(world);
            if (now_ms() - began > world->options.timeout_ms + SLACK_MS)
                fail_msg("%s: took %lld ms", rows[i].why, (long long) (now_ms() - began));
            if (is_told(world, r, rows[i].code, rows[i].sentence) ||
                world->options.timeout_ms >= SLACK_MS)
                break;
            world->options.timeout_ms *= 4;
            ssh_fake_stop(&world->fake);
        }
        assert_told(world, rows[i].why, r, rows[i].code, rows[i].sentence);
        ssh_fake_stop(&world->fake);
    }
}

/* Addresses at which there is no server, and keys that are none. */
static void test_each_way_not_to_begin_has_its_sentence(void **state)
{
    static const char encrypted[] =
        "-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA\n-----END ENCRYPTED PRIVATE KEY-----\n";
    static const struct ssh_fake_exec exec = { 0 };
    const struct {
        const char *why, *address, *key;
        int code;
        const char *sentence;
    } rows[] = {
        { "no such name", "nowhere.invalid", NULL, -EHOSTUNREACH,
          "the instance's name 'nowhere.invalid' is not resolved: " },
        { "refused", "127.0.0.2", NULL, -ECONNREFUSED,
          "connecting to 127.0.0.2 port PORT: Connection refused; is sshd running there, and is "
          "protocol_port right?" },
        { "a key with a passphrase", "127.0.0.1", encrypted, -EINVAL,
          "the private key has a passphrase; give one without" },
        { "no key", "127.0.0.1", "rubbish", -EINVAL,
          "the private key cannot be read; it must be an RSA, ECDSA or Ed25519 key in OpenSSH or "
          "PEM form without passphrase" },
    };
    struct world *world = *state;

    start(world, SSH_FAKE_SERVER, &exec);
    world->options.timeout_ms = 300;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        world->options.address = rows[i].address;
        if (rows[i].key)
            world->options.private_key = rows[i].key;
        assert_told(world, rows[i].why, open_connection(world), rows[i].code, rows[i].sentence);
    }
}

/* A listener whose queue is full answers nothing. */
static void test_an_address_without_an_answer_has_its_sentence(void **state)
{
    struct sockaddr_in address = { .sin_family = AF_INET,
                                   .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    autoclose int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    autoclose int first = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct world *world = *state;
    socklen_t len = sizeof(address);

    assert_int_equal(bind(listener, (struct sockaddr *) &address, len), 0);
    assert_int_equal(listen(listener, 0), 0);
    assert_int_equal(getsockname(listener, (struct sockaddr *) &address, &len), 0);
    assert_int_equal(connect(first, (struct sockaddr *) &address, len), 0);
    world->options.port = ntohs(address.sin_port);
    world->options.timeout_ms = 300;
    assert_told(world, "no answer", open_connection(world), -ETIMEDOUT,
                "connecting to 127.0.0.1 port PORT: no answer; a firewall may drop the packets, or "
                "the instance still boots");
}

/* Each part of a connect has a deadline of its own (N6); behind it another try begins. */
static void test_each_deadline_is_its_own(void **state)
{
    static const struct {
        const char *limit, *sentence;
        enum ssh_fake_kind kind;
    } rows[] = {
        { "ssh_banner", "SSH handshake with 127.0.0.1 port PORT: connected, but no SSH ",
          SSH_FAKE_NO_BANNER },
        { "ssh_handshake", "SSH handshake with 127.0.0.1 port PORT: the instance greets but ",
          SSH_FAKE_STALLS },
        { "ssh_auth", "SSH authentication as 'runner': the instance does not decide in time",
          SSH_FAKE_ENDLESS_QUESTIONS },
    };
    struct world *world = *state;

    world->options.password = "secret";
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        bool is_told_of_two = false;

        /* Twice within the whole time; what else a connection takes is longer on a slow machine. */
        for (int limit_ms = 100; !is_told_of_two && limit_ms <= SLACK_MS; limit_ms *= 4) {
            autofree char *limits = mem_printf("%s=%d", rows[i].limit, limit_ms);
            int r;

            assert_int_equal(setenv("FLOTILLA_LIMITS", limits, 1), 0);
            world->options.timeout_ms = 7 * limit_ms;
            start(world, rows[i].kind, NULL);
            r = open_connection(world);
            is_told_of_two = is_told(world, r, -ETIMEDOUT, rows[i].sentence) &&
                             ssh_fake_count(&world->fake, "connection") >= 2;
            ssh_fake_stop(&world->fake);
        }
        if (!is_told_of_two)
            fail_msg("%s: one connection took all the time: %s", rows[i].limit, world->err.message);
    }
    assert_int_equal(unsetenv("FLOTILLA_LIMITS"), 0);
}

static void test_each_way_to_lose_a_command_has_its_sentence(void **state)
{
    static const struct {
        const char *why;
        enum ssh_fake_kind kind;
        const char *sentence;
    } rows[] = {
        { "no channels", SSH_FAKE_NO_CHANNELS, "the instance refuses another channel (" },
        { "no commands", SSH_FAKE_NO_COMMANDS, "the instance refuses to run 'sh' (" },
        { "hangs up", SSH_FAKE_HANGS_UP,
          "running a command: the connection to the instance is lost" },
    };
    static const struct ssh_fake_exec exec = { 0 };
    struct world *world = *state;

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct remote_exit exit = { 0 };

        start(world, rows[i].kind, &exec);
        assert_int_equal(open_connection(world), 0);
        assert_told(world, rows[i].why, run(world, SLACK_MS, &exit), -EPIPE, rows[i].sentence);
        ssh_close(world->conn);
        world->conn = NULL;
        ssh_fake_stop(&world->fake);
    }
}

static void test_questions_without_an_end_can_be_stopped(void **state)
{
    struct world *world = *state;
    int64_t began = now_ms();

    world->options.password = "secret";
    world->stop_after_polls = 200;
    world->stop_with = -ECANCELED;
    start(world, SSH_FAKE_ENDLESS_QUESTIONS, NULL);
    assert_int_equal(open_connection(world), -ECANCELED);
    assert_true(now_ms() - began < world->options.timeout_ms);
    assert_true(ssh_fake_count(&world->fake, "question") > 10);
}

/* A guest agent, say, takes seconds to put it in place. */
static void test_a_login_that_was_made_just_now_is_given_time(void **state)
{
    static const struct ssh_fake_exec exec = { 0 };
    struct world *world = *state;
    const struct ssh_fake_options options = {
        .kind = SSH_FAKE_SERVER, .execs = &exec, .n_execs = 1, .late_keys = 4
    };

    for (int made = 0; made < 2; made++) {
        ssh_fake_start(&world->fake, world->dir, &options);
        world->options.port = world->fake.port;
        world->options.arrival_ms = made ? world->options.timeout_ms : 0;
        assert_int_equal(open_connection(world), made ? 0 : -EACCES);
        assert_int_equal(ssh_fake_count(&world->fake, "refused"), 4);
        ssh_fake_stop(&world->fake);
    }
}

static void test_an_empty_key_or_password_is_none(void **state)
{
    static const struct ssh_fake_exec exec = { 0 };
    struct world *world = *state;

    world->options.private_key = world->options.password = "";
    start(world, SSH_FAKE_SERVER, &exec);
    assert_int_equal(open_connection(world), -EACCES);
    assert_string_equal(world->err.message, "SSH authentication as 'runner' was refused with "
                                            "neither key nor password configured");
    assert_int_equal(ssh_fake_count(&world->fake, "question"), 0);
}

/* A refusal is not tried again, and what stopped the question keeps its code. */
static void test_a_host_key_that_is_not_accepted_gets_nothing(void **state)
{
    static const int codes[] = { -EKEYREJECTED, -ECANCELED, -EINTR, -ENETRESET };
    static const struct ssh_fake_exec exec = { 0 };
    struct world *world = *state;

    start(world, SSH_FAKE_SERVER, &exec);
    for (size_t i = 0; i < ARRAY_LEN(codes); i++) {
        int64_t began = now_ms();

        world->verdict = codes[i];
        assert_int_equal(open_connection(world), codes[i]);
        assert_string_equal(world->err.message, "the verdict's sentence");
        assert_in_range(world->verdict_deadline_ms - world->options.timeout_ms, began,
                        began + SLACK_MS);
    }
    assert_int_equal(ssh_fake_count(&world->fake, "login"), 0);
}

/* What the descriptor was at the start of a command may be closed, or somebody else's, later. */
static void test_a_control_descriptor_that_went_away_is_not_watched(void **state)
{
    static const struct ssh_fake_exec exec = { .wait_ms = -1 };
    struct world *world = *state;
    autoclose int ended = open("/dev/null", O_RDONLY | O_CLOEXEC); /* poll() returns at once */
    struct remote_exit exit = { 0 };

    start(world, SSH_FAKE_SERVER, &exec);
    assert_int_equal(open_connection(world), 0);
    world->polls = 0;
    world->control_fds[0] = ended;
    assert_int_equal(run(world, 1000, &exit), -ETIMEDOUT);
    assert_in_range(world->polls, 4, 50);
}

#ifndef WITH_LIBSSH2 /* whose keepalives the fake's library answers itself; test_ssh_servers.c asks a real server */

/* Neither the length of the waits nor their number decides how many are sent. */
static void test_keepalives_keep_a_silent_command(void **state)
{
    static const struct ssh_fake_exec exec = { .wait_ms = -1 };
    struct world *world = *state;
    autoclose int ended = open("/dev/null", O_RDONLY | O_CLOEXEC); /* waits of no length */
    struct remote_exit exit = { 0 };

    world->options.keepalive_ms = 50;
    start(world, SSH_FAKE_SERVER, &exec);
    assert_int_equal(open_connection(world), 0);
    world->control_fds[0] = world->control_fds[1] = ended;
    assert_int_equal(run(world, 1000, &exit), -ETIMEDOUT);
    assert_in_range(ssh_fake_count(&world->fake, "keepalive"), 3, 20);
}

static void test_a_connection_without_answers_is_lost_after_three_keepalives(void **state)
{
    static const struct ssh_fake_exec exec = { .wait_ms = -1 };
    static const int64_t every_ms[] = { 60, 400 }; /* shorter and longer than a wait */
    const struct ssh_fake_options options = { .execs = &exec,
                                              .n_execs = 1,
                                              .no_keepalive_answer = true };
    struct world *world = *state;

    ssh_fake_start(&world->fake, world->dir, &options);
    world->options.port = world->fake.port;
    for (size_t i = 0; i < ARRAY_LEN(every_ms); i++) {
        struct remote_exit exit = { 0 };
        int64_t began = now_ms();

        world->options.keepalive_ms = every_ms[i];
        assert_int_equal(open_connection(world), 0);
        assert_int_equal(run(world, 4 * every_ms[i] + SLACK_MS, &exit), -EPIPE);
        assert_true(str_starts(world->err.message, "the connection to the instance is lost: no"));
        assert_true(now_ms() - began >= 4 * every_ms[i]);
        ssh_close(world->conn);
        world->conn = NULL;
    }
    assert_int_equal(ssh_fake_count(&world->fake, "keepalive"), ARRAY_LEN(every_ms));
}

/* Between two attempts at a stage, minutes may pass. */
static void test_an_idle_connection_is_kept_and_can_be_stopped(void **state)
{
    static const struct ssh_fake_exec exec = { .n_statuses = 1 };
    struct world *world = *state;
    autoclose int ended = open("/dev/null", O_RDONLY | O_CLOEXEC); /* waits of no length */
    struct remote_exit exit = { 0 };

    world->options.keepalive_ms = 50;
    start(world, SSH_FAKE_SERVER, &exec);
    assert_int_equal(open_connection(world), 0);
    world->control_fds[0] = world->control_fds[1] = ended;
    assert_int_equal(ssh_idle(world->conn, now_ms() + 500, &world->err), 0);
    assert_in_range(ssh_fake_count(&world->fake, "keepalive"), 3, 20);
    assert_int_equal(run(world, SLACK_MS, &exit), 0);
    world->stop_with = -ECANCELED;
    assert_int_equal(ssh_idle(world->conn, now_ms() + SLACK_MS, &world->err), -ECANCELED);
}

static void test_an_idle_connection_without_answers_is_lost(void **state)
{
    const struct ssh_fake_options options = { .no_keepalive_answer = true };
    struct world *world = *state;

    world->options.keepalive_ms = 50;
    ssh_fake_start(&world->fake, world->dir, &options);
    world->options.port = world->fake.port;
    assert_int_equal(open_connection(world), 0);
    assert_int_equal(ssh_idle(world->conn, now_ms() + SLACK_MS, &world->err), -EPIPE);
}

#endif

static void test_nobody_listening_is_tried_until_the_deadline(void **state)
{
    static const struct ssh_fake_exec exec = { 0 };
    struct world *world = *state;
    int64_t began = now_ms();

    start(world, SSH_FAKE_SERVER, &exec);
    ssh_fake_stop(&world->fake);
    world->options.timeout_ms = 500;
    assert_int_equal(open_connection(world), -ECONNREFUSED);
    assert_in_range(now_ms() - began, 500, 500 + SLACK_MS);
}

#define ROW(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        ROW(test_a_command_gets_its_input_and_gives_output_and_status),
        ROW(test_hardening_36_of_two_statuses_the_first_counts),
        ROW(test_a_status_that_is_not_0_is_no_success),
        ROW(test_both_outputs_come_in_their_order),
        ROW(test_hardening_36_no_status_is_never_a_success),
        ROW(test_hardening_36_data_after_the_end_changes_nothing),
        ROW(test_hardening_36_each_way_not_to_connect_has_its_sentence),
        ROW(test_each_way_not_to_begin_has_its_sentence),
        ROW(test_an_address_without_an_answer_has_its_sentence),
        ROW(test_each_deadline_is_its_own),
        ROW(test_each_way_to_lose_a_command_has_its_sentence),
        ROW(test_questions_without_an_end_can_be_stopped),
        ROW(test_a_login_that_was_made_just_now_is_given_time),
        ROW(test_an_empty_key_or_password_is_none),
        ROW(test_a_host_key_that_is_not_accepted_gets_nothing),
        ROW(test_a_control_descriptor_that_went_away_is_not_watched),
        ROW(test_nobody_listening_is_tried_until_the_deadline),
#ifndef WITH_LIBSSH2
        ROW(test_keepalives_keep_a_silent_command),
        ROW(test_a_connection_without_answers_is_lost_after_three_keepalives),
        ROW(test_an_idle_connection_is_kept_and_can_be_stopped),
        ROW(test_an_idle_connection_without_answers_is_lost),
#endif
    };

    ssh_library_warm_up();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
