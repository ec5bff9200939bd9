/* core/job/connect/winrm_wire.c - see the header. */
#include "core/job/connect/winrm_wire.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "core/base/str.h"
#include "core/job/connect/remote_tcp.h"
#include "core/job/connect/remote_wait.h"
#include "core/job/connect/ssh_failure.h"
#include "core/job/connect/winrm_failure.h"

#define ANSWER_MAX (1024 * 1024)
#define TOKEN_MAX (64 * 1024)

/* Callbacks. */

static curl_socket_t open_socket(void *arg, curlsocktype purpose, struct curl_sockaddr *address)
{
    struct winrm_wire *wire = arg;
    int fd = -1;

    (void) purpose;
    (void) address;
    if (!wire->may_connect)
        (void) ssh_failed_lost(&wire->why, "asking the instance", NULL);
    else if (remote_tcp_open(wire->options, wire->deadline, &fd, &wire->why) < 0)
        fd = -1;
    wire->fd = fd;
    return fd < 0 ? CURL_SOCKET_BAD : fd;
}

static int set_socket(void *arg, curl_socket_t fd, curlsocktype purpose)
{
    (void) arg;
    (void) fd;
    (void) purpose;
    return CURL_SOCKOPT_ALREADY_CONNECTED;
}

static int close_socket(void *arg, curl_socket_t fd)
{
    struct winrm_wire *wire = arg;

    if (fd == wire->fd)
        wire->fd = -1;
    return close(fd);
}

static size_t take_body(char *data, size_t size, size_t n, void *arg)
{
    struct winrm_wire *wire = arg;

    buf_add(&wire->body, data, size * n);
    return buf_error(&wire->body) < 0 ? 0 : size * n;
}

/* What stands behind the name, without the white space around it; NULL when it is another header's line. */
static const char *value_of(const char *line, const char *name)
{
    size_t len = strlen(name);

    if (strncasecmp(line, name, len) != 0 || line[len] != ':')
        return NULL;
    return line + len + 1 + strspn(line + len + 1, " \t");
}

static void take_challenge(struct winrm_wire *wire, const char *value)
{
    static const char negotiate[] = "Negotiate";
    size_t len = strcspn(value, " \t\r\n");

    if (len == strlen("Basic") && strncasecmp(value, "Basic", len) == 0)
        wire->basic = true;
    if (len != strlen(negotiate) || strncasecmp(value, negotiate, len) != 0)
        return;
    wire->negotiates = true;
    value += len + strspn(value + len, " \t");
    buf_clear(&wire->token);
    buf_add(&wire->token, value, strcspn(value, " \t\r\n"));
}

static size_t take_header(char *data, size_t size, size_t n, void *arg)
{
    struct winrm_wire *wire = arg;
    autobuf struct buf line = BUF_INIT;
    const char *value;

    buf_add(&line, data, size * n);
    if (str_starts(buf_str(&line), "HTTP/")) {
        if (winrm_tls_is_for(wire->options) && wire->channel.len == 0)
            winrm_tls_channel(wire->easy, &wire->channel);
        wire->negotiates = wire->basic = wire->sealed = false;
        buf_clear(&wire->token);
    }
    value = value_of(buf_str(&line), "WWW-Authenticate");
    if (value)
        take_challenge(wire, value);
    value = value_of(buf_str(&line), "Content-Type");
    if (value)
        wire->sealed =
            strncasecmp(value, "multipart/encrypted", strlen("multipart/encrypted")) == 0;
    return size * n;
}

/* Its handles. */

void winrm_wire_drop(struct winrm_wire *wire)
{
    if (wire->busy)
        (void) curl_multi_remove_handle(wire->multi, wire->easy);
    wire->busy = false;
    curl_easy_cleanup(wire->easy);
    wire->easy = NULL;
    if (wire->multi)
        (void) curl_multi_cleanup(wire->multi);
    wire->multi = NULL;
    curl_slist_free_all(wire->headers);
    curl_slist_free_all(wire->place);
    wire->headers = wire->place = NULL;
    buf_clear(&wire->channel);
    wire->fd = -1;
}

