/* core/job/connect/winrm_http.c - see the header. */
#include "core/job/connect/winrm_http.h"

#include <curl/curl.h>
#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "core/base/fault.h"
#include "core/base/mem.h"
#include "core/base/str.h"
#include "core/job/connect/remote_tcp.h"
#include "core/job/connect/remote_wait.h"
#include "core/job/connect/ssh_failure.h"
#include "core/job/connect/winrm_failure.h"
#include "core/job/connect/winrm_login.h"
#include "core/job/connect/winrm_sealed.h"
#include "core/job/connect/winrm_tls.h"

#define ANSWER_MAX (1024 * 1024)
#define TOKEN_MAX (64 * 1024)
#define LOGIN_MS 20000
#define LOGIN_ROUNDS 8
#define STATUS_OK 200
#define STATUS_UNAUTHORIZED 401
#define STATUS_TOO_LARGE 413
#define STATUS_FAULT 500

struct winrm_http {
    struct winrm_site *site;
    CURLM *multi;
    CURL *easy;
    struct curl_slist *headers, *place;
    int fd;
    bool may_connect; /* what is sent now begins a connection */
    bool busy;
    bool unread; /* an answer was not taken: what encrypts would lose count */
    CURLcode result;
    struct winrm_login *login; /* NULL by basic authentication */
    bool logged_in;
    struct buf request, body;
    struct buf authorization; /* of each request by basic authentication */
    /* What the last answer's headers say. */
    bool negotiates, basic, sealed;
    struct buf token;
    struct error why; /* of what happened in a callback */
    struct winrm_tls tls;
    int64_t deadline; /* of a connection that is made in one */
};

/* Callbacks. */

static curl_socket_t open_socket(void *arg, curlsocktype purpose, struct curl_sockaddr *address)
{
    struct winrm_http *http = arg;
    int fd = -1;

    (void) purpose;
    (void) address;
    if (!http->may_connect)
        (void) ssh_failed_lost(&http->why, "asking the instance", NULL);
    else if (remote_tcp_open(&http->site->options, http->deadline, &fd, &http->why) < 0)
        fd = -1;
    http->fd = fd;
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
    struct winrm_http *http = arg;

    if (fd == http->fd)
        http->fd = -1;
    return close(fd);
}

static size_t take_body(char *data, size_t size, size_t n, void *arg)
{
    struct winrm_http *http = arg;

    buf_add(&http->body, data, size * n);
    return buf_error(&http->body) < 0 ? 0 : size * n;
}

/* What stands behind the name, without the white space around it; NULL when it is another header's line. */
static const char *value_of(const char *line, const char *name)
{
    size_t len = strlen(name);

    if (strncasecmp(line, name, len) != 0 || line[len] != ':')
        return NULL;
    return line + len + 1 + strspn(line + len + 1, " \t");
}

static void take_challenge(struct winrm_http *http, const char *value)
{
    static const char negotiate[] = "Negotiate";
    size_t len = strcspn(value, " \t\r\n");

    if (len == strlen("Basic") && strncasecmp(value, "Basic", len) == 0)
        http->basic = true;
    if (len != strlen(negotiate) || strncasecmp(value, negotiate, len) != 0)
        return;
    http->negotiates = true;
    value += len + strspn(value + len, " \t");
    buf_clear(&http->token);
    buf_add(&http->token, value, strcspn(value, " \t\r\n"));
}

static size_t take_header(char *data, size_t size, size_t n, void *arg)
{
    struct winrm_http *http = arg;
    autobuf struct buf line = BUF_INIT;
    const char *value;

    buf_add(&line, data, size * n);
    if (str_starts(buf_str(&line), "HTTP/")) {
        http->negotiates = http->basic = http->sealed = false;
        buf_clear(&http->token);
    }
    value = value_of(buf_str(&line), "WWW-Authenticate");
    if (value)
        take_challenge(http, value);
    value = value_of(buf_str(&line), "Content-Type");
    if (value)
        http->sealed =
            strncasecmp(value, "multipart/encrypted", strlen("multipart/encrypted")) == 0;
    return size * n;
}

