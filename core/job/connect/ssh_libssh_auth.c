/* core/job/connect/ssh_libssh_auth.c - ssh.h on libssh: logging in, by key, by password, and by
 * keyboard-interactive with the password, in this order. */
#include "core/job/connect/ssh_libssh.h"

#include <errno.h>
#include <string.h>

#include "core/base/buf.h"
#include "core/base/str.h"
#include "core/job/connect/ssh_failure.h"
#include "core/job/connect/ssh_key.h"

enum auth_method { AUTH_KEY, AUTH_PASSWORD, AUTH_INTERACTIVE };

struct auth {
    struct ssh_conn *conn;
    const struct remote_options *options;
    ssh_key key;
};

/* A password behind keyboard-interactive: every prompt gets it, as the peer does. The next step
 * sends the answers. */
static void answer_prompts(struct auth *auth)
{
    int prompts = ssh_userauth_kbdint_getnprompts(auth->conn->session);

    for (int i = 0; i < prompts; i++)
        (void) ssh_userauth_kbdint_setanswer(auth->conn->session, (unsigned) i,
                                             auth->options->password);
}

static int auth_step(struct auth *auth, enum auth_method method)
{
    ssh_session session = auth->conn->session;

    switch (method) {
    case AUTH_KEY:
        return ssh_userauth_publickey(session, NULL, auth->key);
    case AUTH_PASSWORD:
        return ssh_userauth_password(session, NULL, auth->options->password);
    case AUTH_INTERACTIVE:
        return ssh_userauth_kbdint(session, NULL, NULL);
    }
    return SSH_AUTH_ERROR;
}

static int auth_with(struct auth *auth, enum auth_method method, int64_t deadline,
                     struct error *err)
{
    const char *user = auth->options->username;

    for (;;) {
        int state = auth_step(auth, method), r;

        if (state == SSH_AUTH_SUCCESS)
            return 0;
        /* The library may go on asking for more on a connection that is gone. */
        if (state == SSH_AUTH_ERROR || !ssh_is_connected(auth->conn->session))
            return error_set(err, -EPROTO, "SSH authentication as '%s': %s", user,
                             ssh_get_error(auth->conn->session));
        if (state != SSH_AUTH_AGAIN && state != SSH_AUTH_INFO)
            return -EACCES;
        if (state == SSH_AUTH_INFO) {
            answer_prompts(auth);
            r = remote_may_go_on(&auth->conn->watch, deadline);
        } else {
            r = wait_session(auth->conn, NULL, 0, deadline);
        }
        if (r == -ETIMEDOUT)
            return ssh_failed_auth_late(err, auth->options);
        if (r < 0)
            return error_errno(err, r, "SSH authentication");
    }
}

static int import_key(struct auth *auth, struct error *err)
{
    autobuf struct buf text = BUF_SECRET;

    ssh_key_normalize(auth->options->private_key, &text);
    if (buf_error(&text) == 0 &&
        ssh_pki_import_privkey_base64(buf_str(&text), NULL, NULL, NULL, &auth->key) == SSH_OK)
        return 0;
    return ssh_key_unreadable(err);
}

/* What the instance would take, in the words of sshd_config's AuthenticationMethods. */
static void add_methods(struct ssh_conn *conn, struct buf *out)
{
    static const struct {
        int method;
        const char *name;
    } names[] = { { SSH_AUTH_METHOD_PUBLICKEY, "publickey" },
                  { SSH_AUTH_METHOD_PASSWORD, "password" },
                  { SSH_AUTH_METHOD_INTERACTIVE, "keyboard-interactive" },
                  { SSH_AUTH_METHOD_HOSTBASED, "hostbased" },
                  { SSH_AUTH_METHOD_GSSAPI_MIC, "gssapi-with-mic" } };
    int methods = ssh_userauth_list(conn->session, NULL);

    for (size_t i = 0; i < ARRAY_LEN(names); i++)
        if (methods & names[i].method)
            buf_addf(out, "%s%s", out->len > 0 ? ", " : "", names[i].name);
}

static int refused(struct ssh_conn *conn, const struct remote_options *options, struct error *err)
{
    autobuf struct buf methods = BUF_INIT;

    add_methods(conn, &methods);
    return ssh_failed_auth(err, options, buf_str(&methods));
}

int session_authenticate(struct ssh_conn *conn, const struct remote_options *options,
                         int64_t deadline, struct error *err)
{
    struct auth auth = { .conn = conn, .options = options };
    bool has_key = !str_empty(options->private_key), has_password = !str_empty(options->password);
    int r = -EACCES;

    if (has_key) {
        r = import_key(&auth, err);
        if (r == 0)
            r = auth_with(&auth, AUTH_KEY, deadline, err);
        ssh_key_free(auth.key);
    }
    if (r == -EACCES && has_password)
        r = auth_with(&auth, AUTH_PASSWORD, deadline, err);
    if (r == -EACCES && has_password)
        r = auth_with(&auth, AUTH_INTERACTIVE, deadline, err);
    return r == -EACCES ? refused(conn, options, err) : r;
}
