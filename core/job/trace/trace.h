/* core/job/trace/trace.h - a job's log: from bytes of an instance to the spool, in the one order
 * that is safe (hardening.md M5).
 *
 *   stream → masker → URL and token rules → section and timestamp writer → UTF-8 repair → byte
 * limit → spool file with CRC
 *
 * A trace has streams (stdout, stderr, our own lines); each has its own masker, URL, token and line
 * state, they meet at the spool. Nothing bypasses the pipeline (M11).
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/base/clock.h"
#include "core/base/error.h"

struct trace;

enum trace_stream { TRACE_OURS, TRACE_STDOUT, TRACE_STDERR };

struct trace_options {
    const char *const *patterns; /* secrets to mask; trimmed, emptied and deduplicated inside (M1),
                                    encodings added (M8) */
    size_t n_patterns;
    const char *const *token_prefixes; /* features.token_mask_prefixes */
    size_t n_token_prefixes;
    bool mask_all_default_tokens, mask_encodings, timestamps, sections;
    int64_t limit_bytes; /* 0 = 4 MiB */
    const struct clock *clock;
};

/* Appends to `spool_fd` (which stays the caller's). More than 1,000 patterns, or over the sizes of
 * hardening.md §9: -E2BIG with a sentence; the job must not run half masked. */
int trace_new(int spool_fd, const struct trace_options *options, struct trace **ret,
              struct error *err);
void trace_free(struct trace *trace);
int trace_add_pattern(struct trace *trace, const char *pattern,
                      struct error *err); /* before the first write only */
/* How many of the secrets have less than 4 bytes: they mask ordinary text, so the job is told (M9).
 */
size_t trace_short_patterns(const struct trace *trace);

int trace_write(struct trace *trace, enum trace_stream stream, const void *data,
                size_t len); /* 0 or the negative errno of the spool */

/* Lines of ours, with the colours of coordinator-protocol.md 5.6. */
enum trace_kind {
    TRACE_PLAIN,
    TRACE_INFO,
    TRACE_CAUTION, /* a stage's warning: without the word */
    TRACE_WARNING,
    TRACE_ERROR,
    TRACE_HEADLINE
};
int trace_line(struct trace *trace, enum trace_kind kind, const char *fmt, ...) PRINTF_LIKE(3, 4);
int trace_section_start(struct trace *trace, const char *name, const char *headline);
int trace_section_end(struct trace *trace, const char *name);

/* Flushes held bytes as they are: at the end of a stage's channel. `cut` = we stopped the stream
 * ourselves: held halves of secrets become [MASKED] (M4). */
int trace_end_stream(struct trace *trace, enum trace_stream stream, bool cut);
int trace_flush(struct trace *trace); /* everything that may be written without ending a stream */
int trace_finish(struct trace *trace, bool cut);

int64_t trace_size(const struct trace *trace);
uint32_t trace_crc(const struct trace *trace);
