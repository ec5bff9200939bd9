/* core/base/error.h - what went wrong, in one sentence, on the caller's stack.
 *
 * Functions return 0 (or a count) and a negative code: a negative errno or a negative FLT_E_*. When
 * a person will read the cause, the last parameter is a `struct error *`, which may be NULL.
 */
#pragma once

#define PRINTF_LIKE(fmt, args) __attribute__((format(printf, fmt, args)))

struct error {
    int code;          /* negative errno or negative FLT_E_*; 0 = none */
    char message[512]; /* "outer: inner", cut at the end when full */
};

/* Sets code and sentence; returns code, so that `return error_set(err, -EINVAL, "…")` is a whole
 * error path. `%m` is not supported: pass strerror(). */
int error_set(struct error *err, int code, const char *fmt, ...) PRINTF_LIKE(3, 4);

/* Like error_set() with ": " and strerror(-code) after the sentence, for a bare errno. */
int error_errno(struct error *err, int code, const char *fmt, ...) PRINTF_LIKE(3, 4);

/* Puts "prefix: " before the sentence that is there; returns code (which also replaces err->code).
 */
int error_wrap(struct error *err, int code, const char *fmt, ...) PRINTF_LIKE(3, 4);