/* Its handles. */

static void drop_connection(struct winrm_http *http)
{
    if (http->busy)
        (void) curl_multi_remove_handle(http->multi, http->easy);
    http->busy = http->unread = http->logged_in = false;
    curl_easy_cleanup(http->easy);
    http->easy = NULL;
    if (http->multi)
        (void) curl_multi_cleanup(http->multi);
    http->multi = NULL;
    curl_slist_free_all(http->headers);
    curl_slist_free_all(http->place);
    http->headers = http->place = NULL;
    http->fd = -1;
    winrm_login_free(http->login);
    http->login = NULL;
    buf_clear(&http->authorization);
}

static int set_options(struct winrm_http *http)
{
    CURL *easy = http->easy;
    autobuf struct buf place = BUF_INIT;

    /* The name is looked up where the socket is made. */
    buf_addf(&place, "::127.0.0.1:%u", http->site->options.port);
    http->place = curl_slist_append(NULL, buf_str(&place));
    (void) curl_multi_setopt(http->multi, CURLMOPT_MAXCONNECTS, 1L);
    if (!http->place || curl_easy_setopt(easy, CURLOPT_URL, http->site->url) != CURLE_OK ||
        curl_easy_setopt(easy, CURLOPT_CONNECT_TO, http->place) != CURLE_OK ||
        curl_easy_setopt(easy, CURLOPT_PROXY, "") != CURLE_OK ||
        curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https") != CURLE_OK ||
        curl_easy_setopt(easy, CURLOPT_HTTP_VERSION, (long) CURL_HTTP_VERSION_1_1) != CURLE_OK ||
        curl_easy_setopt(easy, CURLOPT_POST, 1L) != CURLE_OK ||
        curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L) != CURLE_OK ||
        curl_easy_setopt(easy, CURLOPT_OPENSOCKETFUNCTION, open_socket) != CURLE_OK ||
        curl_easy_setopt(easy, CURLOPT_OPENSOCKETDATA, http) != CURLE_OK ||
        curl_easy_setopt(easy, CURLOPT_SOCKOPTFUNCTION, set_socket) != CURLE_OK ||
        curl_easy_setopt(easy, CURLOPT_CLOSESOCKETFUNCTION, close_socket) != CURLE_OK ||
        curl_easy_setopt(easy, CURLOPT_CLOSESOCKETDATA, http) != CURLE_OK ||
        curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, take_body) != CURLE_OK ||
        curl_easy_setopt(easy, CURLOPT_WRITEDATA, http) != CURLE_OK ||
        curl_easy_setopt(easy, CURLOPT_HEADERFUNCTION, take_header) != CURLE_OK ||
        curl_easy_setopt(easy, CURLOPT_HEADERDATA, http) != CURLE_OK)
        return -ENOMEM;
    return winrm_tls_set(easy, &http->tls);
}

static int new_connection(struct winrm_http *http, struct error *err)
{
    drop_connection(http);
    http->multi = curl_multi_init();
    http->easy = curl_easy_init();
    if (!http->multi || !http->easy || set_options(http) < 0)
        return error_set(err, -ENOMEM, "HTTP: out of memory");
    return 0;
}

struct winrm_http *winrm_http_new(struct winrm_site *site)
{
    struct winrm_http *http = mem_zero(sizeof(*http));

    if (!http)
        return NULL;
    http->site = site;
    http->fd = -1;
    http->tls = (struct winrm_tls) { .options = &site->options, .why = &http->why };
    http->request.secret = http->authorization.secret = true;
    http->body.max = ANSWER_MAX;
    http->token.max = TOKEN_MAX;
    return http;
}

void winrm_http_free(struct winrm_http *http)
{
    if (!http)
        return;
    drop_connection(http);
    buf_done(&http->request);
    buf_done(&http->authorization);
    buf_done(&http->body);
    buf_done(&http->token);
    free(http);
}

