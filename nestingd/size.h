/* nestingd/size.h - amounts of memory and disk in settings. Pure.
 */
#pragma once

#include <stdint.h>

#include "core/base/buf.h"

/* "2GiB", "512M", "1073741824"; powers of 1024 alone. The whole text, else -EINVAL or -ERANGE. */
int size_parse(const char *text, int64_t *ret);
/* "2 GiB", "1.5 GiB", "512 MiB", for people. */
void size_add(struct buf *out, int64_t bytes);
