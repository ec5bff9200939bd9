/* tests/fakes/ssh_fake.c - a scripted SSH server on libssh (ssh_fake.h). */
#include "tests/fakes/ssh_fake.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <libssh/callbacks.h>
#include <libssh/libssh.h>
#include <libssh/server.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core/base/fs.h"
#include "core/base/mem.h"
#include "tests/harness/harness.h"

#define LOG_NAME "ssh_fake.log"

struct serving {
    const struct ssh_fake_options *options;
    ssh_key host_key;
    int log_fd, fd;      /* of the connection that is served */
    ssh_channel channel; /* the one that was opened last */
    size_t n_execs;
    size_t n_refused; /* logins, of all connections */
};

static void note(const struct serving *serving, const char *what, const char *text)
{
    autofree char *line = mem_printf("%s%s\n", what, text);

    if (!line || fs_write_all(serving->log_fd, line, strlen(line)) < 0)
        _exit(1);
}

static void read_input(struct serving *serving)
{
    char data[4096];
    int n;

    while ((n = ssh_channel_read(serving->channel, data, sizeof(data), 0)) > 0)
        if (fs_write_all(serving->log_fd, data, (size_t) n) < 0)
            _exit(1);
    note(serving, "", "");
}

static void run(struct serving *serving, const char *command)
{
    const struct ssh_fake_options *options = serving->options;
    size_t at = serving->n_execs < options->n_execs ? serving->n_execs : options->n_execs - 1;
    const struct ssh_fake_exec *exec = &options->execs[at];

    serving->n_execs++;
    note(serving, "exec ", command);
    if (options->kind == SSH_FAKE_HANGS_UP) {
        (void) shutdown(serving->fd, SHUT_RDWR);
        return;
    }
    read_input(serving);
    if (exec->output)
        (void) ssh_channel_write(serving->channel, exec->output, (uint32_t) strlen(exec->output));
    for (const char *turn = exec->turns; turn && *turn; turn++)
        (void) (*turn < 'a' ? ssh_channel_write_stderr : ssh_channel_write)(serving->channel, turn,
                                                                            1);
    if (exec->wait_ms < 0)
        return;
    (void) poll(NULL, 0, (int) exec->wait_ms);
    for (size_t i = 0; i < exec->n_statuses; i++)
        (void) ssh_channel_request_send_exit_status(serving->channel, exec->statuses[i]);
    (void) ssh_channel_send_eof(serving->channel);
    if (exec->after_eof)
        (void) ssh_channel_write(serving->channel, exec->after_eof,
                                 (uint32_t) strlen(exec->after_eof));
    (void) ssh_channel_close(serving->channel);
}

/* The client signs at once, so there is no first question whether a key would do. */
static void answer_login(struct serving *serving, ssh_message message)
{
    const char *question = "And now? ";
    char echo = 0;

    switch (ssh_message_subtype(message)) {
    case SSH_AUTH_METHOD_PUBLICKEY:
        if (serving->options->kind == SSH_FAKE_ENDLESS_QUESTIONS ||
            serving->options->kind == SSH_FAKE_NO_KEYS)
            break;
        if (serving->n_refused < serving->options->late_keys) {
            serving->n_refused++;
            note(serving, "refused", "");
            break;
        }
        note(serving, "login", "");
        (void) ssh_message_auth_reply_success(message, 0);
        return;
    case SSH_AUTH_METHOD_INTERACTIVE:
        if (serving->options->kind == SSH_FAKE_NO_KEYS)
            break;
        note(serving, "question", "");
        (void) ssh_message_auth_interactive_request(message, "", "", 1, &question, &echo);
        return;
    default:
        break;
    }
    (void) ssh_message_auth_set_methods(message, serving->options->kind == SSH_FAKE_NO_KEYS
                                                     ? SSH_AUTH_METHOD_PASSWORD
                                                     : SSH_AUTH_METHOD_PUBLICKEY |
                                                           SSH_AUTH_METHOD_INTERACTIVE);
    (void) ssh_message_reply_default(message);
}

static void answer(struct serving *serving, ssh_message message)
{
    switch (ssh_message_type(message)) {
    case SSH_REQUEST_AUTH:
        answer_login(serving, message);
        break;
    case SSH_REQUEST_CHANNEL_OPEN:
        if (serving->options->kind == SSH_FAKE_NO_CHANNELS) {
            (void) ssh_message_reply_default(message);
            break;
        }
        serving->channel = ssh_message_channel_request_open_reply_accept(message);
        break;
    case SSH_REQUEST_CHANNEL:
        if (serving->options->kind == SSH_FAKE_NO_COMMANDS) {
            (void) ssh_message_reply_default(message);
            break;
        }
        (void) ssh_message_channel_request_reply_success(message);
        run(serving, ssh_message_channel_request_command(message));
        break;
    default:
        (void) ssh_message_reply_default(message);
        break;
    }
}

static void on_global_request(ssh_session session, ssh_message message, void *arg)
{
    struct serving *serving = arg;

    note(serving, "keepalive", "");
    if (!serving->options->no_keepalive_answer)
        (void) ssh_message_global_request_reply_success(message, 0);
}

