/* sdk/lib/ask.c - see ask.h. */
#include "sdk/lib/ask.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>

#include "sdk/lib/retry.h"

#define ATTEMPTS 3
#define SECRET_MIN 8 /* shorter ones are no keys, but parts of words */

int32_t flt_because(char *why, int32_t code, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    (void) vsnprintf(why, FLT_ERROR_MAX, format, args);
    va_end(args);
    return code;
}

const char *flt_variable(const char *name)
{
    const char *value = getenv(name);

    return value && *value ? value : NULL;
}

int flt_is_printable(const char *text)
{
    for (; *text; text++)
        if (*text < ' ' || *text > '~')
            return 0;
    return 1;
}

void flt_blot_out(char *text, const char *secret)
{
    size_t len = secret ? strlen(secret) : 0;

    for (char *at = len >= SECRET_MIN ? strstr(text, secret) : NULL; at; at = strstr(at, secret))
        memset(at, '*', len);
}

static int is_one_of(const char *host, size_t len, const char *const *hosts, size_t n_hosts)
{
    for (size_t i = 0; i < n_hosts; i++)
        if (strlen(hosts[i]) == len && strncasecmp(host, hosts[i], len) == 0)
            return 1;
    return 0;
}

int flt_url_is_safe(const char *url, const char *const *hosts, size_t n_hosts)
{
    static const char *const own[] = { "localhost", "[::1]" };
    const char *host = url + strlen("http://"), *port;
    size_t len;

    if (strncasecmp(url, "https://", strlen("https://")) == 0)
        return 1;
    if (strncasecmp(url, "http://", strlen("http://")) != 0)
        return 0;
    len = strcspn(host, "/?#");
    if (memchr(host, '@', len))
        return 0;
    port = memrchr(host, ':', len);
    if (port && !memchr(port, ']', (size_t) (host + len - port)))
        len = (size_t) (port - host);
    /* 127.0.0.0/8, and no name that begins so */
    return is_one_of(host, len, own, 2) || is_one_of(host, len, hosts, n_hosts) ||
           (strncmp(host, "127.", 4) == 0 && strspn(host, "0123456789.") == len);
}

int64_t flt_clock_s(int64_t (*now_s)(void *arg), void *arg)
{
    return now_s ? now_s(arg) : (int64_t) time(NULL);
}

uint64_t flt_random(void)
{
    uint64_t number = 0;

    return getrandom(&number, sizeof(number), 0) == (ssize_t) sizeof(number) ? number : 0;
}

int64_t flt_jitter(int64_t limit)
{
    return limit > 0 ? (int64_t) (flt_random() % (uint64_t) limit) : 0;
}

static int fails_for_now(int32_t code, const struct flt_http_answer *answer, int fast)
{
    if (code != FLT_OK)
        return !fast && (code == FLT_E_UNAVAILABLE || code == FLT_E_TIMEOUT);
    return answer->status == 429 || answer->status >= 500;
}

int32_t flt_fetch(struct flt_http *http, const struct flt_http_request *request,
                  const struct flt_watch *watch, int fast, struct flt_http_answer *ret, char *why)
{
    for (int attempt = 1;; attempt++) {
        int32_t code = flt_http_do(http, request, watch, ret, why);
        int64_t wait_ms;

        if (attempt == ATTEMPTS || !fails_for_now(code, ret, fast) ||
            flt_watch_ended(watch) != FLT_OK)
            return code;
        wait_ms = flt_retry_wait_ms(FLT_RETRY_FAILED, attempt, ret->retry_after_ms, flt_random());
        flt_http_answer_done(ret);
        if (flt_watch_sleep(watch, wait_ms) != FLT_OK)
            return flt_because(why, flt_watch_ended(watch), "there was no time to ask again");
    }
}
