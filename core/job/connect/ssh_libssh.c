/* core/job/connect/ssh_libssh.c - ssh.h on libssh 0.10: connecting; ssh_libssh_auth.c logs in,
 * ssh_libssh_exec.c runs commands.
 *
 * The library is driven without blocking: every wait is our own poll over the connection and the
 * worker's control descriptor, with our own deadline (hardening.md N6). We open channels; the
 * server may not (N5). */
#include "core/job/connect/ssh_libssh.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include "core/base/mem.h"
#include "core/base/str.h"
#include "core/job/connect/ssh_algorithms.h"
#include "core/job/connect/ssh_backend.h"
#include "core/job/connect/ssh_failure.h"
#include "core/job/connect/ssh_rehearsal.h"

#define REHEARSAL_MS 5000

int wait_session(struct ssh_conn *conn, const struct pollfd *others, size_t n, int64_t deadline)
{
    struct pollfd fds[REMOTE_WAIT_FDS] = { { .fd = conn->fd, .events = POLLIN } };
    int one = 1;

    if (ssh_get_poll_flags(conn->session) & SSH_WRITE_PENDING)
        fds[0].events |= POLLOUT;
    for (size_t i = 0; i < n; i++)
        fds[i + 1] = others[i];
    /* sshd leaves Nagle's algorithm on for commands, so its next small packet waits for our acknowledgement, which
     * the kernel would delay by 40 ms. It forgets the wish, so it is told again. */
    (void) setsockopt(conn->fd, IPPROTO_TCP, TCP_QUICKACK, &one, sizeof(one));
    return remote_wait(&conn->watch, fds, n + 1, deadline);
}

/* Session. */

static int set_options(struct ssh_conn *conn, const struct remote_options *options,
                       struct error *err)
{
    const struct {
        enum ssh_options_e option;
        const void *value;
    } settings[] = {
        { SSH_OPTIONS_HOST, options->address },
        { SSH_OPTIONS_USER, options->username },
        { SSH_OPTIONS_FD, &conn->fd },
        { SSH_OPTIONS_PROCESS_CONFIG, &(bool) { false } },
        /* What the operator's own ssh knows is nothing to us; the sandbox lets none of it be read. */
        { SSH_OPTIONS_SSH_DIR, "/" },
        { SSH_OPTIONS_KNOWNHOSTS, "/dev/null" },
        { SSH_OPTIONS_GLOBAL_KNOWNHOSTS, "/dev/null" },
        { SSH_OPTIONS_KEY_EXCHANGE, SSH_KEX },
        { SSH_OPTIONS_CIPHERS_C_S, SSH_CIPHERS },
        { SSH_OPTIONS_CIPHERS_S_C, SSH_CIPHERS },
        { SSH_OPTIONS_HMAC_C_S, SSH_MACS },
        { SSH_OPTIONS_HMAC_S_C, SSH_MACS },
        { SSH_OPTIONS_HOSTKEYS, SSH_HOST_KEYS },
        { SSH_OPTIONS_PUBLICKEY_ACCEPTED_TYPES, SSH_USER_KEYS },
        { SSH_OPTIONS_COMPRESSION, "no" },
    };

    for (size_t i = 0; i < ARRAY_LEN(settings); i++)
        if (ssh_options_set(conn->session, settings[i].option, settings[i].value) != SSH_OK)
            return error_set(err, -EINVAL, "SSH option %zu is refused: %s", i,
                             ssh_get_error(conn->session));
    return 0;
}

/* The library's sentence names the method and both lists; ours is known. */
static int no_common_algorithm(const char *method, const char *where, struct error *err)
{
    const char *theirs = strchr(method, '[');

    return error_set(err, -EPROTONOSUPPORT,
                     "SSH handshake with %s: no common %.*s; the instance offers %.*s only: update "
                     "its sshd or allow a current one in its sshd_config",
                     where, (int) strcspn(method, ":"), method,
                     theirs ? (int) MIN(strcspn(theirs + 1, "]"), (size_t) 80) : 0,
                     theirs ? theirs + 1 : "");
}

static int handshake_failed(const struct ssh_conn *conn, const char *where, struct error *err)
{
    static const char no_match[] = "no match for method ";
    const char *why = ssh_get_error(conn->session), *method = strstr(why, no_match);

    if (str_starts(why, "Socket error")) /* with an errno that may be an older one's */
        why = "the instance closes the connection";
    if (method)
        return no_common_algorithm(method + sizeof(no_match) - 1, where, err);
    if (!ssh_get_serverbanner(conn->session))
        return ssh_failed_greeting(err, where, why);
    return error_set(err, -EPROTO, "SSH handshake with %s: %s", where, why);
}

