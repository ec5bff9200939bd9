/* core/base/buf.h - a growing byte buffer with a limit and a sticky error.
 *
 * Writers append without looking; whoever takes the result asks buf_error() once. Always
 * NUL-terminated behind `len`, so that `data` is a C string when no NUL was added.
 */
#pragma once

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/base/autoclean.h"
#include "core/base/error.h"

struct buf {
    char *data; /* NULL until the first append */
    size_t len, cap;
    size_t max;  /* 0 = 64 MiB */
    int error;   /* 0, -ENOMEM or -EFBIG; later appends do nothing */
    bool secret; /* what is given back was wiped: at the end, and each time that it grows */
};

#define BUF_INIT ((struct buf) { 0 })
#define BUF_SECRET ((struct buf) { .secret = true })

void buf_done(struct buf *buf);  /* frees the contents; the struct is empty and usable again */
void buf_clear(struct buf *buf); /* keeps the memory, drops the contents and the error */
int buf_reserve(struct buf *buf, size_t extra);
void buf_add(struct buf *buf, const void *data, size_t len);
void buf_add_str(struct buf *buf, const char *text);
void buf_add_char(struct buf *buf, char c);
void buf_addf(struct buf *buf, const char *fmt, ...) PRINTF_LIKE(2, 3);
void buf_vaddf(struct buf *buf, const char *fmt, va_list args) PRINTF_LIKE(2, 0);
void buf_consume(struct buf *buf, size_t len); /* drops bytes from the front */
/* `part` went into `buf`: had it failed, so has the whole. */
static inline void buf_inherit_error(struct buf *buf, const struct buf *part)
{
    if (buf->error == 0)
        buf->error = part->error;
}
static inline int buf_error(const struct buf *buf)
{
    return buf->error;
}
const char *buf_str(const struct buf *buf); /* never NULL */
char *buf_take(struct buf *buf); /* the caller frees; NULL on error; an empty buffer gives "" */

static inline void cleanup_buf(struct buf *buf)
{
    int saved = errno;

    buf_done(buf);
    errno = saved;
}
#define autobuf __attribute__((cleanup(cleanup_buf)))
