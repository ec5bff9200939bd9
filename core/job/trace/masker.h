/* core/job/trace/masker.h - replaces secrets in a stream by [MASKED], however the stream is cut.
 *
 * The definition (hardening.md §2): find all occurrences of all patterns, merge those that overlap,
 * replace each merged run by one [MASKED]. Bytes are held back only while they may be the beginning
 * of an occurrence.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/base/buf.h"
#include "core/job/trace/automaton.h"
#include "core/job/trace/patterns.h"

#define MASK_TEXT "[MASKED]"

/* What to look for; shared by the streams of a trace. */
struct masker_rules {
    struct patterns patterns; /* sorted */
    struct automaton *automaton;
};

/* Takes the contents of `patterns`, in success and failure. `head` is AUTOMATON_HEAD
 * but in tests. */
int masker_rules_init(struct masker_rules *rules, struct patterns *patterns, size_t head);
void masker_rules_done(struct masker_rules *rules);

struct masker_run {
    int64_t start, end;
    bool shown; /* its [MASKED] has been written; it may still grow */
};

/* A long pattern whose bytes from `start` on have matched so far. */
struct masker_candidate {
    int64_t start;
    const struct pattern *pattern;
};

struct masker {
    const struct masker_rules *rules;
    uint32_t state;
    int64_t position; /* bytes seen */
    int64_t done;     /* bytes before this one are written or masked for good */
    struct buf held;  /* bytes from `done` to `position` */
    struct masker_run *runs;
    size_t n_runs, runs_capacity;
    struct masker_candidate *candidates; /* by start */
    size_t n_candidates, candidates_capacity;
};

void masker_init(struct masker *masker, const struct masker_rules *rules);
void masker_done(struct masker *masker);

/* 0 or -ENOMEM. `out` gets what is decided. */
int masker_write(struct masker *masker, const char *data, size_t len, struct buf *out);

/* Shows what is held to somebody who knows it already, having typed it, but nothing that tells much of a secret (M4). What
 * follows is judged as if it were held still. */
int masker_show_known(struct masker *masker, const char *known, size_t len, struct buf *out);

/* The stream is over; the next write begins a new one. Held bytes are written as they are; with
 * `cut` the beginning of a secret becomes [MASKED] if it has 8 bytes or more than half of the
 * secret (hardening.md M4). */
int masker_end(struct masker *masker, bool cut, struct buf *out);
