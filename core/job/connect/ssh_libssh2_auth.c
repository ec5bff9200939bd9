/* core/job/connect/ssh_libssh2_auth.c - ssh.h on libssh2: logging in, by key, by password, and by
 * keyboard-interactive with the password, in this order. */
#include <errno.h>
#include <string.h>

#include "core/base/str.h"
#include "core/job/connect/ssh_failure.h"
#include "core/job/connect/ssh_key.h"
#include "core/job/connect/ssh_libssh2.h"
#include "core/job/connect/ssh_libssh2_rsa.h"

enum auth_method { AUTH_KEY, AUTH_PASSWORD, AUTH_INTERACTIVE };

struct auth {
    struct ssh_conn *conn;
    const struct remote_options *options;
    struct buf key; /* its text */
    struct ssh_rsa rsa;
};

/* Every prompt gets the password, as the peer does. */
static LIBSSH2_USERAUTH_KBDINT_RESPONSE_FUNC(answer_prompts)
{
    const struct ssh_conn *conn = *abstract;
    size_t len = strlen(conn->password);

    (void) name;
    (void) name_len;
    (void) instruction;
    (void) instruction_len;
    (void) prompts;
    for (int i = 0; i < num_prompts; i++) {
        responses[i].text = ssh_packets_dup(conn->password, len);
        responses[i].length = responses[i].text ? (unsigned) len : 0;
    }
}

static int auth_step(struct auth *auth, enum auth_method method)
{
    const struct remote_options *options = auth->options;
    LIBSSH2_SESSION *session = auth->conn->session;
    unsigned user_len = (unsigned) strlen(options->username);
    void *signer = auth->rsa.key;

    switch (method) {
    case AUTH_KEY:
        if (!auth->rsa.key)
            return libssh2_userauth_publickey_frommemory(session, options->username, user_len, NULL,
                                                         0, buf_str(&auth->key), auth->key.len,
                                                         NULL);
        return libssh2_userauth_publickey(session, options->username,
                                          (const unsigned char *) auth->rsa.blob.data,
                                          auth->rsa.blob.len, ssh_rsa_sign, &signer);
    case AUTH_PASSWORD:
        return libssh2_userauth_password_ex(session, options->username, user_len, options->password,
                                            (unsigned) strlen(options->password), NULL);
    case AUTH_INTERACTIVE:
        return libssh2_userauth_keyboard_interactive_ex(session, options->username, user_len,
                                                        answer_prompts);
    }
    return LIBSSH2_ERROR_INVAL;
}

static int auth_waits(struct auth *auth, int64_t deadline, struct error *err)
{
    int r;

    if (auth->conn->hung_up)
        return error_set(err, -EPROTO,
                         "SSH authentication as '%s': the instance closes the connection",
                         auth->options->username);
    r = conn_wait(auth->conn, NULL, 0, deadline);
    if (r == -ETIMEDOUT)
        return ssh_failed_auth_late(err, auth->options);
    return r < 0 ? error_errno(err, r, "SSH authentication") : 0;
}

static int auth_with(struct auth *auth, enum auth_method method, int64_t deadline,
                     struct error *err)
{
    for (;;) {
        int state = auth_step(auth, method), r;

        switch (state) {
        case 0:
            return 0;
        case LIBSSH2_ERROR_EAGAIN:
            r = auth_waits(auth, deadline, err);
            if (r < 0)
                return r;
            break;
        case LIBSSH2_ERROR_FILE:
            return ssh_key_unreadable(err);
        case LIBSSH2_ERROR_AUTHENTICATION_FAILED:
        case LIBSSH2_ERROR_PUBLICKEY_UNVERIFIED:
        case LIBSSH2_ERROR_PASSWORD_EXPIRED:
        case LIBSSH2_ERROR_METHOD_NOT_SUPPORTED:
            if (!auth->conn->hung_up)
                return -EACCES;
            __attribute__((fallthrough));
        default:
            return error_set(err, -EPROTO, "SSH authentication as '%s': %s",
                             auth->options->username, conn_why(auth->conn));
        }
    }
}

/* What the instance would take, which it says only when it refuses what we have not tried: nothing. */
static int refused(struct auth *auth, int64_t deadline, struct error *err)
{
    const struct remote_options *options = auth->options;
    LIBSSH2_SESSION *session = auth->conn->session;
    autobuf struct buf takes = BUF_INIT;
    const char *list = NULL;
    int r = 0;

    while (!list && r == 0) {
        list =
            libssh2_userauth_list(session, options->username, (unsigned) strlen(options->username));
        if (!list && libssh2_session_last_errno(session) != LIBSSH2_ERROR_EAGAIN)
            break;
        if (!list)
            r = auth_waits(auth, deadline, err);
    }
    if (r < 0)
        return r;
    for (const char *at = list; at && *at; at++)
        if (*at == ',')
            buf_add_str(&takes, ", ");
        else
            buf_add_char(&takes, *at);
    return ssh_failed_auth(err, options, buf_str(&takes));
}

static int log_in(struct auth *auth, int64_t deadline, struct error *err)
{
    bool has_key = !str_empty(auth->options->private_key);
    bool has_password = !str_empty(auth->options->password);
    int r = -EACCES;

    if (has_key) {
        ssh_key_normalize(auth->options->private_key, &auth->key);
        r = libssh2_version(0x010b00) ? 0 : ssh_rsa_load(&auth->rsa, buf_str(&auth->key), err);
        if (r == 0)
            r = auth_with(auth, AUTH_KEY, deadline, err);
    }
    if (r == -EACCES && has_password)
        r = auth_with(auth, AUTH_PASSWORD, deadline, err);
    if (r == -EACCES && has_password)
        r = auth_with(auth, AUTH_INTERACTIVE, deadline, err);
    return r == -EACCES ? refused(auth, deadline, err) : r;
}

int conn_authenticate(struct ssh_conn *conn, const struct remote_options *options, int64_t deadline,
                      struct error *err)
{
    struct auth auth = { .conn = conn, .options = options, .key = BUF_SECRET };
    int r;

    conn->password = options->password;
    r = log_in(&auth, deadline, err);
    conn->password = NULL;
    if (r == -EACCES && auth.rsa.key &&
        !strstr(libssh2_session_banner_get(conn->session), "OpenSSH"))
        r = error_wrap(err, r,
                       "libssh2 before 1.11 uses RSA keys with OpenSSH alone; an Ed25519 or ECDSA "
                       "key works here");
    ssh_rsa_done(&auth.rsa);
    buf_done(&auth.key);
    return r;
}
