/* core/job/connect/remote.h - the connection to an instance, whatever its protocol, blocking, with deadlines and a way to
 * stop (hardening.md §6); for jobs and probes.
 *
 * What ssh.h and winrm.h have in common: what they are told, the codes and sentences that they return, and the choice
 * between them. Everything read is hostile.
 */
#pragma once

#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/base/error.h"

struct relay;
struct pty;

/* What every wait watches besides the socket: the worker's control descriptor. `poll_control` is
 * called before each wait, and a wait ends when `control_fd` is readable and after 250 ms; it
 * returns 0 to go on, or negative to stop the operation with that code (-ECANCELED for cancel,
 * -EINTR for abort, -ENETRESET for a lost instance). */
struct remote_watch {
    int (*control_fd)(void *arg); /* asked for each wait, because it changes; NULL or -1 = none */
    int (*poll_control)(void *arg);
    void *arg;
    struct relay *relay; /* moved meanwhile (relay.h); NULL = none */
    struct pty *pty;     /* as well (pty.h) */
};

static inline bool remote_was_stopped(int r)
{
    return r == -ECANCELED || r == -EINTR || r == -ENETRESET;
}

struct remote_options {
    const char *protocol; /* "ssh"; "winrm", "winrm+https" (winrm.h) */
    const char *address;
    uint16_t port;
    /* Another way there than TCP: a stream that becomes the connection's. As remote_tcp_open(). NULL = TCP. */
    int (*dial)(void *arg, int64_t deadline_mono_ms, int *ret_fd, struct error *err);
    void *dial_arg;
    const char *username;
    const char *password;    /* NULL or "" = none */
    const char *private_key; /* text of an unencrypted key; NULL or "" = none */
    int64_t timeout_ms; /* whole connect, retries included: an instance that still boots is tried
                           again */
    /* A login that was made for the instance just now: so long, from its first refusal on, it may still be on its way
     * there. 0 = it is known there since the boot. */
    int64_t arrival_ms;
    int64_t keepalive_ms;
    /* Before authentication: type ("ssh-ed25519"), key in base64. 0 = accept; -EKEYREJECTED with a
     * sentence = refuse, and it is not tried again; a code of the watch when it was stopped. */
    int (*check_host_key)(void *arg, const char *type, const char *key_base64,
                          int64_t deadline_mono_ms, struct error *err);
    void *check_arg;
    /* Of winrm+https: the authorities' certificates, NULL = the system's; or the key of a certificate that they do not
     * know is checked by check_host_key, as "x509-sha256". */
    const char *ca_file;
    bool own_certificate;
    struct remote_watch watch;
};

struct remote_exit {
    bool has_status;
    int status;      /* 128 + signal when killed by one */
    char signal[16]; /* "KILL", or "" */
};
struct remote_exec {
    const char *command;
    const void *input; /* stdin, to its end */
    size_t input_len;
    /* Streams; 0 = none, because descriptors 0 to 2 are never streams here. They stay the caller's and are made
     * non-blocking. SIGPIPE is ignored by whoever has them. */
    int stdin_fd; /* behind `input`, what can be read there until its end. A shell reads ahead: before a stream its
                     script goes into `command` */
    int stdout_fd; /* stdout goes there, not to on_output; the command waits for a reader that stalls */
    int (*on_output)(void *arg, bool is_stderr, const void *data, size_t len); /* negative stops */
    void *arg;
    int64_t deadline_mono_ms; /* 0 = none; -ETIMEDOUT */
};

struct remote;
/* What must happen before the sandbox is narrowed. */
int remote_prepare(const struct remote_options *options, struct error *err);
/* What a connection reads while it lives. */
struct remote_files {
    const char *paths[3];
    size_t n;
    bool modules;      /* of the libraries that it uses */
    bool certificates; /* the system's */
};
struct remote_files remote_files(const struct remote_options *options);
int remote_open(const struct remote_options *options, struct remote **ret, struct error *err);
/* As relay_new(), which takes the connection; -EPROTONOSUPPORT with a sentence when its protocol carries no streams. */
int remote_relay(struct remote *remote, struct relay **ret, struct error *err);
/* As pty_begin(); -EPROTONOSUPPORT with a sentence when its protocol has no terminals. */
int remote_pty(struct remote *remote, struct pty *pty, const char *command, int fd,
               struct error *err);
void remote_set_watch(struct remote *remote, struct remote_watch watch);
void remote_close(struct remote *remote); /* bounded time; accepts NULL */
/* Runs a command to its end. 0 with *ret filled when the instance told its exit status or signal; -EPIPE with a
 * sentence when the connection broke or ended without one (N7); the watch's code when stopped; -ESHUTDOWN when the reader of stdout_fd has gone, -EIO when a stream fails
 * otherwise. stdout_fd has everything when this returns 0. */
int remote_exec(struct remote *remote, const struct remote_exec *exec, struct remote_exit *ret,
                struct error *err);
/* Whether what was stopped last may still run on the instance. */
bool remote_left_running(const struct remote *remote);
/* Waits between two commands, so that neither side takes the other for dead. 0 when the time has come; else as
 * remote_exec(). */
int remote_idle(struct remote *remote, int64_t until_mono_ms, struct error *err);
/* Whether the instance still answers; nothing runs there. 0, or as remote_exec(). */
int remote_prove(struct remote *remote, struct error *err);
