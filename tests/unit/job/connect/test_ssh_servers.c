/* tests/unit/job/connect/test_ssh_servers.c - core/job/connect/ssh.h on real servers: keys, passwords, algorithms, exit
 * codes, and a server that freezes (hardening.md N3, N4, N6, N7).
 *
 * What libssh2 before 1.11 cannot do is a row that expects its sentence. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/base/clock.h"
#include "core/base/str.h"
#include "tests/harness/harness.h"
#include "tests/unit/job/connect/ssh_world.h"

#ifdef WITH_LIBSSH2
#define OLD_LIBSSH2 true /* as Debian 12 ships it */
#else
#define OLD_LIBSSH2 false
#endif

/* libssh2 1.10 loses memory with each ECDSA key in OpenSSH form, which the leak check would tell. */
static bool leaks(const char *why)
{
#ifdef FLOTILLA_SANITIZED
    return OLD_LIBSSH2 && str_starts(why, "ECDSA") && strstr(why, "OpenSSH");
#else
    (void) why;
    return false;
#endif
}

static void make(const char *dir, const char *script)
{
    const char *const argv[] = { "sh", "-c", script, "sh", dir, NULL };

    ssh_server_run(argv);
}

/* Keys as people have them, each in a file K with K.pub beside it. */
static const struct {
    const char *why, *script;
    bool rsa;
} keys[] = {
    { "Ed25519, OpenSSH", "ssh-keygen -q -t ed25519 -N '' -f $1/k", false },
    { "Ed25519, PKCS#8",
      "openssl genpkey -algorithm ed25519 -out $1/k && { printf 'ssh-ed25519 ' && { printf "
      "'\\000\\000\\000\\013ssh-ed25519\\000\\000\\000 ' && openssl pkey -in $1/k -pubout -outform "
      "DER | tail -c 32; } | base64 -w 0; echo; } >$1/k.pub",
      false },
    { "ECDSA 256, OpenSSH", "ssh-keygen -q -t ecdsa -b 256 -N '' -f $1/k", false },
    { "ECDSA 384, OpenSSH", "ssh-keygen -q -t ecdsa -b 384 -N '' -f $1/k", false },
    { "ECDSA 521, OpenSSH", "ssh-keygen -q -t ecdsa -b 521 -N '' -f $1/k", false },
    { "ECDSA 256, PEM with parameters",
      "openssl ecparam -name prime256v1 -genkey -out $1/k && chmod 600 $1/k && ssh-keygen -y -f "
      "$1/k >$1/k.pub",
      false },
    { "ECDSA 384, PEM", "ssh-keygen -q -t ecdsa -b 384 -m PEM -N '' -f $1/k", false },
    { "ECDSA 521, PKCS#8", "ssh-keygen -q -t ecdsa -b 521 -m PKCS8 -N '' -f $1/k", false },
    { "RSA, OpenSSH", "ssh-keygen -q -t rsa -b 2048 -N '' -f $1/k && cp $1/k $1/rsa", true },
    { "RSA, PEM", "cp $1/rsa $1/k && ssh-keygen -q -p -m PEM -P '' -N '' -f $1/k", true },
    { "RSA, PKCS#8", "cp $1/rsa $1/k && ssh-keygen -q -p -m PKCS8 -P '' -N '' -f $1/k", true },
};

static void try_keys(struct ssh_world *world, enum ssh_server_kind kind)
{
    ssh_world_start(world, kind, NULL);
    for (size_t i = 0; i < ARRAY_LEN(keys); i++) {
        bool refused = OLD_LIBSSH2 && keys[i].rsa && kind != SSH_SERVER_OPENSSH;
        autofree char *key = NULL;
        int r;

        if (kind != SSH_SERVER_OPENSSH && !strstr(keys[i].why, "OpenSSH"))
            continue; /* the form is nothing to a server */
        if (leaks(keys[i].why))
            continue;
        make(world->dir, "rm -f $1/k");
        make(world->dir, keys[i].script);
        ssh_server_let_in(world->dir, "k");
        key = harness_read(world->dir, "k");
        world->options.private_key = key;
        r = ssh_open(&world->options, &world->conn, &world->err);
        if (refused ? r != -EACCES : r != 0)
            fail_msg("%s, %s: %d, %s", ssh_server_names[kind], keys[i].why, r, world->err.message);
        if (refused)
            assert_true(
                str_starts(world->err.message,
                           "libssh2 before 1.11 uses RSA keys with OpenSSH alone; an "
                           "Ed25519 or ECDSA key works here: SSH authentication as 'runner' "
                           "was refused"));
        ssh_close(world->conn);
        world->conn = NULL;
    }
    ssh_world_stop(world);
}

