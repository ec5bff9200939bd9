/* tests/fakes/ssh_fake.h - an SSH server on loopback that does what a row of a test says, in a
 * process of its own. It runs nothing: what a command "does" is written in the row.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

enum ssh_fake_kind {
    SSH_FAKE_SERVER,
    SSH_FAKE_ENDLESS_BANNER,    /* as fast as it is taken */
    SSH_FAKE_SLOW_BANNER,       /* one byte, then nothing for as long as a test lasts */
    SSH_FAKE_NO_BANNER,         /* accepts, and nothing */
    SSH_FAKE_RUBBISH,           /* is a web server */
    SSH_FAKE_CLOSES,            /* accepts and closes */
    SSH_FAKE_STALLS,            /* greets, and nothing */
    SSH_FAKE_OLD,               /* knows a cipher that we do not */
    SSH_FAKE_NO_KEYS,           /* takes no key, and would take a password */
    SSH_FAKE_NO_CHANNELS,       /* refuses each channel */
    SSH_FAKE_NO_COMMANDS,       /* refuses each command */
    SSH_FAKE_HANGS_UP,          /* closes the connection when a command has begun */
    SSH_FAKE_ENDLESS_QUESTIONS, /* keyboard-interactive without an end; no key is good enough */
};

/* One command: reads its input to the end, prints, waits, and tells its statuses. */
struct ssh_fake_exec {
    const char *output;
    const char
        *turns;      /* behind it, each character a packet: capitals on stderr, others on stdout */
    int64_t wait_ms; /* between output and statuses; -1 = it never ends */
    int statuses[2];
    size_t n_statuses;
    const char *after_eof; /* output behind its end */
};

struct ssh_fake_options {
    enum ssh_fake_kind kind;
    const struct ssh_fake_exec *execs; /* of one connection, in order; the last one goes on */
    size_t n_execs;
    bool no_keepalive_answer;
    size_t late_keys; /* so many logins by key are refused before the first is taken */
};

struct ssh_fake {
    uint16_t port;
    char *host_key;  /* base64, as check_host_key sees it; its type is ssh-ed25519 */
    const char *dir; /* the caller's; ssh_fake.log in it tells what came:
                        "connection", "login", "question", "keepalive", "exec COMMAND" and its input */
    pid_t pid;
};

void ssh_fake_start(struct ssh_fake *fake, const char *dir, const struct ssh_fake_options *options);
void ssh_fake_stop(struct ssh_fake *fake); /* a fake that never started is all zero */
/* A private key in OpenSSH form that the server lets in, as it does every other. */
char *ssh_fake_user_key(void);
/* How often the log has this line or text so far. */
size_t ssh_fake_count(const struct ssh_fake *fake, const char *text);
