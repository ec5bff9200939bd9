/* core/base/buf.c - the growing buffer (buf.h). */
#include "core/base/buf.h"

#include <stdio.h>
#include <string.h>

#include "core/base/mem.h"
#include "core/base/secret.h"

#define BUF_DEFAULT_MAX ((size_t) 64 * 1024 * 1024)

void buf_done(struct buf *buf)
{
    if (buf->secret && buf->data)
        secret_wipe(buf->data, buf->cap);
    free(buf->data);
    *buf = (struct buf) { .max = buf->max, .secret = buf->secret };
}

void buf_clear(struct buf *buf)
{
    buf->len = 0;
    buf->error = 0;
    if (buf->data)
        buf->data[0] = '\0';
}

/* realloc() would leave the old bytes behind. */
static char *grow_wiped(struct buf *buf, size_t cap)
{
    char *grown = mem_alloc(cap);

    if (grown && buf->data) {
        memcpy(grown, buf->data, buf->cap);
        secret_wipe(buf->data, buf->cap);
        free(buf->data);
    }
    return grown;
}

/* Room for `extra` bytes and the NUL behind them. */
int buf_reserve(struct buf *buf, size_t extra)
{
    size_t max = buf->max ? buf->max : BUF_DEFAULT_MAX, need, cap;
    char *grown;

    if (buf->error)
        return buf->error;
    if (__builtin_add_overflow(buf->len, extra, &need) || need > max)
        return buf->error = -EFBIG;
    if (need < buf->cap)
        return 0;
    cap = buf->cap ? buf->cap * 2 : 64;
    while (cap <= need)
        cap *= 2;
    if (cap > max + 1)
        cap = max + 1;
    grown = buf->secret ? grow_wiped(buf, cap) : mem_resize(buf->data, cap, 1);
    if (!grown)
        return buf->error = -ENOMEM;
    buf->data = grown;
    buf->cap = cap;
    return 0;
}

void buf_add(struct buf *buf, const void *data, size_t len)
{
    if (buf_reserve(buf, len) < 0)
        return;
    if (len > 0)
        memcpy(buf->data + buf->len, data, len);
    buf->len += len;
    buf->data[buf->len] = '\0';
}

void buf_add_str(struct buf *buf, const char *text)
{
    buf_add(buf, text, strlen(text));
}

void buf_add_char(struct buf *buf, char c)
{
    buf_add(buf, &c, 1);
}

void buf_vaddf(struct buf *buf, const char *fmt, va_list args)
{
    va_list again;
    int len;

    va_copy(again, args);
    len = vsnprintf(NULL, 0, fmt, again);
    va_end(again);
    if (len < 0 && !buf->error)
        buf->error = -EFBIG; /* longer than an int can say */
    if (len < 0 || buf_reserve(buf, (size_t) len) < 0)
        return;
    (void) vsnprintf(buf->data + buf->len, (size_t) len + 1, fmt, args);
    buf->len += (size_t) len;
}

void buf_addf(struct buf *buf, const char *fmt, ...)
{
    va_list args;

    va_start(args, fmt);
    buf_vaddf(buf, fmt, args);
    va_end(args);
}

void buf_consume(struct buf *buf, size_t len)
{
    if (len >= buf->len) {
        buf->len = 0;
    } else {
        memmove(buf->data, buf->data + len, buf->len - len);
        buf->len -= len;
    }
    if (buf->data)
        buf->data[buf->len] = '\0';
}

const char *buf_str(const struct buf *buf)
{
    return buf->data ? buf->data : "";
}

char *buf_take(struct buf *buf)
{
    char *text = NULL;

    if (buf->error == 0)
        buf_add(buf, "", 0);
    if (buf->error == 0) {
        text = buf->data;
        buf->data = NULL;
    }
    buf_done(buf);
    return text;
}