static int set_options(struct winrm_wire *wire)
{
    CURL *easy = wire->easy;
    autobuf struct buf place = BUF_INIT;

    /* The name is looked up where the socket is made. */
    buf_addf(&place, "::127.0.0.1:%u", wire->options->port);
    wire->place = curl_slist_append(NULL, buf_str(&place));
    (void) curl_multi_setopt(wire->multi, CURLMOPT_MAXCONNECTS, 1L);
    if (!wire->place || curl_easy_setopt(easy, CURLOPT_URL, wire->url) != CURLE_OK ||
        curl_easy_setopt(easy, CURLOPT_CONNECT_TO, wire->place) != CURLE_OK ||
        curl_easy_setopt(easy, CURLOPT_PROXY, "") != CURLE_OK ||
        curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https") != CURLE_OK ||
        curl_easy_setopt(easy, CURLOPT_HTTP_VERSION, (long) CURL_HTTP_VERSION_1_1) != CURLE_OK ||
        curl_easy_setopt(easy, CURLOPT_POST, 1L) != CURLE_OK ||
        curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L) != CURLE_OK ||
        curl_easy_setopt(easy, CURLOPT_OPENSOCKETFUNCTION, open_socket) != CURLE_OK ||
        curl_easy_setopt(easy, CURLOPT_OPENSOCKETDATA, wire) != CURLE_OK ||
        curl_easy_setopt(easy, CURLOPT_SOCKOPTFUNCTION, set_socket) != CURLE_OK ||
        curl_easy_setopt(easy, CURLOPT_CLOSESOCKETFUNCTION, close_socket) != CURLE_OK ||
        curl_easy_setopt(easy, CURLOPT_CLOSESOCKETDATA, wire) != CURLE_OK ||
        curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, take_body) != CURLE_OK ||
        curl_easy_setopt(easy, CURLOPT_WRITEDATA, wire) != CURLE_OK ||
        curl_easy_setopt(easy, CURLOPT_HEADERFUNCTION, take_header) != CURLE_OK ||
        curl_easy_setopt(easy, CURLOPT_HEADERDATA, wire) != CURLE_OK)
        return -ENOMEM;
    return winrm_tls_set(easy, &wire->tls);
}

int winrm_wire_renew(struct winrm_wire *wire, struct error *err)
{
    winrm_wire_drop(wire);
    wire->multi = curl_multi_init();
    wire->easy = curl_easy_init();
    if (!wire->multi || !wire->easy || set_options(wire) < 0)
        return error_set(err, -ENOMEM, "HTTP: out of memory");
    return 0;
}

void winrm_wire_init(struct winrm_wire *wire, const struct remote_options *options, const char *url)
{
    *wire = (struct winrm_wire) { .options = options, .url = url, .fd = -1 };
    wire->tls = (struct winrm_tls) { .options = options, .why = &wire->why };
    wire->request.secret = true;
    wire->body.max = ANSWER_MAX;
    wire->token.max = TOKEN_MAX;
}

void winrm_wire_done(struct winrm_wire *wire)
{
    winrm_wire_drop(wire);
    buf_done(&wire->request);
    buf_done(&wire->body);
    buf_done(&wire->token);
    buf_done(&wire->channel);
}

/* One request. */

static int set_headers(struct winrm_wire *wire, const char *type, const char *authorization)
{
    struct curl_slist *last;
    const char *const lines[] = { type, "Expect:", authorization };

    curl_slist_free_all(wire->headers);
    wire->headers = NULL;
    for (size_t i = 0; i < ARRAY_LEN(lines) && lines[i]; i++) {
        last = curl_slist_append(wire->headers, lines[i]);
        if (!last)
            return -ENOMEM;
        wire->headers = last;
    }
    return curl_easy_setopt(wire->easy, CURLOPT_HTTPHEADER, wire->headers) == CURLE_OK ? 0
                                                                                       : -ENOMEM;
}

int winrm_wire_start(struct winrm_wire *wire, const char *type, const char *authorization,
                     struct error *err)
{
    buf_clear(&wire->body);
    wire->why = (struct error) { 0 };
    wire->result = CURLE_OK;
    if (buf_error(&wire->request) < 0 || set_headers(wire, type, authorization) < 0 ||
        curl_easy_setopt(wire->easy, CURLOPT_POSTFIELDS, buf_str(&wire->request)) != CURLE_OK ||
        curl_easy_setopt(wire->easy, CURLOPT_POSTFIELDSIZE, (long) wire->request.len) != CURLE_OK ||
        curl_multi_add_handle(wire->multi, wire->easy) != CURLM_OK)
        return error_set(err, -ENOMEM, "HTTP: out of memory");
    wire->busy = true;
    return 0;
}