static void test_every_kind_of_key_logs_in(void **state)
{
    for (enum ssh_server_kind kind = 0; kind < SSH_SERVERS; kind++)
        try_keys(*state, kind);
}

/* Nobody listens, so what is said is said before any connection. */
static void test_a_passphrase_is_refused_before_any_connection(void **state)
{
    static const struct {
        const char *script, *sentence;
    } rows[] = {
        { "ssh-keygen -q -t ed25519 -N secret -f $1/k",
          "the private key has a passphrase; give one without" },
        { "ssh-keygen -q -t ecdsa -m PEM -N secret -f $1/k",
          "the private key has a passphrase; give one without" },
        { "ssh-keygen -q -t ecdsa -m PKCS8 -N secret -f $1/k",
          "the private key has a passphrase; give one without" },
        { "openssl ecparam -name prime256v1 -out $1/k", "the private key cannot be read; it must" },
        { "ssh-keygen -q -t ed25519 -N '' -f $1/x && cp $1/x.pub $1/k",
          "the private key cannot be read; it must" },
        { "sed s/ssh-ed25519/ssh-ed25518/ $1/x | sed 2d >$1/k",
          "the private key cannot be read; it must" },
    };
    struct ssh_world *world = *state;

    world->dir = harness_temp_dir();
    world->options = (struct remote_options) {
        .address = "127.0.0.1", .port = 1, .username = "runner", .timeout_ms = 20000
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        autofree char *key = NULL;

        make(world->dir, "rm -f $1/k");
        make(world->dir, rows[i].script);
        key = harness_read(world->dir, "k");
        world->options.private_key = key;
        assert_int_equal(ssh_open(&world->options, &world->conn, &world->err), -EINVAL);
        if (!str_starts(world->err.message, rows[i].sentence))
            fail_msg("%s: %s", rows[i].script, world->err.message);
    }
}

static void log_in_with_password(struct ssh_world *world, enum ssh_server_kind kind,
                                 const char *settings)
{
    ssh_world_start(world, kind, settings);
    world->options.private_key = NULL;
    world->options.password = SSH_SERVER_PASSWORD;
    ssh_world_connect(world);
    assert_int_equal(ssh_world_run(world, "exit 6", 0, 0), 6);
    ssh_world_stop(world);
}

static void test_a_password_logs_in(void **state)
{
    log_in_with_password(*state, SSH_SERVER_OPENSSH, "PasswordAuthentication yes\n");
    log_in_with_password(*state, SSH_SERVER_DROPBEAR, NULL);
}

/* sshd asks by keyboard-interactive, and PAM decides. */
static void test_a_question_is_answered_with_the_password(void **state)
{
    log_in_with_password(*state, SSH_SERVER_OPENSSH,
                         "UsePAM yes\nKbdInteractiveAuthentication yes\n");
}

/* The key is not let in, so it is the password that is taken. */
static void test_a_password_follows_a_key_that_is_refused(void **state)
{
    struct ssh_world *world = *state;
    autofree char *key = NULL;

    ssh_world_start(world, SSH_SERVER_OPENSSH, "PasswordAuthentication yes\n");
    make(world->dir, "ssh-keygen -q -t ed25519 -N '' -f $1/k");
    key = harness_read(world->dir, "k");
    world->options.private_key = key;
    world->options.password = SSH_SERVER_PASSWORD;
    ssh_world_connect(world);
}

