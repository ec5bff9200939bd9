/* core/job/connect/ssh_rehearsal.c - the server side of the spawner's rehearsal (ssh_rehearsal.h).
 *
 * It talks to its own parent alone, with a key that lives as long as it does; nothing outside can reach it. */
#include "core/job/connect/ssh_rehearsal.h"

#include <errno.h>
#include <libssh/callbacks.h>
#include <libssh/libssh.h>
#include <libssh/server.h>
#include <stdbool.h>
#include <sys/socket.h>
#include <unistd.h>

#include "core/base/autoclean.h"

#define PATIENCE_S 5

static int take_any_key(ssh_session session, const char *user, struct ssh_key_struct *key,
                        char signature_state, void *done)
{
    *(bool *) done = signature_state == SSH_PUBLICKEY_STATE_VALID;
    return SSH_AUTH_SUCCESS;
}

static void serve(ssh_bind server, ssh_session session, ssh_event event, int fd)
{
    bool done = false;
    struct ssh_server_callbacks_struct callbacks = { .userdata = &done,
                                                     .auth_pubkey_function = take_any_key };
    ssh_key key = NULL;

    ssh_callbacks_init(&callbacks);
    if (ssh_pki_generate(SSH_KEYTYPE_ED25519, 0, &key) != SSH_OK ||
        ssh_bind_options_set(server, SSH_BIND_OPTIONS_IMPORT_KEY, key) != SSH_OK ||
        ssh_bind_accept_fd(server, session, fd) != SSH_OK ||
        ssh_set_server_callbacks(session, &callbacks) != SSH_OK ||
        ssh_handle_key_exchange(session) != SSH_OK ||
        ssh_event_add_session(event, session) != SSH_OK)
        return;
    while (!done && ssh_event_dopoll(event, PATIENCE_S * 1000) == SSH_OK)
        continue;
}

int ssh_rehearsal_start(int *ret_pid)
{
    int ends[2];
    pid_t pid;

    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) < 0)
        return -errno;
    pid = fork();
    if (pid == 0) {
        (void) close(ends[0]);
        (void) alarm(PATIENCE_S);
        serve(ssh_bind_new(), ssh_new(), ssh_event_new(), ends[1]);
        _exit(0);
    }
    (void) close(ends[1]);
    if (pid < 0) {
        (void) close(ends[0]);
        return -errno;
    }
    *ret_pid = pid;
    return ends[0];
}
