/* sdk/lib/http.c - see http.h. libcurl's multi interface, because it alone lets a wait end when somebody
 * cancels; its connections outlive the request. */
#include "sdk/lib/http.h"

#include <curl/curl.h>
#include <openssl/crypto.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#define BODY_MAX ((size_t) 8 << 20)
#define HEADERS_MAX ((size_t) 64 << 10) /* hardening.md 9 */
#define CONNECT_MS 10000
#define WAIT_MAX_MS 1000
#define RETRY_AFTER_MAX_S 600 /* hardening.md V16 */

struct flt_http {
    CURLM *multi;
    char *user_agent;
};

/* Bytes that may be secret: wiped wherever they were. */
struct bytes {
    char *data; /* NUL behind them */
    size_t len, room, max;
    int is_over; /* there were more than `max` */
};

struct transfer {
    CURL *easy;
    struct curl_slist *headers;
    const struct flt_http_request *request;
    struct bytes body, head;
    char detail[CURL_ERROR_SIZE];
    char *place; /* scheme, host and path: what may be told of the URL */
};

struct flt_http *flt_http_new(const char *user_agent)
{
    struct flt_http *http = calloc(1, sizeof(*http));

    if (!http)
        return NULL;
    http->multi = curl_multi_init();
    http->user_agent = strdup(user_agent ? user_agent : "flotilla");
    if (http->multi && http->user_agent)
        return http;
    flt_http_free(http);
    return NULL;
}

void flt_http_free(struct flt_http *http)
{
    if (!http)
        return;
    if (http->multi)
        (void) curl_multi_cleanup(http->multi);
    free(http->user_agent);
    free(http);
}

static void free_wiped(char *data, size_t len)
{
    if (data)
        OPENSSL_cleanse(data, len);
    free(data);
}

void flt_http_answer_done(struct flt_http_answer *answer)
{
    free_wiped(answer->body, answer->len);
    free_wiped(answer->headers, answer->headers ? strlen(answer->headers) : 0);
    *answer = (struct flt_http_answer) { 0 };
}

int flt_http_header(const struct flt_http_answer *answer, const char *name, char *ret, size_t size)
{
    size_t name_len = strlen(name);

    for (const char *line = answer->headers, *value; line; line = strchr(line, '\n')) {
        size_t len;

        line += *line == '\n';
        if (strncasecmp(line, name, name_len) != 0 || line[name_len] != ':')
            continue;
        value = line + name_len + 1;
        value += strspn(value, " \t");
        len = strcspn(value, "\n");
        while (len > 0 && strchr(" \t\r", value[len - 1]))
            len--;
        if (len >= size)
            return 0;
        memcpy(ret, value, len);
        ret[len] = '\0';
        return 1;
    }
    return 0;
}

/* 0, or -1 without memory. Not realloc(): it may leave a copy behind. */
static int make_room(struct bytes *bytes, size_t len)
{
    size_t room = bytes->room ? bytes->room : 4096;
    char *data;

    while (room <= bytes->len + len)
        room *= 2;
    if (room == bytes->room)
        return 0;
    data = malloc(room);
    if (!data)
        return -1;
    if (bytes->data)
        memcpy(data, bytes->data, bytes->len);
    free_wiped(bytes->data, bytes->len);
    bytes->data = data;
    bytes->room = room;
    return 0;
}

static int add_bytes(struct bytes *bytes, const char *data, size_t len)
{
    if (len > bytes->max - bytes->len) {
        bytes->is_over = 1;
        return -1;
    }
    if (make_room(bytes, len) < 0)
        return -1;
    memcpy(bytes->data + bytes->len, data, len);
    bytes->len += len;
    bytes->data[bytes->len] = '\0';
    return 0;
}

static size_t on_body(char *data, size_t one, size_t len, void *arg)
{
    struct transfer *transfer = arg;

    return add_bytes(&transfer->body, data, one * len) < 0 ? 0 : one * len;
}

static size_t on_header(char *data, size_t one, size_t size, void *arg)
{
    struct transfer *transfer = arg;
    size_t len = one * size;

    if (len > 5 && strncmp(data, "HTTP/", 5) == 0) /* what came before was for a while only: 100 */
        transfer->head.len = 0;
    while (len > 0 && (data[len - 1] == '\n' || data[len - 1] == '\r'))
        len--;
    if (add_bytes(&transfer->head, data, len) < 0 || add_bytes(&transfer->head, "\n", 1) < 0)
        return 0;
    return one * size;
}