/* Each list of N3: what is on it is negotiated when the server has nothing else, what is not is refused. */
static void test_only_the_algorithms_on_our_lists_are_used(void **state)
{
    enum { YES, NO, NOT_BY_OLD_LIBSSH2 };
    static const struct {
        const char *setting;
        int allowed;
    } rows[] = {
        { "KexAlgorithms curve25519-sha256\n", YES },
        { "KexAlgorithms ecdh-sha2-nistp256\n", YES },
        { "KexAlgorithms ecdh-sha2-nistp384\n", YES },
        { "KexAlgorithms ecdh-sha2-nistp521\n", YES },
        { "KexAlgorithms diffie-hellman-group14-sha256\n", YES },
        { "KexAlgorithms diffie-hellman-group16-sha512\n", YES },
        { "KexAlgorithms diffie-hellman-group18-sha512\n", YES },
        { "KexAlgorithms diffie-hellman-group-exchange-sha256\n", YES },
        { "KexAlgorithms diffie-hellman-group14-sha1\n", NO },
        { "KexAlgorithms diffie-hellman-group-exchange-sha1\n", NO },
        { "KexAlgorithms diffie-hellman-group1-sha1\n", NO },
        { "Ciphers aes128-ctr\n", YES },
        { "Ciphers aes192-ctr\n", YES },
        { "Ciphers aes256-ctr\n", YES },
        { "Ciphers aes128-gcm@openssh.com\n", NOT_BY_OLD_LIBSSH2 },
        { "Ciphers aes256-gcm@openssh.com\n", NOT_BY_OLD_LIBSSH2 },
        { "Ciphers chacha20-poly1305@openssh.com\n", NOT_BY_OLD_LIBSSH2 },
        { "Ciphers aes256-cbc\n", NO },
        { "Ciphers 3des-cbc\n", NO },
        { "Ciphers aes128-ctr\nMACs hmac-sha2-256\n", YES },
        { "Ciphers aes128-ctr\nMACs hmac-sha2-512\n", YES },
        { "Ciphers aes128-ctr\nMACs hmac-sha2-256-etm@openssh.com\n", NOT_BY_OLD_LIBSSH2 },
        { "Ciphers aes128-ctr\nMACs hmac-sha2-512-etm@openssh.com\n", NOT_BY_OLD_LIBSSH2 },
        { "Ciphers aes128-ctr\nMACs hmac-sha1\n", NO },
        { "Ciphers aes128-ctr\nMACs hmac-md5\n", NO },
        { "HostKeyAlgorithms ssh-ed25519\n", YES },
        { "HostKey DIR/ecdsa\nHostKeyAlgorithms ecdsa-sha2-nistp256\n", YES },
        { "HostKey DIR/rsa\nHostKeyAlgorithms rsa-sha2-512\n", NOT_BY_OLD_LIBSSH2 },
        { "HostKey DIR/rsa\nHostKeyAlgorithms rsa-sha2-256\n", NOT_BY_OLD_LIBSSH2 },
        { "HostKey DIR/rsa\nHostKeyAlgorithms ssh-rsa\n", NO },
    };
    struct ssh_world *world = *state;

    ssh_world_start(world, SSH_SERVER_OPENSSH, NULL);
    world->options.timeout_ms = 120000; /* numbers of 8,192 bits take long under valgrind */
    make(world->dir, "ssh-keygen -q -t ecdsa -b 256 -N '' -f $1/ecdsa && ssh-keygen -q -t rsa -b "
                     "2048 -N '' -f $1/rsa");
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        const char *place = strstr(rows[i].setting, "DIR");
        autofree char *text =
            place ? mem_printf("HostKey %s%s", world->dir, place + 3) : mem_strdup(rows[i].setting);
        bool allowed =
            rows[i].allowed == YES || (rows[i].allowed == NOT_BY_OLD_LIBSSH2 && !OLD_LIBSSH2);
        int r;

        ssh_server_configure(world->dir, text);
        r = ssh_open(&world->options, &world->conn, &world->err);
        if (allowed ? r != 0 : r != -EPROTONOSUPPORT)
            fail_msg("%s: %d, %s", rows[i].setting, r, world->err.message);
        if (!allowed)
            assert_non_null(strstr(world->err.message, OLD_LIBSSH2
                                                           ? "no common algorithms; update its sshd"
                                                           : "no common "));
        ssh_close(world->conn);
        world->conn = NULL;
    }
}

static void ends(struct ssh_world *world)
{
    static const struct {
        const char *command;
        int status;
    } rows[] = {
        { "true", 0 },
        { "exit 1", 1 },
        { "exit 255", 255 },
        { "kill -TERM $$", 128 + SIGTERM },
        { "kill -KILL $$", 128 + SIGKILL },
        { "kill -SEGV $$", 128 + SIGSEGV },
        { "no-such-command", 127 },
    };

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        int r = ssh_world_run(world, rows[i].command, 0, 0);

        if (r != rows[i].status)
            fail_msg("%s, %s: %d, %s", ssh_server_names[world->kind], rows[i].command, r,
                     world->err.message);
    }
}

static void test_a_command_ends_as_the_server_tells(void **state)
{
    ssh_world_each(*state, ends);
}

static size_t count_keepalives(const struct ssh_world *world)
{
    autofree char *log = harness_read(world->dir, SSH_SERVER_LOG);
    size_t n = 0;

    for (const char *at = log; (at = strstr(at, "rtype keepalive@")); at++)
        n++;
    return n;
}

