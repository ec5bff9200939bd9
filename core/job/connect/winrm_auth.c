/* core/job/connect/winrm_auth.c - see the header. */
#include "core/job/connect/winrm_auth.h"

#include <errno.h>

#include "core/base/fault.h"
#include "core/base/str.h"
#include "core/job/connect/remote_wait.h"
#include "core/job/connect/winrm_failure.h"

#define LOGIN_MS 20000
#define LOGIN_ROUNDS 8
#define STATUS_OK 200
#define STATUS_UNAUTHORIZED 401

void winrm_auth_drop(struct winrm_auth *auth)
{
    winrm_login_free(auth->login);
    auth->login = NULL;
    buf_done(&auth->authorization);
    auth->authorization.secret = true;
}

static int tell_token(struct winrm_wire *wire, const struct buf *token, long *ret_status,
                      struct error *err)
{
    autobuf struct buf line = BUF_SECRET;

    buf_addf(&line, "Authorization: Negotiate %s", buf_str(token));
    if (buf_error(&line) < 0)
        return error_set(err, -ENOMEM, "HTTP: out of memory");
    return winrm_wire_exchange(wire, buf_str(&line), ret_status, err);
}

static int negotiate(struct winrm_auth *auth, struct winrm_wire *wire, struct error *err)
{
    const struct remote_options *options = wire->options;
    long status = STATUS_UNAUTHORIZED;
    int r = winrm_login_new(options, &auth->login, err);

    if (r == 0)
        winrm_login_bind(auth->login, &wire->channel);
    buf_clear(&wire->token);
    for (int round = 0; r == 0 && round < LOGIN_ROUNDS; round++) {
        autobuf struct buf token = BUF_SECRET;
        int told;

        r = winrm_login_step(auth->login, buf_str(&wire->token), &token, err);
        if (r < 0 || (r == 1 && token.len == 0))
            return MIN(r, 0);
        told = tell_token(wire, &token, &status, err);
        if (told < 0)
            return told;
        if (status == STATUS_UNAUTHORIZED && wire->token.len == 0)
            return winrm_failed_login(err, options);
        if (status != STATUS_UNAUTHORIZED && status != STATUS_OK)
            return winrm_failed_status(err, options, status);
        if (status == STATUS_OK && r == 1)
            return 0;
        r = 0;
    }
    return r < 0 ? r : error_set(err, -EPROTO, "the instance's login does not end");
}

static int say_password(struct winrm_auth *auth, struct winrm_wire *wire, struct error *err)
{
    const struct remote_options *options = wire->options;
    autobuf struct buf both = BUF_SECRET;
    struct buf *line = &auth->authorization;
    long status = 0;
    int r;

    buf_addf(&both, "%s:%s", options->username, options->password ? options->password : "");
    buf_add_str(line, "Authorization: Basic ");
    (void) base64_encode(line, both.data, both.len);
    buf_inherit_error(line, &both);
    if (buf_error(line) < 0)
        return error_set(err, -ENOMEM, "HTTP: out of memory");
    r = winrm_wire_exchange(wire, buf_str(line), &status, err);
    if (r < 0)
        return r;
    if (status == STATUS_UNAUTHORIZED)
        return winrm_failed_login(err, options);
    return status == STATUS_OK ? 0 : winrm_failed_status(err, options, status);
}

/* A password is told as it is inside TLS alone, and to no stranger: the first key that an instance shows may be anybody's. */
static bool may_say_password(const struct remote_options *options)
{
    return winrm_tls_is_for(options) && !options->own_certificate;
}

int winrm_auth_make(struct winrm_auth *auth, struct winrm_wire *wire, int64_t deadline,
                    struct error *err)
{
    const struct remote_options *options = wire->options;
    long status = 0;
    int r;

    winrm_auth_drop(auth);
    r = winrm_wire_renew(wire, err);

    wire->deadline = MIN(deadline > 0 ? deadline : INT64_MAX,
                         now_ms() + fault_limit_ms("winrm_login", LOGIN_MS));
    if (r == 0)
        r = winrm_wire_exchange(wire, NULL, &status, err);
    if (r < 0)
        return r;
    if (status != STATUS_UNAUTHORIZED)
        return winrm_failed_status(err, options, status);
    if (wire->negotiates)
        return negotiate(auth, wire, err);
    if (wire->basic && may_say_password(options))
        return say_password(auth, wire, err);
    return winrm_failed_offer(err, options, wire->basic);
}
