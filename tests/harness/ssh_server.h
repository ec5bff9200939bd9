/* tests/harness/ssh_server.h - a real SSH server on loopback for one test: Debian's OpenSSH or dropbear, started anew
 * for each connection, as inetd did, so that no port has to be guessed.
 *
 * It knows one account, SSH_SERVER_USER with the rights of whoever runs the test, because libnss-wrapper answers its
 * questions. Include it after cmocka.h.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

enum ssh_server_kind { SSH_SERVER_OPENSSH, SSH_SERVER_DROPBEAR, SSH_SERVERS };
extern const char *const ssh_server_names[SSH_SERVERS];

#define SSH_SERVER_USER "runner"
#define SSH_SERVER_PASSWORD "secret"
#define SSH_SERVER_LOG "server.log" /* in the test's directory; OpenSSH alone writes one */

struct ssh_server {
    uint16_t port;
    char *user_key; /* Ed25519 in OpenSSH form; the server lets it in */
    pid_t pid;
};

/* Skips the running test where a server is missing. Keys, home and log go to `dir`; `settings` are lines of
 * sshd_config in front of ours, or NULL. */
void ssh_server_start(struct ssh_server *server, enum ssh_server_kind kind, const char *dir,
                      const char *settings);
/* Other lines in front of ours for the connections that follow. OpenSSH alone. */
void ssh_server_configure(const char *dir, const char *settings);
void ssh_server_stop(struct ssh_server *server); /* one that never started is all zero */

/* Makes a key pair NAME and NAME.pub in `dir` with ssh-keygen's options, which end with NULL; what it made is let in from
 * now on. Returns the private key's text, which the caller frees. */
char *ssh_server_make_key(const char *dir, const char *name, const char *const options[]);
/* Lets a key in whose public part is in NAME.pub. */
void ssh_server_let_in(const char *dir, const char *name);
/* Runs a program to its end, which must be a success; the last argument is NULL. */
void ssh_server_run(const char *const argv[]);