static int stop_after_three(struct ssh_world *world)
{
    return count_keepalives(world) < 3 ? 0 : -ECANCELED;
}

static void test_a_silent_command_is_asked_whether_it_lives(void **state)
{
    struct ssh_world *world = *state;

    ssh_world_start(world, SSH_SERVER_OPENSSH, "LogLevel DEBUG1\n");
    world->options.keepalive_ms = 50;
    ssh_world_connect(world);
    world->act = stop_after_three;
    assert_int_equal(ssh_world_run(world, "sleep 1000", 0, 0), -ECANCELED);
}

/* Once it has been asked whether it lives. */
static int freeze(struct ssh_world *world)
{
    if (count_keepalives(world) > 0 && world->frozen == 0) {
        world->frozen = world->server_process;
        assert_int_equal(kill(world->frozen, SIGSTOP), 0);
    }
    return 0;
}

static void test_a_server_that_freezes_is_lost(void **state)
{
    struct ssh_world *world = *state;
    int64_t began;

    ssh_world_start(world, SSH_SERVER_OPENSSH, "LogLevel DEBUG1\n");
    world->options.keepalive_ms = 100;
    ssh_world_connect(world);
    world->server_process = ssh_world_server(world);
    world->act = freeze;
    began = clock_mono_ms(&clock_system);
    assert_int_equal(ssh_idle(world->conn, began + 60000, &world->err), -EPIPE);
    assert_true(
        str_starts(world->err.message, "the connection to the instance is lost: no answer"));
    assert_true(clock_mono_ms(&clock_system) - began >= 400);
    assert_int_equal(kill(world->frozen, SIGKILL), 0);
}

static void test_an_idle_connection_serves_the_next_command(void **state)
{
    struct ssh_world *world = *state;
    size_t asked;

    ssh_world_start(world, SSH_SERVER_OPENSSH, "LogLevel DEBUG1\n");
    world->options.keepalive_ms = 50;
    ssh_world_connect(world);
    assert_int_equal(ssh_idle(world->conn, clock_mono_ms(&clock_system) + 400, &world->err), 0);
    asked = count_keepalives(world);
    assert_in_range(asked, 1, 8);
    assert_int_equal(ssh_world_run(world, "exit 3", 0, 0), 3);
    assert_int_equal(ssh_idle(world->conn, clock_mono_ms(&clock_system) + 10, &world->err), 0);
    assert_int_equal(ssh_world_run(world, "exit 4", 0, 0), 4);
}

static void test_a_connection_is_proved_by_an_answer_alone(void **state)
{
    static const enum ssh_server_kind kinds[] = { SSH_SERVER_OPENSSH, SSH_SERVER_DROPBEAR };
    struct ssh_world *world = *state;
    pid_t server;

    for (size_t i = 0; i < ARRAY_LEN(kinds); i++) {
        ssh_world_start(world, kinds[i], NULL);
        ssh_world_connect(world);
        for (int n = 0; n < 3; n++) {
            assert_int_equal(ssh_prove(world->conn, &world->err), 0);
            assert_int_equal(ssh_world_run(world, "exit 3", 0, 0), 3);
        }
        server = ssh_world_server(world);
        assert_int_equal(kill(server, SIGSTOP), 0);
        assert_int_equal(setenv("FLOTILLA_LIMITS", "ssh_channel=200", 1), 0);
        assert_int_equal(ssh_prove(world->conn, &world->err), -EPIPE);
        assert_int_equal(unsetenv("FLOTILLA_LIMITS"), 0);
        assert_int_equal(kill(server, SIGKILL), 0);
        assert_int_equal(ssh_prove(world->conn, &world->err), -EPIPE);
        ssh_world_stop(world);
    }
}

#define ROW(test) cmocka_unit_test_setup_teardown(test, ssh_world_set_up, ssh_world_tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        ROW(test_every_kind_of_key_logs_in),
        ROW(test_a_passphrase_is_refused_before_any_connection),
        ROW(test_a_password_logs_in),
        ROW(test_a_question_is_answered_with_the_password),
        ROW(test_a_password_follows_a_key_that_is_refused),
        ROW(test_only_the_algorithms_on_our_lists_are_used),
        ROW(test_a_command_ends_as_the_server_tells),
        ROW(test_a_silent_command_is_asked_whether_it_lives),
        ROW(test_a_server_that_freezes_is_lost),
        ROW(test_an_idle_connection_serves_the_next_command),
        ROW(test_a_connection_is_proved_by_an_answer_alone),
    };

    (void) signal(SIGPIPE, SIG_IGN);
    ssh_library_warm_up();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
