/* sdk/lib/text.c - see text.h. */
#include "sdk/lib/text.h"

#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

void flt_text_open(struct flt_text *text)
{
    *text = (struct flt_text) { 0 };
    text->stream = open_memstream(&text->data, &text->len);
}

void flt_text_add(struct flt_text *text, const char *format, ...)
{
    va_list args;

    if (!text->stream)
        return;
    va_start(args, format);
    (void) vfprintf(text->stream, format, args);
    va_end(args);
}

static int is_plain(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           (c != '\0' && strchr("-._~", c));
}

void flt_text_add_encoded(struct flt_text *text, const char *value, int path)
{
    for (const char *at = value; *at; at++)
        flt_text_add(text, is_plain(*at) || (path && *at == '/') ? "%c" : "%%%02X",
                     (unsigned char) *at);
}

void flt_text_add_hex(struct flt_text *text, const unsigned char *data, size_t len)
{
    for (size_t i = 0; i < len; i++)
        flt_text_add(text, "%02x", data[i]);
}

char *flt_text_take(struct flt_text *text)
{
    char *data;
    int failed;

    if (!text->stream)
        return NULL;
    failed = ferror(text->stream);
    failed |= fclose(text->stream);
    data = text->data;
    *text = (struct flt_text) { 0 };
    if (!failed)
        return data;
    free(data);
    return NULL;
}

void flt_text_clean(char *text, size_t max)
{
    size_t len = strnlen(text, max), start = len, need;
    unsigned char lead;

    text[len] = '\0';
    for (size_t i = 0; i < len; i++)
        if ((unsigned char) text[i] < ' ' || text[i] == 0x7f)
            text[i] = ' ';
    while (start > 0 && ((unsigned char) text[start - 1] & 0xc0) == 0x80)
        start--;
    if (start == 0)
        return;
    lead = (unsigned char) text[start - 1];
    need = lead >= 0xf0 ? 4 : lead >= 0xe0 ? 3 : lead >= 0xc0 ? 2 : 1;
    if (need > len - start + 1)
        text[start - 1] = '\0';
}

struct flt_utc flt_utc(long long seconds)
{
    const time_t when = (time_t) seconds;
    struct flt_utc ret = { 0 };
    struct tm utc = { 0 };

    (void) gmtime_r(&when, &utc);
    (void) strftime(ret.date, sizeof(ret.date), "%Y%m%d", &utc);
    (void) strftime(ret.basic, sizeof(ret.basic), "%Y%m%dT%H%M%SZ", &utc);
    (void) strftime(ret.extended, sizeof(ret.extended), "%Y-%m-%dT%H:%M:%SZ", &utc);
    return ret;
}

/* Seconds east of UTC. */
static int parse_zone(const char *text, int *ret)
{
    struct tm zone = { 0 };
    const char *end;

    *ret = 0;
    if (strcmp(text, "Z") == 0 || strcmp(text, "UTC") == 0)
        return 0;
    if (*text != '+' && *text != '-')
        return -EINVAL;
    end = strptime(text + 1, strchr(text, ':') ? "%H:%M" : "%H%M", &zone);
    if (!end || *end)
        return -EINVAL;
    *ret = (*text == '-' ? -60 : 60) * (zone.tm_hour * 60 + zone.tm_min);
    return 0;
}

int flt_utc_parse(const char *text, int64_t *ret)
{
    struct tm utc = { 0 };
    int zone_s;

    /* strptime() would take blanks and signs before a number. */
    if (strspn(text, "0123456789") != 4)
        return -EINVAL;
    text = strptime(text, "%Y-%m-%dT%H:%M:%S", &utc);
    if (text && *text == '.')
        text += 1 + strspn(text + 1, "0123456789");
    if (!text || parse_zone(text, &zone_s) < 0)
        return -EINVAL;
    *ret = (int64_t) timegm(&utc) - zone_s;
    return 0;
}
