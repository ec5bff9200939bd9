/* core/base/mem.c - allocation with a seam: test builds make the n-th one fail (mem.h). */
#include "core/base/mem.h"

#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#ifdef FLOTILLA_FAULTS
static size_t allocations, fail_at;

/* Only tests set it, in one thread; a race would at most miss a failure. */
static int must_fail(void)
{
    allocations++;
    if (fail_at == 0 || allocations != fail_at)
        return 0;
    errno = ENOMEM;
    return 1;
}

size_t mem_fail_at(size_t n)
{
    size_t counted = allocations;

    allocations = 0;
    fail_at = n;
    return counted;
}
#else
static inline int must_fail(void)
{
    return 0;
}

size_t mem_fail_at(size_t n)
{
    (void) n;
    return 0;
}
#endif

void *mem_alloc(size_t size)
{
    return must_fail() ? NULL : malloc(size ? size : 1);
}

void *mem_zero(size_t size)
{
    return must_fail() ? NULL : calloc(1, size ? size : 1);
}

void *mem_array(size_t count, size_t size)
{
    return must_fail() ? NULL : calloc(count ? count : 1, size ? size : 1);
}

void *mem_resize(void *old, size_t count, size_t size)
{
    size_t bytes;

    if (__builtin_mul_overflow(count, size, &bytes)) {
        errno = ENOMEM;
        return NULL;
    }
    return must_fail() ? NULL : realloc(old, bytes ? bytes : 1);
}

void *mem_dup(const void *data, size_t len)
{
    void *copy = mem_alloc(len);

    if (copy && len > 0)
        memcpy(copy, data, len);
    return copy;
}

char *mem_strndup(const char *text, size_t len)
{
    size_t n = strnlen(text, len);
    char *copy = mem_alloc(n + 1);

    if (!copy)
        return NULL;
    memcpy(copy, text, n);
    copy[n] = '\0';
    return copy;
}

char *mem_strdup(const char *text)
{
    return text ? mem_strndup(text, strlen(text)) : NULL;
}

char *mem_vprintf(const char *fmt, va_list args)
{
    va_list again;
    char *text;
    int len;

    va_copy(again, args);
    len = vsnprintf(NULL, 0, fmt, again);
    va_end(again);
    if (len < 0)
        return NULL;
    text = mem_alloc((size_t) len + 1);
    if (text)
        (void) vsnprintf(text, (size_t) len + 1, fmt, args);
    return text;
}

char *mem_printf(const char *fmt, ...)
{
    va_list args;
    char *text;

    va_start(args, fmt);
    text = mem_vprintf(fmt, args);
    va_end(args);
    return text;
}