static void serve(struct serving *serving, int fd)
{
    ssh_bind bind = ssh_bind_new();
    ssh_session session = ssh_new();
    struct ssh_callbacks_struct callbacks = { .userdata = serving,
                                              .global_request_function = on_global_request };
    ssh_message message;

    serving->n_execs = 0;
    serving->fd = fd;
    if (serving->options->kind == SSH_FAKE_OLD) {
        (void) ssh_bind_options_set(bind, SSH_BIND_OPTIONS_CIPHERS_C_S, "aes128-cbc");
        (void) ssh_bind_options_set(bind, SSH_BIND_OPTIONS_CIPHERS_S_C, "aes128-cbc");
    }
    ssh_callbacks_init(&callbacks);
    (void) ssh_set_callbacks(session, &callbacks);
    if (ssh_bind_options_set(bind, SSH_BIND_OPTIONS_IMPORT_KEY, ssh_key_dup(serving->host_key)) ==
            SSH_OK &&
        ssh_bind_accept_fd(bind, session, fd) == SSH_OK &&
        ssh_handle_key_exchange(session) == SSH_OK)
        while ((message = ssh_message_get(session))) {
            answer(serving, message);
            ssh_message_free(message);
        }
    ssh_disconnect(session);
    ssh_free(session);
    ssh_bind_free(bind);
}

/* Until the other side has given up. */
static void wait_for_end(int fd)
{
    char data[256];

    while (recv(fd, data, sizeof(data), 0) > 0)
        continue;
}

static void send_text(int fd, const char *text)
{
    (void) send(fd, text, strlen(text), MSG_NOSIGNAL);
}

static void send_endless_banner(int fd)
{
    static const char bytes[65536] = { 'S', 'S', 'H', '-' };

    while (send(fd, bytes, sizeof(bytes), MSG_NOSIGNAL) > 0)
        continue;
}

/* Ends the connection, or leaves it open for serve(). */
static bool greet_badly(const struct serving *serving, int fd)
{
    switch (serving->options->kind) {
    case SSH_FAKE_ENDLESS_BANNER:
        send_endless_banner(fd);
        break;
    case SSH_FAKE_SLOW_BANNER:
        send_text(fd, "S");
        wait_for_end(fd);
        break;
    case SSH_FAKE_NO_BANNER:
        wait_for_end(fd);
        break;
    case SSH_FAKE_STALLS:
        send_text(fd, "SSH-2.0-stalls\r\n");
        wait_for_end(fd);
        break;
    case SSH_FAKE_RUBBISH:
        send_text(fd, "HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n");
        break;
    case SSH_FAKE_CLOSES:
        break;
    default:
        return false;
    }
    (void) close(fd);
    return true;
}

static void accept_connections(struct serving *serving, int listener)
{
    for (;;) {
        int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);

        if (fd < 0)
            _exit(1);
        note(serving, "connection", "");
        if (!greet_badly(serving, fd))
            serve(serving, fd); /* closes it */
    }
}

static char *public_part(ssh_key key)
{
    char *text = NULL, *copy;

    assert_int_equal(ssh_pki_export_pubkey_base64(key, &text), SSH_OK);
    copy = mem_strdup(text);
    ssh_string_free_char(text);
    return copy;
}

void ssh_fake_start(struct ssh_fake *fake, const char *dir, const struct ssh_fake_options *options)
{
    autofree char *log_path = harness_path(dir, LOG_NAME);
    struct serving serving = { .options = options };
    int listener = harness_listen(&fake->port);

    assert_int_equal(ssh_pki_generate(SSH_KEYTYPE_ED25519, 0, &serving.host_key), SSH_OK);
    fake->host_key = public_part(serving.host_key);
    fake->dir = dir;
    serving.log_fd = open(log_path, O_WRONLY | O_CREAT | O_TRUNC | O_APPEND | O_CLOEXEC, 0600);
    assert_true(serving.log_fd >= 0);
    fake->pid = fork();
    assert_true(fake->pid >= 0);
    if (fake->pid == 0) {
        (void) prctl(PR_SET_PDEATHSIG, SIGKILL);
        (void) signal(SIGPIPE, SIG_IGN);
        accept_connections(&serving, listener);
    }
    ssh_key_free(serving.host_key);
    (void) close(serving.log_fd);
    (void) close(listener);
}

void ssh_fake_stop(struct ssh_fake *fake)
{
    if (fake->pid > 0) {
        (void) kill(fake->pid, SIGKILL);
        (void) waitpid(fake->pid, NULL, 0);
    }
    free(fake->host_key);
    *fake = (struct ssh_fake) { 0 };
}

char *ssh_fake_user_key(void)
{
    ssh_key key = NULL;
    char *text = NULL, *copy;

    assert_int_equal(ssh_pki_generate(SSH_KEYTYPE_ED25519, 0, &key), SSH_OK);
    assert_int_equal(ssh_pki_export_privkey_base64(key, NULL, NULL, NULL, &text), SSH_OK);
    copy = mem_strdup(text);
    ssh_string_free_char(text);
    ssh_key_free(key);
    return copy;
}

size_t ssh_fake_count(const struct ssh_fake *fake, const char *text)
{
    autofree char *log = harness_read(fake->dir, LOG_NAME);
    size_t n = 0;

    for (const char *at = log; at && (at = strstr(at, text)); at += strlen(text))
        n++;
    return n;
}
