/* core/base/mem.c - the allocator everybody uses: checked arithmetic and, in test builds, the n-th
 * allocation fails.
 *
 * The only file that calls malloc() and its relatives by name.
 */
#include "core/base/mem.h"

#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#ifdef FLOTILLA_FAULTS
#include <stdatomic.h>

static atomic_size_t calls;
static atomic_size_t failing_call; /* 0 = none */

size_t mem_fail_at(size_t n)
{
    size_t counted = atomic_exchange(&calls, 0);

    atomic_store(&failing_call, n);
    return counted;
}

static bool fault_due(void)
{
    size_t call = atomic_fetch_add(&calls, 1) + 1;

    return call == atomic_load(&failing_call);
}
#else
size_t mem_fail_at(size_t n)
{
    (void) n;
    return 0;
}

static bool fault_due(void)
{
    return false;
}
#endif

static void *no_memory(void)
{
    errno = ENOMEM;
    return NULL;
}

/* Sizes beyond this are mistakes of ours, never needs. malloc(0) may give NULL, which callers would
 * take for a failure: one byte is asked for instead. */
static bool size_allowed(size_t size)
{
    return size <= PTRDIFF_MAX;
}

void *mem_alloc(size_t size)
{
    if (!size_allowed(size) || fault_due())
        return no_memory();
    return malloc(size ? size : 1);
}

void *mem_zero(size_t size)
{
    return mem_array(1, size);
}

void *mem_array(size_t count, size_t size)
{
    size_t total;

    if (__builtin_mul_overflow(count, size, &total) || !size_allowed(total) || fault_due())
        return no_memory();
    return calloc(1, total ? total : 1);
}

void *mem_resize(void *old, size_t count, size_t size)
{
    size_t total;

    if (__builtin_mul_overflow(count, size, &total) || !size_allowed(total) || fault_due())
        return no_memory();
    return realloc(old, total ? total : 1);
}

char *mem_strdup(const char *text)
{
    return text ? mem_strndup(text, strlen(text)) : NULL;
}

char *mem_strndup(const char *text, size_t len)
{
    size_t used = strnlen(text, len);
    char *copy = mem_alloc(used + 1);

    if (!copy)
        return NULL;
    memcpy(copy, text, used);
    copy[used] = '\0';
    return copy;
}

void *mem_dup(const void *data, size_t len)
{
    void *copy = mem_alloc(len);

    if (copy && len)
        memcpy(copy, data, len);
    return copy;
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