/* Two deadlines: one for the greeting, and one for all of it. */
static int handshake(struct ssh_conn *conn, const char *where, int64_t deadline, struct error *err)
{
    struct ssh_handshake_deadlines until = ssh_handshake_deadlines(deadline);
    int r;

    for (;;) {
        r = ssh_connect(conn->session);
        if (r == SSH_OK)
            return 0;
        if (r != SSH_AGAIN)
            return handshake_failed(conn, where, err);
        r = wait_session(conn, NULL, 0,
                         ssh_get_serverbanner(conn->session) ? until.whole : until.greeting);
        if (r == -ETIMEDOUT)
            return ssh_failed_late(err, where, ssh_get_serverbanner(conn->session) != NULL);
        if (r < 0)
            return error_errno(err, r, "SSH handshake with %s", where);
    }
}

/* Before authentication, so that nothing of ours reaches a host that is not the instance (N1). */
static int check_host_key(struct ssh_conn *conn, const struct remote_options *options,
                          int64_t deadline, struct error *err)
{
    ssh_key key = NULL;
    char *text = NULL;
    int r;

    if (ssh_get_server_publickey(conn->session, &key) != SSH_OK ||
        ssh_pki_export_pubkey_base64(key, &text) != SSH_OK)
        r = error_set(err, -EKEYREJECTED, "SSH: the instance shows no usable host key");
    else
        r = options->check_host_key(options->check_arg, ssh_key_type_to_char(ssh_key_type(key)),
                                    text, deadline, err);
    ssh_string_free_char(text);
    ssh_key_free(key);
    return r;
}

static int start_session(struct ssh_conn *conn, const struct remote_options *options,
                         int64_t deadline, struct error *err)
{
    char where[300];
    int r;

    (void) snprintf(where, sizeof(where), "%s port %u", options->address, options->port);
    ssh_set_blocking(conn->session, 0);
    ssh_set_counters(conn->session, &conn->traffic, NULL);
    r = set_options(conn, options, err);
    if (r == 0)
        r = handshake(conn, where, deadline, err);
    if (r == 0)
        r = check_host_key(conn, options, deadline, err);
    if (r == 0)
        r = session_authenticate(conn, options, ssh_auth_deadline(deadline), err);
    if (r < 0)
        return r;
    conn->event = ssh_event_new();
    if (!conn->event || ssh_event_add_session(conn->event, conn->session) != SSH_OK)
        return error_set(err, -ENOMEM, "SSH: out of memory");
    return 0;
}

int ssh_start(const struct remote_options *options, int fd, int64_t deadline, struct ssh_conn **ret,
              struct error *err)
{
    struct ssh_conn *conn = mem_zero(sizeof(*conn));
    int r;

    if (conn)
        conn->session = ssh_new();
    if (!conn || !conn->session) {
        (void) close(fd);
        free(conn);
        return error_set(err, -ENOMEM, "SSH: out of memory");
    }
    conn->fd = fd;
    conn->watch = options->watch;
    conn->pulse.every_ms = options->keepalive_ms;
    r = start_session(conn, options, deadline, err);
    if (r < 0) {
        conn->broken = true;
        ssh_close(conn);
        return r;
    }
    note_traffic(conn);
    *ret = conn;
    return 0;
}

void ssh_set_watch(struct ssh_conn *conn, struct remote_watch watch)
{
    conn->watch = watch;
}

void ssh_close(struct ssh_conn *conn)
{
    if (!conn)
        return;
    if (conn->event) {
        (void) ssh_event_remove_session(conn->event, conn->session);
        ssh_event_free(conn->event);
    }
    if (!conn->broken)
        ssh_disconnect(conn->session);
    ssh_free(conn->session);
    free(conn);
}

static int accept_any_host_key(void *arg, const char *type, const char *key, int64_t deadline,
                               struct error *err)
{
    return 0;
}

/* A rehearsal that fails costs memory in every worker, and nothing else. */
static void rehearse(const char *private_key)
{
    struct remote_options options = { .address = "rehearsal",
                                      .username = "rehearsal",
                                      .private_key = private_key,
                                      .check_host_key = accept_any_host_key };
    struct ssh_conn *conn = NULL;
    int pid = -1, fd = ssh_rehearsal_start(&pid);

    if (fd < 0)
        return;
    if (ssh_start(&options, fd, now_ms() + REHEARSAL_MS, &conn, NULL) == 0)
        ssh_close(conn);
    while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
        continue;
}

void ssh_library_warm_up(void)
{
    ssh_key key = NULL;
    char *text = NULL;

    (void) ssh_init();
    if (ssh_pki_generate(SSH_KEYTYPE_ED25519, 0, &key) == SSH_OK &&
        ssh_pki_export_privkey_base64(key, NULL, NULL, NULL, &text) == SSH_OK)
        rehearse(text);
    ssh_string_free_char(text);
    ssh_key_free(key);
}
