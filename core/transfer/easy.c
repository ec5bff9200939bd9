/* core/transfer/easy.c - see easy.h. libcurl's sockets are not close-on-exec by themselves. */
#include "core/transfer/easy.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/socket.h>

#include "core/base/buf.h"
#include "core/base/fault.h"
#include "core/base/http.h"
#include "core/base/secret.h"
#include "core/base/str.h"

#define CONNECT_TIMEOUT_MS 30000
#define CONNECTION_MAX_AGE_S 900L

static curl_socket_t open_socket(void *arg, curlsocktype purpose, struct curl_sockaddr *address)
{
    (void) arg;
    (void) purpose;
    return socket(address->family, address->socktype | SOCK_CLOEXEC, address->protocol);
}

/* The proxy comes from the usual variables; libcurl itself ignores the upper-case one for http. */
static void set_proxy(CURL *easy, const char *url)
{
    const char *proxy = getenv("HTTP_PROXY");

    if (str_starts(url, "http://") && !getenv("http_proxy") && !str_empty(proxy))
        (void) curl_easy_setopt(easy, CURLOPT_PROXY, proxy);
}

void easy_set_common(CURL *easy, const char *url)
{
    (void) curl_easy_setopt(easy, CURLOPT_URL, url);
    (void) curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https");
    (void) curl_easy_setopt(easy, CURLOPT_FOLLOWLOCATION, 0L);
    (void) curl_easy_setopt(easy, CURLOPT_OPENSOCKETFUNCTION, open_socket);
    (void) curl_easy_setopt(easy, CURLOPT_USERAGENT, HTTP_USER_AGENT);
    (void) curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT_MS,
                            (long) fault_limit_ms("report_connect", CONNECT_TIMEOUT_MS));
    (void) curl_easy_setopt(easy, CURLOPT_MAXAGE_CONN, CONNECTION_MAX_AGE_S);
    (void) curl_easy_setopt(easy, CURLOPT_TCP_KEEPALIVE, 1L);
    (void) curl_easy_setopt(easy, CURLOPT_SSLVERSION, (long) CURL_SSLVERSION_TLSv1_2);
    set_proxy(easy, url);
}

int easy_add_header(struct curl_slist **headers, const char *fmt, ...)
{
    autobuf struct buf line = BUF_SECRET;
    struct curl_slist *grown;
    va_list args;

    va_start(args, fmt);
    buf_vaddf(&line, fmt, args);
    va_end(args);
    grown = buf_error(&line) ? NULL : curl_slist_append(*headers, buf_str(&line));
    if (!grown)
        return -ENOMEM;
    *headers = grown;
    return 0;
}

void easy_free_headers(struct curl_slist **headers)
{
    for (struct curl_slist *item = *headers; item; item = item->next)
        secret_wipe_str(item->data);
    curl_slist_free_all(*headers);
    *headers = NULL;
}
