/* core/base/error.c - composing the sentences of struct error.
 *
 * The new text is built beside the old one, so that a caller may pass err->message as an argument.
 */
#include "core/base/error.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* vsnprintf() may have cut a UTF-8 character in two; the half is dropped. */
static void drop_half_character(char *text, size_t size)
{
    size_t len = strnlen(text, size);
    size_t start = len;
    size_t want = 1;

    if (len + 1 < size || len == 0)
        return;
    while (start > 0 && ((unsigned char) text[start - 1] & 0xc0) == 0x80)
        start--;
    if (start == 0)
        return;
    start--;
    if (((unsigned char) text[start] & 0xe0) == 0xc0)
        want = 2;
    else if (((unsigned char) text[start] & 0xf0) == 0xe0)
        want = 3;
    else if (((unsigned char) text[start] & 0xf8) == 0xf0)
        want = 4;
    if (len - start < want)
        text[start] = '\0';
}

static void store(struct error *err, int code, char message[sizeof(err->message)])
{
    drop_half_character(message, sizeof(err->message));
    err->code = code;
    memcpy(err->message, message, strnlen(message, sizeof(err->message) - 1) + 1);
}

/* As much of `tail` as fits. */
static void append(char *text, size_t size, const char *tail)
{
    size_t len = strlen(text);
    size_t room = size - 1 - len;
    size_t n = strnlen(tail, room);

    memcpy(text + len, tail, n);
    text[len + n] = '\0';
}

int error_set(struct error *err, int code, const char *fmt, ...)
{
    char message[sizeof(err->message)];
    va_list args;

    if (!err)
        return code;
    va_start(args, fmt);
    (void) vsnprintf(message, sizeof(message), fmt, args);
    va_end(args);
    store(err, code, message);
    return code;
}

int error_errno(struct error *err, int code, const char *fmt, ...)
{
    char message[sizeof(err->message)];
    const char *description = strerrordesc_np(-code);
    va_list args;

    if (!err)
        return code;
    va_start(args, fmt);
    (void) vsnprintf(message, sizeof(message), fmt, args);
    va_end(args);
    append(message, sizeof(message), ": ");
    append(message, sizeof(message), description ? description : "unknown error");
    store(err, code, message);
    return code;
}

int error_wrap(struct error *err, int code, const char *fmt, ...)
{
    char message[sizeof(err->message)];
    va_list args;

    if (!err)
        return code;
    va_start(args, fmt);
    (void) vsnprintf(message, sizeof(message), fmt, args);
    va_end(args);
    append(message, sizeof(message), ": ");
    append(message, sizeof(message), err->message);
    store(err, code, message);
    return code;
}