void winrm_http_abandon(struct winrm_http *http)
{
    if (http->unread)
        drop_connection(http);
}

bool winrm_http_is_busy(const struct winrm_http *http)
{
    return http->busy;
}

/* One request. */

static int set_headers(struct winrm_http *http, const char *type, const char *authorization)
{
    struct curl_slist *last;
    const char *const lines[] = { type, "Expect:", authorization };

    curl_slist_free_all(http->headers);
    http->headers = NULL;
    for (size_t i = 0; i < ARRAY_LEN(lines) && lines[i]; i++) {
        last = curl_slist_append(http->headers, lines[i]);
        if (!last)
            return -ENOMEM;
        http->headers = last;
    }
    return curl_easy_setopt(http->easy, CURLOPT_HTTPHEADER, http->headers) == CURLE_OK ? 0
                                                                                       : -ENOMEM;
}

/* The body is that of http->request. */
static int start(struct winrm_http *http, const char *type, const char *authorization,
                 struct error *err)
{
    buf_clear(&http->body);
    http->why = (struct error) { 0 };
    http->result = CURLE_OK;
    if (buf_error(&http->request) < 0 || set_headers(http, type, authorization) < 0 ||
        curl_easy_setopt(http->easy, CURLOPT_POSTFIELDS, buf_str(&http->request)) != CURLE_OK ||
        curl_easy_setopt(http->easy, CURLOPT_POSTFIELDSIZE, (long) http->request.len) != CURLE_OK ||
        curl_multi_add_handle(http->multi, http->easy) != CURLM_OK)
        return error_set(err, -ENOMEM, "HTTP: out of memory");
    http->busy = true;
    return 0;
}

static void go_on(struct winrm_http *http)
{
    int running = 0, left = 0;
    const CURLMsg *message;

    (void) curl_multi_perform(http->multi, &running);
    while ((message = curl_multi_info_read(http->multi, &left))) {
        if (message->msg != CURLMSG_DONE)
            continue;
        http->result = message->data.result;
        http->busy = false;
    }
    if (!http->busy)
        (void) curl_multi_remove_handle(http->multi, http->easy);
}

/* What it waits for; false when there is no need to wait. */
static bool must_wait(const struct winrm_http *http, struct pollfd *ret, int64_t *until)
{
    fd_set reads, writes, errors;
    int max = -1;
    long ms = -1;

    *ret = (struct pollfd) { .fd = -1 };
    FD_ZERO(&reads);
    FD_ZERO(&writes);
    FD_ZERO(&errors);
    (void) curl_multi_timeout(http->multi, &ms);
    if (ms == 0 || curl_multi_fdset(http->multi, &reads, &writes, &errors, &max) != CURLM_OK)
        return false;
    if (ms > 0)
        *until = MIN(*until, now_ms() + ms);
    if (http->fd >= 0 && http->fd <= max) {
        ret->fd = http->fd;
        ret->events = (short) ((FD_ISSET(http->fd, &reads) ? POLLIN : 0) |
                               (FD_ISSET(http->fd, &writes) ? POLLOUT : 0));
    }
    return true;
}

int winrm_http_wait(struct winrm_http *const *https, size_t n, const struct pollfd *others,
                    size_t n_others, int64_t deadline)
{
    struct pollfd fds[REMOTE_WAIT_FDS];
    const struct remote_watch *watch = NULL;
    int64_t until = deadline > 0 ? deadline : INT64_MAX;
    size_t n_fds = 0;
    bool wait = true;
    int r;

    for (size_t i = 0; i < n; i++) {
        if (!https[i])
            continue;
        watch = &https[i]->site->options.watch;
        if (https[i]->busy)
            wait &= must_wait(https[i], &fds[n_fds++], &until);
    }
    for (size_t i = 0; i < n_others; i++)
        fds[n_fds++] = others[i];
    r = wait ? remote_wait(watch, fds, n_fds, until) : remote_may_go_on(watch, deadline);
    if (r == -ETIMEDOUT && (deadline == 0 || now_ms() < deadline))
        r = 0;
    for (size_t i = 0; r >= 0 && i < n; i++)
        if (https[i] && https[i]->busy)
            go_on(https[i]);
    return MIN(r, 0);
}

