/* core/job/trace/filter.h - what a person is shown beside the log hides what the log hides (hardening.md M11): masker, URL
 * and token rules, without the log's lines and its limit. For terminal.c.
 */
#pragma once

#include <stddef.h>

#include "core/base/buf.h"
#include "core/job/trace/trace.h"

struct filter;
/* With the rules of that trace, which outlives it and has none to come. */
int filter_new(struct trace *trace, struct filter **ret);
void filter_free(struct filter *filter); /* accepts NULL */

/* 0 or -ENOMEM. What may be the beginning of a secret is held back, however long the rest takes. */
int filter_write(struct filter *filter, const void *data, size_t len, struct buf *out);
/* Of that, what has just been typed: an echo is prompt. Never more than little of a secret (M4), of which the rest is hidden
 * when it comes. */
int filter_show_typed(struct filter *filter, const char *typed, size_t len, struct buf *out);
/* Gives what is held back, and begins anew: half of a secret becomes [MASKED] as where a log is cut (M4). */
int filter_end(struct filter *filter, struct buf *out);
