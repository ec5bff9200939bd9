/* core/transfer/redirect.c - see redirect.h. */
#include "core/transfer/redirect.h"

#include <curl/curl.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "core/base/autoclean.h"
#include "core/base/mem.h"
#include "core/base/str.h"

static void cleanup_url(CURLU **url)
{
    curl_url_cleanup(*url);
}
#define auto_url __attribute__((cleanup(cleanup_url)))

static void cleanup_curl_text(char **text)
{
    curl_free(*text);
}
#define auto_curl_text __attribute__((cleanup(cleanup_curl_text)))

static CURLU *parse(const char *text)
{
    CURLU *url = curl_url();

    if (url && curl_url_set(url, CURLUPART_URL, text, CURLU_DISALLOW_USER) != CURLUE_OK) {
        curl_url_cleanup(url);
        url = NULL;
    }
    return url;
}

int redirect_target(const char *url, const char *location, char **ret, struct error *err)
{
    auto_url CURLU *at = parse(url);
    auto_curl_text char *target = NULL;

    if (!at || curl_url_set(at, CURLUPART_URL, location, CURLU_DISALLOW_USER) != CURLUE_OK ||
        curl_url_get(at, CURLUPART_URL, &target, 0) != CURLUE_OK)
        return error_set(err, -EINVAL, "redirected to something that is no URL");
    if (!str_starts(target, "http://") && !str_starts(target, "https://"))
        return error_set(err, -EPERM, "redirected to another protocol than HTTP, which is refused");
    if (str_starts(url, "https://") && !str_starts(target, "https://"))
        return error_set(err, -EPERM, "redirected from https to http, which is refused");
    *ret = take_ptr(target);
    return 0;
}

char *redirect_base_url(const char *target)
{
    const char *api = strstr(target, "/api/v4/jobs/"), *host = strstr(target, "://");

    if (!api && host)
        api = host + 3 + strcspn(host + 3, "/?#");
    return api ? mem_strndup(target, (size_t) (api - target)) : mem_strdup(target);
}

void redirect_host(const char *url, char *dst, size_t size)
{
    auto_url CURLU *parsed = parse(url);
    auto_curl_text char *host = NULL;
    auto_curl_text char *port = NULL;

    dst[0] = '\0';
    if (!parsed || curl_url_get(parsed, CURLUPART_HOST, &host, 0) != CURLUE_OK)
        return;
    (void) curl_url_get(parsed, CURLUPART_PORT, &port, CURLU_NO_DEFAULT_PORT);
    if (snprintf(dst, size, "%s%s%s", host, port ? ":" : "", port ? port : "") >= (int) size)
        dst[0] = '\0';
}
