/* core/base/error.c - one sentence on the caller's stack (error.h). */
#include "core/base/error.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

int error_set(struct error *err, int code, const char *fmt, ...)
{
    va_list args;

    if (!err)
        return code;
    err->code = code;
    va_start(args, fmt);
    (void) vsnprintf(err->message, sizeof(err->message), fmt, args);
    va_end(args);
    return code;
}

int error_errno(struct error *err, int code, const char *fmt, ...)
{
    char cause[128];
    size_t len;
    va_list args;

    if (!err)
        return code;
    err->code = code;
    va_start(args, fmt);
    (void) vsnprintf(err->message, sizeof(err->message), fmt, args);
    va_end(args);
    len = strlen(err->message);
    (void) snprintf(err->message + len, sizeof(err->message) - len, ": %s",
                    strerror_r(code < 0 ? -code : code, cause, sizeof(cause)));
    return code;
}

int error_wrap(struct error *err, int code, const char *fmt, ...)
{
    char inner[sizeof(err->message)];
    size_t len;
    va_list args;

    if (!err)
        return code;
    memcpy(inner, err->message, sizeof(inner));
    err->code = code;
    va_start(args, fmt);
    (void) vsnprintf(err->message, sizeof(err->message), fmt, args);
    va_end(args);
    len = strlen(err->message);
    (void) snprintf(err->message + len, sizeof(err->message) - len, ": %s", inner);
    return code;
}