void winrm_wire_go_on(struct winrm_wire *wire)
{
    int running = 0, left = 0;
    const CURLMsg *message;

    (void) curl_multi_perform(wire->multi, &running);
    while ((message = curl_multi_info_read(wire->multi, &left))) {
        if (message->msg != CURLMSG_DONE)
            continue;
        wire->result = message->data.result;
        wire->busy = false;
    }
    if (!wire->busy)
        (void) curl_multi_remove_handle(wire->multi, wire->easy);
}

/* What it waits for; false when there is no need to wait. */
static bool must_wait(const struct winrm_wire *wire, struct pollfd *ret, int64_t *until)
{
    fd_set reads, writes, errors;
    int max = -1;
    long ms = -1;

    *ret = (struct pollfd) { .fd = -1 };
    FD_ZERO(&reads);
    FD_ZERO(&writes);
    FD_ZERO(&errors);
    (void) curl_multi_timeout(wire->multi, &ms);
    if (ms == 0 || curl_multi_fdset(wire->multi, &reads, &writes, &errors, &max) != CURLM_OK)
        return false;
    if (ms > 0)
        *until = MIN(*until, now_ms() + ms);
    if (wire->fd >= 0 && wire->fd <= max) {
        ret->fd = wire->fd;
        ret->events = (short) ((FD_ISSET(wire->fd, &reads) ? POLLIN : 0) |
                               (FD_ISSET(wire->fd, &writes) ? POLLOUT : 0));
    }
    return true;
}

int winrm_wire_wait(struct winrm_wire *const *wires, size_t n, const struct pollfd *others,
                    size_t n_others, int64_t deadline)
{
    struct pollfd fds[REMOTE_WAIT_FDS];
    const struct remote_watch *watch = NULL;
    int64_t until = deadline > 0 ? deadline : INT64_MAX;
    size_t n_fds = 0;
    bool wait = true;
    int r;

    for (size_t i = 0; i < n; i++) {
        watch = &wires[i]->options->watch;
        if (wires[i]->busy)
            wait &= must_wait(wires[i], &fds[n_fds++], &until);
    }
    for (size_t i = 0; i < n_others; i++)
        fds[n_fds++] = others[i];
    r = wait ? remote_wait(watch, fds, n_fds, until) : remote_may_go_on(watch, deadline);
    if (r == -ETIMEDOUT && (deadline == 0 || now_ms() < deadline))
        r = 0;
    for (size_t i = 0; r >= 0 && i < n; i++)
        if (wires[i]->busy)
            winrm_wire_go_on(wires[i]);
    return MIN(r, 0);
}

int winrm_wire_finish(struct winrm_wire *wire, int64_t deadline, struct error *err)
{
    int r = 0;

    while (r == 0 && wire->busy)
        r = winrm_wire_wait(&wire, 1, NULL, 0, deadline);
    if (r == -ETIMEDOUT)
        return winrm_failed_late(err, wire->options->address);
    return r < 0 ? error_errno(err, r, "stopped") : 0;
}

long winrm_wire_status(const struct winrm_wire *wire)
{
    long status = 0;

    (void) curl_easy_getinfo(wire->easy, CURLINFO_RESPONSE_CODE, &status);
    return status;
}

int winrm_wire_check(struct winrm_wire *wire, struct error *err)
{
    if (wire->result == CURLE_OK)
        return 0;
    if (*wire->why.message)
        return error_set(err, wire->why.code, "%s", wire->why.message);
    if (wire->result == CURLE_PEER_FAILED_VERIFICATION)
        return winrm_failed_certificate(err, wire->options->address);
    if (wire->result == CURLE_WRITE_ERROR)
        return error_set(err, -EPROTO, "the instance's answer is longer than %d bytes", ANSWER_MAX);
    return winrm_failed_http(err, wire->options->address, curl_easy_strerror(wire->result));
}

int winrm_wire_exchange(struct winrm_wire *wire, const char *authorization, long *ret_status,
                        struct error *err)
{
    int r;

    buf_clear(&wire->request);
    wire->may_connect = true;
    r = winrm_wire_start(wire, "Content-Type: application/soap+xml;charset=UTF-8", authorization,
                         err);
    if (r == 0)
        r = winrm_wire_finish(wire, wire->deadline, err);
    wire->may_connect = false;
    if (r == 0)
        r = winrm_wire_check(wire, err);
    if (r == 0)
        *ret_status = winrm_wire_status(wire);
    return r;
}