/* libcurl's own are not close-on-exec. (Its pair for waking up a wait is out of reach; it leads nowhere.) */
static curl_socket_t open_socket(void *arg, curlsocktype purpose, struct curl_sockaddr *address)
{
    (void) arg;
    (void) purpose;
    return socket(address->family, address->socktype | SOCK_CLOEXEC, address->protocol);
}

static char *part_of(CURLU *url, CURLUPart part)
{
    char *text = NULL;

    return curl_url_get(url, part, &text, 0) == CURLUE_OK ? text : NULL;
}

/* "https://host/path"; NULL when the URL is none of ours. */
static char *make_place(const char *text)
{
    CURLU *url = curl_url();
    char *user = NULL, *whole = NULL, *ret = NULL;

    if (url && curl_url_set(url, CURLUPART_URL, text, 0) == CURLUE_OK) {
        user = part_of(url, CURLUPART_USER);
        (void) curl_url_set(url, CURLUPART_QUERY, NULL, 0);
        (void) curl_url_set(url, CURLUPART_FRAGMENT, NULL, 0);
        whole = part_of(url, CURLUPART_URL);
    }
    if (whole && !user && (strncmp(whole, "http://", 7) == 0 || strncmp(whole, "https://", 8) == 0))
        ret = strdup(whole);
    curl_free(user);
    curl_free(whole);
    curl_url_cleanup(url);
    return ret;
}

static int is_named(const struct flt_http_request *request, const char *name)
{
    for (size_t i = 0; i < request->n_headers; i++)
        if (strncasecmp(request->headers[i], name, strlen(name)) == 0)
            return 1;
    return 0;
}

/* The first header that would be two; NULL when there is none. */
static const char *broken_header(const struct flt_http_request *request)
{
    for (size_t i = 0; i < request->n_headers; i++)
        if (strpbrk(request->headers[i], "\r\n"))
            return request->headers[i];
    return NULL;
}

static int add_header(struct transfer *transfer, const char *line)
{
    struct curl_slist *grown = curl_slist_append(transfer->headers, line);

    if (!grown)
        return -1;
    transfer->headers = grown;
    return 0;
}

static int set_headers(struct transfer *transfer)
{
    const struct flt_http_request *request = transfer->request;

    for (size_t i = 0; i < request->n_headers; i++)
        if (add_header(transfer, request->headers[i]) < 0)
            return -1;
    /* libcurl would wait for a "100 Continue", and call every body a form. */
    if (add_header(transfer, "Expect:") < 0 ||
        (!is_named(request, "Content-Type:") && add_header(transfer, "Content-Type:") < 0))
        return -1;
    (void) curl_easy_setopt(transfer->easy, CURLOPT_HTTPHEADER, transfer->headers);
    return 0;
}

static void set_method(CURL *easy, const struct flt_http_request *request)
{
    int has_body = request->body || strcmp(request->method, "PUT") == 0 ||
                   strcmp(request->method, "POST") == 0;

    if (has_body) {
        (void) curl_easy_setopt(easy, CURLOPT_POSTFIELDS, request->body ? request->body : "");
        (void) curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t) request->body_len);
    }
    if (strcmp(request->method, "HEAD") == 0)
        (void) curl_easy_setopt(easy, CURLOPT_NOBODY, 1L);
    else
        (void) curl_easy_setopt(easy, CURLOPT_CUSTOMREQUEST, request->method);
}

/* The proxy comes from the usual variables; libcurl itself ignores the upper-case one for http. */
static void set_proxy(CURL *easy, const struct flt_http_request *request)
{
    const char *proxy = getenv("HTTP_PROXY");

    if (request->direct)
        (void) curl_easy_setopt(easy, CURLOPT_NOPROXY, "*");
    else if (strncmp(request->url, "http://", 7) == 0 && !getenv("http_proxy") && proxy && *proxy)
        (void) curl_easy_setopt(easy, CURLOPT_PROXY, proxy);
}

