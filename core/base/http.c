/* core/base/http.c - see http.h. */
#include "core/base/http.h"

#include <errno.h>
#include <string.h>
#include <strings.h>

#include "core/base/buf.h"
#include "core/base/str.h"

#define WAIT_MIN_MS INT64_C(1000)
#define WAIT_MAX_MS INT64_C(600000) /* hardening.md V16 */
#define BACKOFF_MIN_MS INT64_C(100)
#define BACKOFF_MAX_MS INT64_C(60000)
#define DATE_FORMAT "%a, %d %b %Y %H:%M:%S GMT"

bool http_retryable(int status)
{
    return status == 408 || status == 429 || status == 500 || (status >= 502 && status <= 504) ||
           status >= 512;
}

static int64_t clamp_wait(int64_t ms)
{
    return MIN(MAX(ms, WAIT_MIN_MS), WAIT_MAX_MS);
}

int64_t http_retry_wait_ms(int attempt, const char *rate_limit_reset, const char *retry_after,
                           int64_t now_wall_ms, const struct rng *rng)
{
    int64_t reset_s, seconds, span = BACKOFF_MIN_MS;

    if (!str_empty(rate_limit_reset) && http_parse_date(rate_limit_reset, &reset_s) == 0 &&
        reset_s * 1000 > now_wall_ms)
        return clamp_wait(reset_s * 1000 - now_wall_ms);
    if (!str_empty(retry_after) && parse_i64(retry_after, 1, INT64_MAX / 1000, &seconds) == 0)
        return clamp_wait(seconds * 1000);
    for (int i = 1; i < attempt && span < BACKOFF_MAX_MS; i++)
        span *= 2;
    span = MIN(span, BACKOFF_MAX_MS);
    return BACKOFF_MIN_MS + (int64_t) rng_below(rng, (uint64_t) (span - BACKOFF_MIN_MS + 1));
}

int http_api_url(const char *url, char *dst, size_t size)
{
    autobuf struct buf base = BUF_INIT;

    if (!str_starts(url, "http://") && !str_starts(url, "https://"))
        return -EINVAL;
    for (const char *c = url; *c; c++)
        if ((unsigned char) *c <= ' ' || *c == 0x7f)
            return -EINVAL;
    buf_add_str(&base, url);
    while (base.len > 0 && base.data[base.len - 1] == '/')
        base.data[--base.len] = '\0';
    if (str_ends(buf_str(&base), "/ci"))
        base.data[base.len -= 3] = '\0';
    if (!strstr(buf_str(&base), "://") || str_ends(buf_str(&base), ":/") || base.len < 8)
        return -EINVAL;
    buf_add_str(&base, "/api/v4/");
    return buf_error(&base) ? buf_error(&base) : str_copy(dst, size, buf_str(&base));
}

struct origin {
    const char *host; /* not terminated */
    size_t len;
    int64_t port;
};

/* Nothing that parsers of URLs disagree about; other letters than ASCII's are for the resolver. */
static bool is_of_host(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           (unsigned char) c >= 0x80 || (c != '\0' && strchr("-._~:[]", c));
}

/* Its digits, to `end`; none is the default. */
static bool read_port(const char *at, const char *end, int64_t *port)
{
    char digits[6];
    size_t len = (size_t) (end - at);

    if (len == 0)
        return true;
    if (len >= sizeof(digits))
        return false;
    memcpy(digits, at, len);
    digits[len] = '\0';
    return parse_i64(digits, 1, 65535, port) == 0;
}

static bool read_origin(const char *url, struct origin *ret)
{
    bool tls = strncasecmp(url, "https://", 8) == 0;
    const char *host = url + (tls ? 8 : 7), *end, *colon;

    if (!tls && strncasecmp(url, "http://", 7) != 0)
        return false;
    end = host + strcspn(host, "/?#");
    for (const char *c = host; c < end; c++)
        if (!is_of_host(*c))
            return false;
    colon = *host == '[' ? memchr(host, ']', (size_t) (end - host)) : host;
    if (!colon)
        return false;
    colon = memchr(colon, ':', (size_t) (end - colon));
    *ret = (struct origin) { .host = host,
                             .len = (size_t) ((colon ? colon : end) - host),
                             .port = tls ? 443 : 80 };
    return ret->len > 0 && (!colon || read_port(colon + 1, end, &ret->port));
}

bool http_same_origin(const char *a, const char *b)
{
    struct origin of_a, of_b;

    return read_origin(a, &of_a) && read_origin(b, &of_b) &&
           strncasecmp(a, b, strlen("https")) == 0 && of_a.port == of_b.port &&
           of_a.len == of_b.len && strncasecmp(of_a.host, of_b.host, of_a.len) == 0;
}

int http_parse_date(const char *text, int64_t *ret_s)
{
    struct tm parts = { 0 };
    const char *end = strptime(text, DATE_FORMAT, &parts);

    if (!end || *end)
        return -EINVAL;
    *ret_s = timegm(&parts);
    return 0;
}

void http_format_date(int64_t wall_s, char dst[HTTP_DATE_SIZE])
{
    time_t at = wall_s;
    struct tm parts = { 0 };

    (void) gmtime_r(&at, &parts);
    (void) strftime(dst, HTTP_DATE_SIZE, DATE_FORMAT, &parts);
}
