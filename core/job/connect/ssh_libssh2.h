/* core/job/connect/ssh_libssh2.h - what the files of the libssh2 back end share. ssh_libssh2.c connects and waits,
 * ssh_libssh2_auth.c logs in (ssh_libssh2_rsa.c with an RSA key), ssh_libssh2_exec.c runs commands,
 * ssh_libssh2_tunnel.c leads to sockets of the instance, and ssh_libssh2_packets.c sees what the library keeps for itself.
 */
#pragma once

#include <libssh2.h>

#include "core/base/buf.h"
#include "core/job/connect/remote_wait.h"
#include "core/job/connect/ssh.h"
#include "core/job/connect/ssh_pulse.h"

/* What the library knows about its packets and does not tell (ssh_libssh2_packets.c). */
struct ssh_packets {
    bool opening;            /* the library is opening a command's channel */
    uint32_t channel;        /* our number of the one that was opened last for a command */
    struct remote_exit exit; /* of its command */
    struct ssh_refusal {     /* of a channel, the latest */
        uint32_t reason;
        char words[80];
    } refusal;
    struct buf
        segments; /* struct ssh_segment: its output that was read, in the order in which it came */
};
struct ssh_segment {
    uint32_t len;
    bool is_stderr;
};

struct ssh_conn {
    LIBSSH2_SESSION *session;
    LIBSSH2_CHANNEL *left;  /* of a command that was stopped */
    LIBSSH2_CHANNEL *quiet; /* in which nothing runs (ssh_libssh2_tunnel.c) */
    bool opening_quiet;
    struct ssh_tunnel *opening; /* whose channel the library is opening */
    int fd;
    struct remote_watch watch;
    struct ssh_pulse pulse;
    struct ssh_packets packets;
    struct buf out; /* what the library sent and the socket has not taken */
    size_t budget;  /* what the library may still read in this turn */
    uint64_t heard_bytes;
    size_t greeting; /* bytes that came before the server's greeting; 0 behind it */
    bool greeted;
    const char *password; /* for its prompts, while we log in */
    bool hung_up;         /* the other side has */
    bool broken;          /* nothing goes either way any more */
};

/* A session whose memory is ours; NULL when there is none. */
LIBSSH2_SESSION *ssh_packets_session(struct ssh_conn *conn);
/* A copy that the library will free; NULL when memory is short. */
void *ssh_packets_dup(const void *data, size_t len);

/* Before each call of the library that may read: it reads what came as long as something comes, and a server that
 * sends without a pause would keep it. */
void conn_allow(struct ssh_conn *conn);
/* remote_wait() for the connection and others; sends what was kept. */
int conn_wait(struct ssh_conn *conn, const struct pollfd *others, size_t n, int64_t deadline);
/* Sends what was kept, as far as the socket takes it. */
void conn_flush(struct ssh_conn *conn);
/* Whether what was sent has all been taken by the socket. */
static inline bool conn_is_flushed(const struct ssh_conn *conn)
{
    return conn->out.len == 0;
}
/* What the library says last. */
const char *conn_why(const struct ssh_conn *conn);

/* -EPIPE with a sentence: nothing goes either way any more. */
int conn_lost(struct ssh_conn *conn, struct error *err, const char *doing);
/* Sends a keepalive when one is due; -EPIPE with a sentence when too many were not answered. */
int conn_keep_alive(struct ssh_conn *conn, struct error *err);

/* Logs in with what the options hold; -EACCES with a sentence when the instance refuses it all. */
int conn_authenticate(struct ssh_conn *conn, const struct remote_options *options, int64_t deadline,
                      struct error *err);