static void set_limits(CURL *easy, const struct flt_http_request *request)
{
    int64_t connect_ms = request->connect_ms > 0 ? request->connect_ms : CONNECT_MS;

    (void) curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https");
    (void) curl_easy_setopt(easy, CURLOPT_FOLLOWLOCATION, 0L);
    (void) curl_easy_setopt(easy, CURLOPT_SSLVERSION, (long) CURL_SSLVERSION_TLSv1_2);
    (void) curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT_MS, (long) connect_ms);
    (void) curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
    /* A name server that does not answer would hold up whoever cancels. */
    (void) curl_easy_setopt(easy, CURLOPT_QUICK_EXIT, 1L);
    (void) curl_easy_setopt(easy, CURLOPT_HTTP_VERSION, (long) CURL_HTTP_VERSION_1_1);
    if (request->once)
        (void) curl_easy_setopt(easy, CURLOPT_FRESH_CONNECT, 1L);
    if (request->ca_file)
        (void) curl_easy_setopt(easy, CURLOPT_CAINFO, request->ca_file);
}

static int prepare(struct flt_http *http, struct transfer *transfer)
{
    CURL *easy = transfer->easy = curl_easy_init();

    if (!easy)
        return -1;
    set_limits(easy, transfer->request);
    set_method(easy, transfer->request);
    set_proxy(easy, transfer->request);
    (void) curl_easy_setopt(easy, CURLOPT_URL, transfer->request->url);
    (void) curl_easy_setopt(easy, CURLOPT_PATH_AS_IS, 1L); /* it may be signed */
    (void) curl_easy_setopt(easy, CURLOPT_USERAGENT, http->user_agent);
    (void) curl_easy_setopt(easy, CURLOPT_OPENSOCKETFUNCTION, open_socket);
    (void) curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, transfer->detail);
    (void) curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, on_body);
    (void) curl_easy_setopt(easy, CURLOPT_WRITEDATA, transfer);
    (void) curl_easy_setopt(easy, CURLOPT_HEADERFUNCTION, on_header);
    (void) curl_easy_setopt(easy, CURLOPT_HEADERDATA, transfer);
    return set_headers(transfer);
}

static void transfer_done(struct flt_http *http, struct transfer *transfer)
{
    if (transfer->easy) {
        (void) curl_multi_remove_handle(http->multi, transfer->easy);
        curl_easy_cleanup(transfer->easy);
    }
    for (struct curl_slist *line = transfer->headers; line; line = line->next)
        OPENSSL_cleanse(line->data, strlen(line->data));
    curl_slist_free_all(transfer->headers);
    free_wiped(transfer->body.data, transfer->body.len);
    free_wiped(transfer->head.data, transfer->head.len);
    free(transfer->place);
}

static int64_t time_left_ms(const struct flt_watch *watch, int64_t timeout_ms, int64_t start_ms)
{
    int64_t left = flt_watch_left_ms(watch), own;

    if (timeout_ms <= 0)
        return left;
    own = timeout_ms - (flt_monotonic_ms() - start_ms);
    return own < left ? own : left;
}

/* FLT_OK when libcurl has ended it, for better or worse: *ret. */
static int32_t drive(CURLM *multi, const struct flt_watch *watch, int64_t timeout_ms, CURLcode *ret)
{
    int64_t start = flt_monotonic_ms();

    for (;;) {
        struct curl_waitfd cancel = { .fd = flt_watch_cancel_fd(watch),
                                      .events = CURL_WAIT_POLLIN };
        int running = 0, rest = 0;
        const CURLMsg *message;
        int32_t r = flt_watch_ended(watch);
        int64_t left = time_left_ms(watch, timeout_ms, start);

        if (r != FLT_OK)
            return r;
        if (left <= 0)
            return FLT_E_TIMEOUT;
        if (curl_multi_perform(multi, &running) != CURLM_OK)
            return FLT_E_INTERNAL;
        message = running == 0 ? curl_multi_info_read(multi, &rest) : NULL;
        if (message && message->msg == CURLMSG_DONE) {
            *ret = message->data.result;
            return FLT_OK;
        }
        if (curl_multi_poll(multi, &cancel, cancel.fd >= 0,
                            left < WAIT_MAX_MS ? (int) left : WAIT_MAX_MS, NULL) != CURLM_OK)
            return FLT_E_INTERNAL;
    }
}

