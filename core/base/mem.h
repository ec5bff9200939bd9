/* core/base/mem.h - the allocator everybody uses, and the seam at which tests make the n-th
 * allocation fail.
 *
 * All return NULL when memory is short (errno ENOMEM); everything is released with free().
 */
#pragma once

#include <stdarg.h>
#include <stddef.h>

#include "core/base/error.h"

void *mem_alloc(size_t size);
void *mem_zero(size_t size);                /* zeroed */
void *mem_array(size_t count, size_t size); /* zeroed, overflow checked */
void *mem_resize(void *old, size_t count,
                 size_t size);      /* overflow checked; old stays valid on failure */
char *mem_strdup(const char *text); /* NULL gives NULL */
char *mem_strndup(const char *text, size_t len);
void *mem_dup(const void *data, size_t len);
char *mem_printf(const char *fmt, ...) PRINTF_LIKE(1, 2);
char *mem_vprintf(const char *fmt, va_list args) PRINTF_LIKE(1, 0);

/* Tests: the n-th allocation from now fails once (1 = the next); 0 switches off. Counts since the
 * last call are returned. No-op without -Dfaults=true. */
size_t mem_fail_at(size_t n);
