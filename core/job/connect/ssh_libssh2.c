/* core/job/connect/ssh_libssh2.c - ssh.h on libssh2 1.10 and later: connecting; ssh_libssh2_auth.c logs in,
 * ssh_libssh2_exec.c runs commands.
 *
 * The library is driven without blocking. It never sees a socket that is full: what it sends is kept here, because
 * 1.10 refuses every other call until a packet that it sent in part was sent by the same one. */
#include "core/job/connect/ssh_libssh2.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "core/base/mem.h"
#include "core/base/str.h"
#include "core/job/connect/ssh_algorithms.h"
#include "core/job/connect/ssh_backend.h"
#include "core/job/connect/ssh_failure.h"
#include "core/job/connect/ssh_wire.h"

#define TURN_BYTES (256 << 10) /* read in one turn */
#define GREETING_MAX (16 << 10)
#define FREE_TRIES 100

/* The library forgets what came before it heard of the connection's end, so it does not hear of it. */
static LIBSSH2_RECV_FUNC(take)
{
    struct ssh_conn *conn = *abstract;
    ssize_t n;

    if (conn->broken)
        return -ECONNRESET;
    if (conn->budget == 0 || conn->hung_up)
        return -EAGAIN;
    if (!conn->greeted && conn->greeting >= GREETING_MAX)
        return -EPROTO;
    n = recv(conn->fd, buffer, MIN(length, conn->budget), flags);
    if (n < 0 && (errno == EINTR || errno == EAGAIN))
        return -EAGAIN;
    if (n <= 0) {
        conn->hung_up = true;
        return -EAGAIN;
    }
    ssh_pulse_heard(&conn->pulse);
    conn->budget -= (size_t) n;
    conn->heard_bytes += (uint64_t) n;
    conn->greeting += (size_t) n;
    return n;
}

static LIBSSH2_SEND_FUNC(keep)
{
    struct ssh_conn *conn = *abstract;

    if (conn->broken)
        return -ECONNRESET;
    buf_add(&conn->out, buffer, length);
    return buf_error(&conn->out) < 0 ? buf_error(&conn->out) : (ssize_t) length;
}

/* A socket that fails says so to the next read, too. */
void conn_flush(struct ssh_conn *conn)
{
    while (conn->out.len > 0) {
        ssize_t n = send(conn->fd, conn->out.data, conn->out.len, MSG_NOSIGNAL);

        if (n <= 0)
            break;
        buf_consume(&conn->out, (size_t) n);
    }
}

void conn_allow(struct ssh_conn *conn)
{
    conn->budget = TURN_BYTES;
}

const char *conn_why(const struct ssh_conn *conn)
{
    char *why = NULL;

    (void) libssh2_session_last_error(conn->session, &why, NULL, 0);
    return why ? why : "";
}

int conn_wait(struct ssh_conn *conn, const struct pollfd *others, size_t n, int64_t deadline)
{
    struct pollfd fds[REMOTE_WAIT_FDS] = { { .fd = conn->hung_up ? -1 : conn->fd,
                                             .events = POLLIN } };
    int one = 1, r;

    conn_flush(conn);
    if (!conn_is_flushed(conn))
        fds[0].events |= POLLOUT;
    for (size_t i = 0; i < n; i++)
        fds[i + 1] = others[i];
    /* As in the other back end: sshd's next small packet waits for our acknowledgement. */
    (void) setsockopt(conn->fd, IPPROTO_TCP, TCP_QUICKACK, &one, sizeof(one));
    r = remote_wait(&conn->watch, fds, n + 1, deadline);
    conn_allow(conn);
    return r;
}

/* Those of our names that the library knows, in our order. It would leave out the others itself, but 1.10 does so by
 * copying memory onto itself. */
static int known_names(struct ssh_conn *conn, int method, const char *names, struct buf *out)
{
    const char **known = NULL;
    int n = libssh2_session_supported_algs(conn->session, method, &known);

    for (const char *at = names; at && n > 0; at = strchr(at, ',')) {
        size_t len;

        at += *at == ',';
        len = strcspn(at, ",");
        for (int i = 0; i < n; i++)
            if (strlen(known[i]) == len && memcmp(known[i], at, len) == 0)
                buf_addf(out, "%s%s", out->len > 0 ? "," : "", known[i]);
    }
    if (n > 0)
        libssh2_free(conn->session, known);
    return n < 0 ? n : 0;
}

static int set_methods(struct ssh_conn *conn, struct error *err)
{
    static const struct {
        int method;
        const char *names;
    } lists[] = {
        { LIBSSH2_METHOD_KEX, SSH_KEX },          { LIBSSH2_METHOD_HOSTKEY, SSH_HOST_KEYS },
        { LIBSSH2_METHOD_CRYPT_CS, SSH_CIPHERS }, { LIBSSH2_METHOD_CRYPT_SC, SSH_CIPHERS },
        { LIBSSH2_METHOD_MAC_CS, SSH_MACS },      { LIBSSH2_METHOD_MAC_SC, SSH_MACS },
    };

    for (size_t i = 0; i < ARRAY_LEN(lists); i++) {
        autobuf struct buf names = BUF_INIT;

        if (known_names(conn, lists[i].method, lists[i].names, &names) < 0 ||
            libssh2_session_method_pref(conn->session, lists[i].method, buf_str(&names)) != 0)
            return error_set(err, -EINVAL, "SSH algorithms %s are refused: %s", lists[i].names,
                             conn_why(conn));
    }
    return 0;
}

static bool has_greeted(struct ssh_conn *conn)
{
    const char *banner = libssh2_session_banner_get(conn->session);

    conn->greeted = conn->greeted || (banner && str_starts(banner, "SSH-"));
    return conn->greeted;
}