static int32_t explain(const struct transfer *transfer, int32_t r, CURLcode code, char *error)
{
    char limit[64] = "";
    const char *why = *transfer->detail ? transfer->detail : curl_easy_strerror(code);

    if (r == FLT_E_CANCELLED)
        why = "cancelled";
    else if (r == FLT_E_TIMEOUT)
        why = "no complete answer in time";
    else if (r == FLT_E_INTERNAL)
        why = "out of memory";
    else if (transfer->body.is_over || transfer->head.is_over) {
        (void) snprintf(limit, sizeof(limit), "the answer's %s more than %zu bytes",
                        transfer->body.is_over ? "body has" : "headers have",
                        transfer->body.is_over ? transfer->body.max : transfer->head.max);
        why = limit;
    }
    (void) snprintf(error, FLT_HTTP_ERROR_MAX, "%s %s: %s", transfer->request->method,
                    transfer->request->shown ? transfer->request->shown : transfer->place, why);
    return r;
}

/* The answer takes the bytes over. */
static int take_answer(struct transfer *transfer, struct flt_http_answer *ret)
{
    char date[64];
    curl_off_t retry_after_s = 0;

    if (make_room(&transfer->body, 0) < 0 || make_room(&transfer->head, 0) < 0)
        return -1;
    transfer->body.data[transfer->body.len] = transfer->head.data[transfer->head.len] = '\0';
    (void) curl_easy_getinfo(transfer->easy, CURLINFO_RESPONSE_CODE, &ret->status);
    (void) curl_easy_getinfo(transfer->easy, CURLINFO_RETRY_AFTER, &retry_after_s);
    ret->body = transfer->body.data;
    ret->len = transfer->body.len;
    ret->headers = transfer->head.data;
    transfer->body.data = transfer->head.data = NULL;
    if (flt_http_header(ret, "Date", date, sizeof(date)))
        ret->date_s = curl_getdate(date, NULL);
    if (ret->date_s < 0)
        ret->date_s = 0;
    if (retry_after_s > RETRY_AFTER_MAX_S)
        retry_after_s = RETRY_AFTER_MAX_S;
    ret->retry_after_ms = flt_http_header(ret, "Retry-After", date, sizeof(date))
                              ? (int64_t) retry_after_s * 1000
                              : -1;
    return 0;
}

static int was_sent(CURL *easy)
{
    long bytes = 0;

    return curl_easy_getinfo(easy, CURLINFO_REQUEST_SIZE, &bytes) != CURLE_OK || bytes > 0;
}

static int32_t do_transfer(struct flt_http *http, struct transfer *transfer,
                           const struct flt_watch *watch, struct flt_http_answer *ret, char *error)
{
    CURLcode code = CURLE_OK;
    int32_t r;

    if (prepare(http, transfer) < 0 ||
        curl_multi_add_handle(http->multi, transfer->easy) != CURLM_OK)
        return explain(transfer, FLT_E_INTERNAL, CURLE_OUT_OF_MEMORY, error);
    r = drive(http->multi, watch, transfer->request->timeout_ms, &code);
    ret->sent = was_sent(transfer->easy);
    if (r == FLT_OK && code == CURLE_OUT_OF_MEMORY)
        r = FLT_E_INTERNAL;
    else if (r == FLT_OK && code != CURLE_OK)
        r = FLT_E_UNAVAILABLE;
    if (r == FLT_OK && take_answer(transfer, ret) < 0)
        r = FLT_E_INTERNAL;
    return r == FLT_OK ? r : explain(transfer, r, code, error);
}

int32_t flt_http_do(struct flt_http *http, const struct flt_http_request *request,
                    const struct flt_watch *watch, struct flt_http_answer *ret, char *error)
{
    struct transfer transfer = {
        .request = request,
        .body = { .max = request->max_bytes > 0 ? request->max_bytes : BODY_MAX },
        .head = { .max = HEADERS_MAX },
    };
    const char *broken = broken_header(request);
    int32_t r = FLT_E_INVALID;

    *ret = (struct flt_http_answer) { .retry_after_ms = -1 };
    *error = '\0';
    transfer.place = make_place(request->url);
    if (!transfer.place)
        (void) snprintf(error, FLT_HTTP_ERROR_MAX,
                        "%s: the URL is not of the form http(s)://host/path", request->method);
    else if (broken)
        (void) snprintf(error, FLT_HTTP_ERROR_MAX, "%s %s: the value of %.*s has a line break",
                        request->method, transfer.place, (int) strcspn(broken, ":\r\n"), broken);
    else
        r = do_transfer(http, &transfer, watch, ret, error);
    transfer_done(http, &transfer);
    return r;
}
