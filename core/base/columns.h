/* core/base/columns.h - text in columns of a terminal, where one character may take none or two. */
#pragma once

#include "core/base/buf.h"

/* Of text that is fit for a terminal (str_display()). */
size_t columns_of(const char *text);

/* Appends text from outside, escaped and cut with "…" to `columns`; tabs become spaces. */
void columns_add(struct buf *out, const char *text, size_t columns);
/* The same, filled up with spaces. */
void columns_add_padded(struct buf *out, const char *text, size_t columns);