static int wait_for_answer(struct winrm_http *http, int64_t deadline, struct error *err)
{
    int r = 0;

    while (r == 0 && http->busy)
        r = winrm_http_wait(&http, 1, NULL, 0, deadline);
    if (r == -ETIMEDOUT)
        return winrm_failed_late(err, http->site->options.address);
    return r < 0 ? error_errno(err, r, "stopped") : 0;
}

static long status_of(const struct winrm_http *http)
{
    long status = 0;

    (void) curl_easy_getinfo(http->easy, CURLINFO_RESPONSE_CODE, &status);
    return status;
}

/* Whether HTTP itself went well. */
static int check_result(struct winrm_http *http, struct error *err)
{
    if (http->result == CURLE_OK)
        return 0;
    http->logged_in = false;
    if (*http->why.message)
        return error_set(err, http->why.code, "%s", http->why.message);
    if (http->result == CURLE_PEER_FAILED_VERIFICATION)
        return winrm_failed_certificate(err, http->site->options.address);
    if (http->result == CURLE_WRITE_ERROR)
        return error_set(err, -EPROTO, "the instance's answer is longer than %d bytes", ANSWER_MAX);
    return winrm_failed_http(err, http->site->options.address, curl_easy_strerror(http->result));
}

/* A request of a login, which has no body. */
static int exchange(struct winrm_http *http, const char *authorization, long *ret_status,
                    struct error *err)
{
    int r;

    buf_clear(&http->request);
    http->may_connect = true;
    r = start(http, "Content-Type: application/soap+xml;charset=UTF-8", authorization, err);
    if (r == 0)
        r = wait_for_answer(http, http->deadline, err);
    http->may_connect = false;
    if (r == 0)
        r = check_result(http, err);
    if (r == 0)
        *ret_status = status_of(http);
    return r;
}

/* Logging in. */

static int tell_token(struct winrm_http *http, const struct buf *token, long *ret_status,
                      struct error *err)
{
    autobuf struct buf line = BUF_SECRET;

    buf_addf(&line, "Authorization: Negotiate %s", buf_str(token));
    if (buf_error(&line) < 0)
        return error_set(err, -ENOMEM, "HTTP: out of memory");
    return exchange(http, buf_str(&line), ret_status, err);
}

static int negotiate(struct winrm_http *http, struct error *err)
{
    const struct remote_options *options = &http->site->options;
    long status = STATUS_UNAUTHORIZED;
    int r = winrm_login_new(options, &http->login, err);

    buf_clear(&http->token);
    for (int round = 0; r == 0 && round < LOGIN_ROUNDS; round++) {
        autobuf struct buf token = BUF_SECRET;
        int told;

        r = winrm_login_step(http->login, buf_str(&http->token), &token, err);
        if (r < 0 || (r == 1 && token.len == 0))
            return MIN(r, 0);
        told = tell_token(http, &token, &status, err);
        if (told < 0)
            return told;
        if (status == STATUS_UNAUTHORIZED && http->token.len == 0)
            return winrm_failed_login(err, options);
        if (status != STATUS_UNAUTHORIZED && status != STATUS_OK)
            return winrm_failed_status(err, options, status);
        if (status == STATUS_OK && r == 1)
            return 0;
        r = 0;
    }
    return r < 0 ? r : error_set(err, -EPROTO, "the instance's login does not end");
}

