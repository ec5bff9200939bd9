/* core/job/connect/winrm_http.c - see the header. The connection is winrm_wire.c's, the login winrm_auth.c's. */
#include "core/job/connect/winrm_http.h"

#include <errno.h>
#include <stdlib.h>

#include "core/base/mem.h"
#include "core/base/str.h"
#include "core/job/connect/winrm_auth.h"
#include "core/job/connect/winrm_failure.h"
#include "core/job/connect/winrm_sealed.h"
#include "core/job/connect/winrm_wire.h"

#define CONNECTIONS 2 /* that are waited for at once */
#define STATUS_OK 200
#define STATUS_TOO_LARGE 413
#define STATUS_FAULT 500

struct winrm_http {
    struct winrm_wire wire;
    struct winrm_auth auth;
    bool logged_in;
    bool unread; /* an answer was not taken: what encrypts would lose count */
};

struct winrm_http *winrm_http_new(struct winrm_site *site)
{
    struct winrm_http *http = mem_zero(sizeof(*http));

    if (!http)
        return NULL;
    winrm_wire_init(&http->wire, &site->options, site->url);
    return http;
}

static void drop_connection(struct winrm_http *http)
{
    winrm_wire_drop(&http->wire);
    winrm_auth_drop(&http->auth);
    http->unread = http->logged_in = false;
}

void winrm_http_free(struct winrm_http *http)
{
    if (!http)
        return;
    drop_connection(http);
    winrm_wire_done(&http->wire);
    free(http);
}

void winrm_http_abandon(struct winrm_http *http)
{
    if (http->unread)
        drop_connection(http);
}

bool winrm_http_is_busy(const struct winrm_http *http)
{
    return http->wire.busy;
}

int winrm_http_wait(struct winrm_http *const *https, size_t n, const struct pollfd *others,
                    size_t n_others, int64_t deadline)
{
    struct winrm_wire *wires[CONNECTIONS];

    n = MIN(n, ARRAY_LEN(wires));
    for (size_t i = 0; i < n; i++)
        wires[i] = &https[i]->wire;
    return winrm_wire_wait(wires, n, others, n_others, deadline);
}

/* An instance closes what is idle for some minutes. */
static bool is_open(const struct winrm_http *http)
{
    struct pollfd ready = { .fd = http->wire.fd, .events = POLLIN };

    return http->wire.fd >= 0 && poll(&ready, 1, 0) == 0;
}

/* Envelopes. */

static int send_envelope(struct winrm_http *http, const struct buf *envelope, struct error *err)
{
    bool seal = http->auth.login && !winrm_tls_is_for(http->wire.options);
    int r = 0;

    buf_clear(&http->wire.request);
    if (seal)
        r = winrm_login_seal(http->auth.login, envelope, &http->wire.request, err);
    else
        buf_add(&http->wire.request, envelope->data, envelope->len);
    if (r < 0)
        return r;
    return winrm_wire_start(
        &http->wire,
        seal ? "Content-Type: " SEALED_TYPE : "Content-Type: application/soap+xml;charset=UTF-8",
        http->auth.authorization.len > 0 ? buf_str(&http->auth.authorization) : NULL, err);
}

int winrm_http_begin(struct winrm_http *http, const struct buf *envelope, int64_t deadline,
                     struct error *err)
{
    int r = 0;

    if (buf_error(envelope) < 0)
        return error_set(err, -ENOMEM, "WinRM: out of memory");
    if (!http->logged_in || !is_open(http)) {
        r = winrm_auth_make(&http->auth, &http->wire, deadline, err);
        http->logged_in = r == 0;
    }
    if (r == 0)
        r = send_envelope(http, envelope, err);
    if (r < 0) {
        drop_connection(http);
        return r;
    }
    http->unread = true;
    winrm_wire_go_on(&http->wire);
    return 0;
}

int winrm_http_answer(struct winrm_http *http, struct buf *out, struct error *err)
{
    int r = winrm_wire_check(&http->wire, err);
    long status = r == 0 ? winrm_wire_status(&http->wire) : 0;

    if (r < 0) {
        http->logged_in = false;
        return r;
    }
    if (status == STATUS_TOO_LARGE) {
        drop_connection(http); /* nobody knows whether its encryption has counted the message */
        return error_set(err, -EMSGSIZE, "the instance takes no request of that size");
    }
    if (status != STATUS_OK && status != STATUS_FAULT)
        return winrm_failed_status(err, http->wire.options, status);
    http->unread = false;
    if (http->wire.sealed && http->auth.login)
        return winrm_login_open(http->auth.login, &http->wire.body, out, err);
    if (http->auth.login && !winrm_tls_is_for(http->wire.options))
        return error_set(err, -EPROTO, "the instance's answer is not encrypted");
    buf_add(out, http->wire.body.data, http->wire.body.len);
    return buf_error(out) < 0 ? error_set(err, -ENOMEM, "WinRM: out of memory") : 0;
}

int winrm_http_finish(struct winrm_http *http, int64_t deadline, struct error *err)
{
    return winrm_wire_finish(&http->wire, deadline, err);
}

int winrm_http_ask(struct winrm_http *http, const struct buf *envelope, int64_t deadline,
                   struct buf *out, struct error *err)
{
    int r = winrm_http_begin(http, envelope, deadline, err);

    if (r == 0)
        r = winrm_http_finish(http, deadline, err);
    if (r < 0)
        winrm_http_abandon(http);
    return r < 0 ? r : winrm_http_answer(http, out, err);
}
