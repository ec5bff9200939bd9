/* core/coordinator/reach.c - see the header. No part of the API: the same name, way and certificates, and nothing more. */
#include "core/coordinator/reach.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/clock.h"
#include "core/base/str.h"
#include "core/transfer/easy.h"

#define PATIENCE_MS 20000L

static size_t drop_body(char *data, size_t size, size_t n, void *arg)
{
    (void) data;
    (void) arg;
    return size * n;
}

static size_t on_header(char *data, size_t size, size_t n, void *arg)
{
    struct coordinator_reached *reached = arg;
    char date[64];
    time_t when;

    if (size * n > 6 && strncasecmp(data, "Date: ", 6) == 0 && size * n - 6 < sizeof(date)) {
        memcpy(date, data + 6, size * n - 6);
        date[size * n - 6] = '\0';
        when = curl_getdate(date, NULL);
        if (when > 0)
            reached->date_ms = (int64_t) when * 1000;
    }
    return size * n;
}

static enum reach_trouble trouble_of(CURLcode code)
{
    switch (code) {
    case CURLE_OK:
        return REACH_WELL;
    case CURLE_COULDNT_RESOLVE_HOST:
        return REACH_NAME;
    case CURLE_COULDNT_CONNECT:
    case CURLE_OPERATION_TIMEDOUT:
    case CURLE_GOT_NOTHING:
    case CURLE_RECV_ERROR:
        return REACH_CONNECTION;
    case CURLE_PEER_FAILED_VERIFICATION:
    case CURLE_SSL_CACERT_BADFILE:
    case CURLE_SSL_CERTPROBLEM:
        return REACH_CERTIFICATE;
    default:
        return REACH_OTHER;
    }
}

/* "Expire date:Nov 26 18:00:00 2027 GMT" of each certificate. */
static void read_expiry(CURL *easy, struct coordinator_reached *ret)
{
    static const char key[] = "Expire date:";
    struct curl_certinfo *info = NULL;

    if (curl_easy_getinfo(easy, CURLINFO_CERTINFO, &info) != CURLE_OK || !info)
        return;
    for (int i = 0; i < info->num_of_certs; i++)
        for (const struct curl_slist *line = info->certinfo[i]; line; line = line->next) {
            time_t when = str_starts(line->data, key) ? curl_getdate(line->data + strlen(key), NULL)
                                                      : (time_t) -1;

            if (when > 0 &&
                (ret->cert_expires_ms == 0 || (int64_t) when * 1000 < ret->cert_expires_ms))
                ret->cert_expires_ms = (int64_t) when * 1000;
        }
}

static void set_up(CURL *easy, const struct coordinator_host *host, char *message,
                   struct coordinator_reached *ret)
{
    easy_set_common(easy, host->url);
    (void) curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, message);
    (void) curl_easy_setopt(easy, CURLOPT_TIMEOUT_MS, PATIENCE_MS);
    (void) curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
    (void) curl_easy_setopt(easy, CURLOPT_CERTINFO, 1L);
    (void) curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, drop_body);
    (void) curl_easy_setopt(easy, CURLOPT_HEADERFUNCTION, on_header);
    (void) curl_easy_setopt(easy, CURLOPT_HEADERDATA, ret);
    if (!str_empty(host->tls_ca_file))
        (void) curl_easy_setopt(easy, CURLOPT_CAINFO, host->tls_ca_file);
    if (!str_empty(host->tls_cert_file))
        (void) curl_easy_setopt(easy, CURLOPT_SSLCERT, host->tls_cert_file);
    if (!str_empty(host->tls_key_file))
        (void) curl_easy_setopt(easy, CURLOPT_SSLKEY, host->tls_key_file);
}

int coordinator_reach(const struct coordinator_host *host, struct coordinator_reached *ret,
                      struct error *err)
{
    char message[CURL_ERROR_SIZE] = "";
    CURL *easy = curl_easy_init();
    CURLcode code;

    *ret = (struct coordinator_reached) { 0 };
    if (!easy)
        return error_set(err, -ENOMEM, "out of memory");
    set_up(easy, host, message, ret);
    code = curl_easy_perform(easy);
    ret->asked_ms = clock_wall_ms(&clock_system);
    ret->trouble = trouble_of(code);
    (void) str_cut(ret->message, sizeof(ret->message),
                   *message ? message : curl_easy_strerror(code));
    read_expiry(easy, ret);
    curl_easy_cleanup(easy);
    return 0;
}