static int say_password(struct winrm_http *http, struct error *err)
{
    const struct remote_options *options = &http->site->options;
    autobuf struct buf both = BUF_SECRET;
    struct buf *line = &http->authorization;
    long status = 0;
    int r;

    buf_addf(&both, "%s:%s", options->username, options->password ? options->password : "");
    buf_add_str(line, "Authorization: Basic ");
    (void) base64_encode(line, both.data, both.len);
    buf_inherit_error(line, &both);
    if (buf_error(line) < 0)
        return error_set(err, -ENOMEM, "HTTP: out of memory");
    r = exchange(http, buf_str(line), &status, err);
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

static int log_in(struct winrm_http *http, int64_t deadline, struct error *err)
{
    const struct remote_options *options = &http->site->options;
    long status = 0;
    int r = new_connection(http, err);

    http->deadline = MIN(deadline > 0 ? deadline : INT64_MAX,
                         now_ms() + fault_limit_ms("winrm_login", LOGIN_MS));
    if (r == 0)
        r = exchange(http, NULL, &status, err);
    if (r < 0)
        return r;
    if (status != STATUS_UNAUTHORIZED)
        return winrm_failed_status(err, options, status);
    if (http->negotiates)
        r = negotiate(http, err);
    else if (http->basic && may_say_password(options))
        r = say_password(http, err);
    else
        r = winrm_failed_offer(err, options, http->basic);
    http->logged_in = r == 0;
    return r;
}

/* An instance closes what is idle for some minutes. */
static bool is_open(const struct winrm_http *http)
{
    struct pollfd ready = { .fd = http->fd, .events = POLLIN };

    return http->fd >= 0 && poll(&ready, 1, 0) == 0;
}

/* Envelopes. */

static int send_envelope(struct winrm_http *http, const struct buf *envelope, struct error *err)
{
    bool seal = http->login && !winrm_tls_is_for(&http->site->options);
    int r = 0;

    buf_clear(&http->request);
    if (seal)
        r = winrm_login_seal(http->login, envelope, &http->request, err);
    else
        buf_add(&http->request, envelope->data, envelope->len);
    if (r < 0)
        return r;
    return start(http,
                 seal ? "Content-Type: " SEALED_TYPE
                      : "Content-Type: application/soap+xml;charset=UTF-8",
                 http->authorization.len > 0 ? buf_str(&http->authorization) : NULL, err);
}

int winrm_http_begin(struct winrm_http *http, const struct buf *envelope, int64_t deadline,
                     struct error *err)
{
    int r = 0;

    if (buf_error(envelope) < 0)
        return error_set(err, -ENOMEM, "WinRM: out of memory");
    if (!http->logged_in || !is_open(http))
        r = log_in(http, deadline, err);
    if (r == 0)
        r = send_envelope(http, envelope, err);
    if (r < 0) {
        drop_connection(http);
        return r;
    }
    http->unread = true;
    go_on(http);
    return 0;
}

int winrm_http_answer(struct winrm_http *http, struct buf *out, struct error *err)
{
    int r = check_result(http, err);
    long status = r == 0 ? status_of(http) : 0;

    if (r < 0)
        return r;
    if (status == STATUS_TOO_LARGE) {
        drop_connection(http); /* nobody knows whether its encryption has counted the message */
        return error_set(err, -EMSGSIZE, "the instance takes no request of that size");
    }
    if (status != STATUS_OK && status != STATUS_FAULT)
        return winrm_failed_status(err, &http->site->options, status);
    http->unread = false;
    if (http->sealed && http->login)
        return winrm_login_open(http->login, &http->body, out, err);
    if (http->login && !winrm_tls_is_for(&http->site->options))
        return error_set(err, -EPROTO, "the instance's answer is not encrypted");
    buf_add(out, http->body.data, http->body.len);
    return buf_error(out) < 0 ? error_set(err, -ENOMEM, "WinRM: out of memory") : 0;
}

int winrm_http_ask(struct winrm_http *http, const struct buf *envelope, int64_t deadline,
                   struct buf *out, struct error *err)
{
    int r = winrm_http_begin(http, envelope, deadline, err);

    if (r == 0)
        r = wait_for_answer(http, deadline, err);
    if (r < 0)
        winrm_http_abandon(http);
    return r < 0 ? r : winrm_http_answer(http, out, err);
}