/* The library does not say which list has nothing in common. */
static int no_common_algorithm(const char *where, struct error *err)
{
    return error_set(err, -EPROTONOSUPPORT,
                     "SSH handshake with %s: no common algorithms; update its sshd or allow "
                     "current ones in its sshd_config%s",
                     where,
                     libssh2_version(0x010b00) ? ""
                                               : ", and give it an Ed25519 or ECDSA host key: "
                                                 "libssh2 before 1.11 checks no RSA one");
}

static int handshake_failed(struct ssh_conn *conn, int code, const char *where, struct error *err)
{
    const char *why = conn_why(conn);

    if (conn->hung_up)
        why = "the instance closes the connection";
    if (conn->greeting >= GREETING_MAX)
        why = "its greeting is too long";
    if (!has_greeted(conn))
        return ssh_failed_greeting(err, where, why);
    if (code == LIBSSH2_ERROR_KEX_FAILURE || code == LIBSSH2_ERROR_METHOD_NONE)
        return no_common_algorithm(where, err);
    return error_set(err, -EPROTO, "SSH handshake with %s: %s", where, why);
}

/* Two deadlines: one for the greeting, and one for all of it. */
static int handshake(struct ssh_conn *conn, const char *where, int64_t deadline, struct error *err)
{
    struct ssh_handshake_deadlines until = ssh_handshake_deadlines(deadline);
    int r;

    for (;;) {
        r = libssh2_session_handshake(conn->session, conn->fd);
        if (r == 0)
            return 0;
        if (r != LIBSSH2_ERROR_EAGAIN || conn->hung_up)
            return handshake_failed(conn, r, where, err);
        r = conn_wait(conn, NULL, 0, has_greeted(conn) ? until.whole : until.greeting);
        if (r == -ETIMEDOUT)
            return ssh_failed_late(err, where, conn->greeted);
        if (r < 0)
            return error_errno(err, r, "SSH handshake with %s", where);
    }
}

/* Before authentication, so that nothing of ours reaches a host that is not the instance (N1). */
static int check_host_key(struct ssh_conn *conn, const struct remote_options *options,
                          int64_t deadline, struct error *err)
{
    size_t len = 0;
    int kind = 0;
    const char *key = libssh2_session_hostkey(conn->session, &len, &kind);
    struct ssh_wire wire = { (const unsigned char *) key, key ? len : 0 }, type = { 0 };
    autofree char *name = NULL, *text = mem_alloc(len * 4 / 3 + 5);

    if (!ssh_wire_string(&wire, &type))
        return error_set(err, -EKEYREJECTED, "SSH: the instance shows no usable host key");
    name = mem_strndup((const char *) type.at, type.left);
    if (!name || !text)
        return error_set(err, -ENOMEM, "SSH: out of memory");
    (void) EVP_EncodeBlock((unsigned char *) text, (const unsigned char *) key, (int) len);
    return options->check_host_key(options->check_arg, name, text, deadline, err);
}

static int start_session(struct ssh_conn *conn, const struct remote_options *options,
                         int64_t deadline, struct error *err)
{
    char where[300];
    int r;

    (void) snprintf(where, sizeof(where), "%s port %u", options->address, options->port);
    libssh2_session_set_blocking(conn->session, 0);
    libssh2_session_callback_set(conn->session, LIBSSH2_CALLBACK_RECV, (void *) take);
    libssh2_session_callback_set(conn->session, LIBSSH2_CALLBACK_SEND, (void *) keep);
    conn_allow(conn);
    r = set_methods(conn, err);
    if (r == 0)
        r = handshake(conn, where, deadline, err);
    if (r == 0)
        r = check_host_key(conn, options, deadline, err);
    if (r == 0)
        r = conn_authenticate(conn, options, ssh_auth_deadline(deadline), err);
    return r;
}

int ssh_start(const struct remote_options *options, int fd, int64_t deadline, struct ssh_conn **ret,
              struct error *err)
{
    struct ssh_conn *conn = mem_zero(sizeof(*conn));
    int r;

    if (conn)
        conn->session = ssh_packets_session(conn);
    if (!conn || !conn->session) {
        (void) close(fd);
        free(conn);
        return error_set(err, -ENOMEM, "SSH: out of memory");
    }
    conn->fd = fd;
    conn->watch = options->watch;
    conn->pulse.every_ms = options->keepalive_ms;
    /* Always due: when it is, ssh_pulse knows, by a clock without steps and in milliseconds. */
    libssh2_keepalive_config(conn->session, 1, 1u << 31);
    r = start_session(conn, options, deadline, err);
    if (r < 0) {
        conn->broken = true;
        ssh_close(conn);
        return r;
    }
    ssh_pulse_heard(&conn->pulse);
    *ret = conn;
    return 0;
}

void ssh_set_watch(struct ssh_conn *conn, struct remote_watch watch)
{
    conn->watch = watch;
}

/* On a connection that is broken the library waits for nothing. */
void ssh_close(struct ssh_conn *conn)
{
    if (!conn)
        return;
    if (!conn->broken) {
        (void) libssh2_session_disconnect(conn->session, "");
        conn_flush(conn);
    }
    conn->broken = true;
    for (int i = 0; i < FREE_TRIES; i++)
        if (libssh2_session_free(conn->session) != LIBSSH2_ERROR_EAGAIN)
            break;
    (void) close(conn->fd);
    buf_done(&conn->out);
    buf_done(&conn->packets.segments);
    free(conn);
}

void ssh_library_warm_up(void)
{
    (void) libssh2_init(0);
}
