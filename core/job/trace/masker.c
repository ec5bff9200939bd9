/* core/job/trace/masker.c - the streaming side of masking: occurrences, merged runs, held bytes.
 *
 * The automaton says where a pattern ends; a run list holds what has been found behind `done`. All
 * occurrences that are still to come begin at or behind the oldest pending byte, so everything
 * before that byte is decided. trace.c has one masker for each stream.
 *
 * Long patterns are followed one candidate each. A secret of 64 KiB that is one letter over and
 * over makes that slow (1.5 MB/s on a stream of this letter); nothing else is near it, and the job
 * waits.
 */
#include "core/job/trace/masker.h"

#include <stdlib.h>
#include <string.h>

#include "core/base/mem.h"
#include "core/base/secret.h"
#include "core/base/str.h"

/* Bounds the run list: a pattern of one byte gives a run for each byte of a block. */
#define BLOCK_SIZE ((size_t) 16 * 1024)

int masker_rules_init(struct masker_rules *rules, struct patterns *patterns, size_t head)
{
    *rules = (struct masker_rules) { .patterns = *patterns };
    *patterns = (struct patterns) { 0 };
    patterns_sort(&rules->patterns);
    if (rules->patterns.count == 0)
        return 0;
    rules->automaton = automaton_new(&rules->patterns, head);
    if (!rules->automaton) {
        masker_rules_done(rules);
        return -ENOMEM;
    }
    return 0;
}

void masker_rules_done(struct masker_rules *rules)
{
    automaton_free(rules->automaton);
    rules->automaton = NULL;
    patterns_done(&rules->patterns);
}

void masker_init(struct masker *masker, const struct masker_rules *rules)
{
    *masker = (struct masker) { .rules = rules };
}

static void wipe_held(struct masker *masker)
{
    if (masker->held.data)
        secret_wipe(masker->held.data, masker->held.cap);
    buf_done(&masker->held);
}

void masker_done(struct masker *masker)
{
    wipe_held(masker);
    free(masker->runs);
    free(masker->candidates);
    *masker = (struct masker) { 0 };
}

/* Makes room for one more item in an array that doubles. */
static int grow(void *items, size_t count, size_t *capacity, size_t size)
{
    void **array = items, *bigger;
    size_t wanted = *capacity ? 2 * *capacity : 16;

    if (count < *capacity)
        return 0;
    bigger = mem_resize(*array, wanted, size);
    if (!bigger)
        return -ENOMEM;
    *array = bigger;
    *capacity = wanted;
    return 0;
}

/* Adds an occurrence. Every run begins before `end`: patterns are reported as they end, and what
 * candidates report in advance began earlier. So those that overlap are the last ones. */
static int add_occurrence(struct masker *masker, int64_t start, int64_t end)
{
    struct masker_run run = { .start = start, .end = end };

    while (masker->n_runs > 0 && masker->runs[masker->n_runs - 1].end > start) {
        const struct masker_run *last = &masker->runs[--masker->n_runs];

        run.start = MIN(run.start, last->start);
        run.end = MAX(run.end, last->end);
        run.shown = run.shown || last->shown;
    }
    if (grow(&masker->runs, masker->n_runs, &masker->runs_capacity, sizeof(run)) < 0)
        return -ENOMEM;
    masker->runs[masker->n_runs++] = run;
    return 0;
}

/* Compares the pattern from byte `matched` on with `data`, the first of which is the byte at
 * `matched`. 1: the whole pattern is there; 0: as far as there is data; -1: another byte. */
static int compare_rest(const struct pattern *pattern, size_t matched, const char *data, size_t len)
{
    size_t rest = pattern->len - matched, known = MIN(rest, len);

    if (memcmp(pattern->data + matched, data, known) != 0)
        return -1;
    return known == rest;
}

static int advance_candidates(struct masker *masker, const char *data, size_t len)
{
    size_t kept = 0;

    for (size_t i = 0; i < masker->n_candidates; i++) {
        struct masker_candidate candidate = masker->candidates[i];
        size_t matched = (size_t) (masker->position - candidate.start);
        int found = compare_rest(candidate.pattern, matched, data, len);

        if (found == 0)
            masker->candidates[kept++] = candidate;
        else if (found > 0 &&
                 add_occurrence(masker, candidate.start,
                                candidate.start + (int64_t) candidate.pattern->len) < 0)
            return -ENOMEM;
    }
    masker->n_candidates = kept;
    return 0;
}

/* A head ends at `position`; `data` is what follows in this block. */
static int try_long_patterns(struct masker *masker, int64_t position, const char *data, size_t len)
{
    const struct automaton *automaton = masker->rules->automaton;
    size_t head = automaton_depth(automaton, masker->state), lo = 0, hi = 0;

    if (!automaton_head(automaton, masker->state, &lo, &hi))
        return 0;
    for (size_t i = lo; i < hi; i++) {
        struct masker_candidate candidate = { .start = position - (int64_t) head,
                                              .pattern = &masker->rules->patterns.items[i] };
        int found;

        if (candidate.pattern->len <= head)
            continue;
        found = compare_rest(candidate.pattern, head, data, len);
        if (found > 0 && add_occurrence(masker, candidate.start,
                                        candidate.start + (int64_t) candidate.pattern->len) < 0)
            return -ENOMEM;
        if (found != 0)
            continue;
        if (grow(&masker->candidates, masker->n_candidates, &masker->candidates_capacity,
                 sizeof(candidate)) < 0)
            return -ENOMEM;
        masker->candidates[masker->n_candidates++] = candidate;
    }
    return 0;
}

static int find_occurrences(struct masker *masker, const char *data, size_t len)
{
    const struct automaton *automaton = masker->rules->automaton;
    size_t at = 0;

    while (at < len) {
        int64_t position;
        size_t length;

        at = automaton_scan(automaton, &masker->state, (const unsigned char *) data, at, len);
        if (!automaton_hit(automaton, masker->state))
            continue;
        position = masker->position + (int64_t) at;
        length = automaton_match(automaton, masker->state);
        if (length > 0 && add_occurrence(masker, position - (int64_t) length, position) < 0)
            return -ENOMEM;
        if (try_long_patterns(masker, position, data + at, len - at) < 0)
            return -ENOMEM;
    }
    return 0;
}

/* The bytes [from, to) of the stream: the first may be held, the rest is in the block at `base`. */
static void copy_bytes(const struct masker *masker, int64_t from, int64_t to, int64_t base,
                       const char *data, int64_t held_from, struct buf *out)
{
    if (from < base) {
        int64_t until = MIN(to, base);

        buf_add(out, masker->held.data + (from - held_from), (size_t) (until - from));
        from = until;
    }
    if (from < to)
        buf_add(out, data + (from - base), (size_t) (to - from));
}

/* Writes everything before `decided`, and runs that begin there or earlier: they can grow at their
 * end only. The block at `data` begins at `base` and has been counted into position. */
static void write_decided(struct masker *masker, int64_t decided, int64_t base, const char *data,
                          struct buf *out)
{
    int64_t held_from = masker->done, done = masker->done;
    size_t gone = 0;

    for (size_t i = 0; i < masker->n_runs; i++) {
        struct masker_run *run = &masker->runs[i];

        if (run->start > decided)
            break;
        if (!run->shown) {
            if (done < run->start) /* else masker_show_known() has shown its beginning */
                copy_bytes(masker, done, run->start, base, data, held_from, out);
            buf_add(out, MASK_TEXT, sizeof(MASK_TEXT) - 1);
            run->shown = true;
        }
        done = MAX(done, run->end);
        if (run->end > decided)
            break;
        gone = i + 1;
    }
    if (done < decided) {
        copy_bytes(masker, done, decided, base, data, held_from, out);
        done = decided;
    }
    if (gone > 0) {
        memmove(masker->runs, masker->runs + gone, (masker->n_runs - gone) * sizeof(*masker->runs));
        masker->n_runs -= gone;
    }
    masker->done = done;
    buf_consume(&masker->held, MIN((size_t) (done - held_from), masker->held.len));
}

static int write_block(struct masker *masker, const char *data, size_t len, struct buf *out)
{
    int64_t base = masker->position, decided, from;
    int rc = advance_candidates(masker, data, len);

    if (rc == 0)
        rc = find_occurrences(masker, data, len);
    if (rc < 0)
        return rc;
    masker->position = base + (int64_t) len;
    decided = masker->position - (int64_t) automaton_depth(masker->rules->automaton, masker->state);
    if (masker->n_candidates > 0)
        decided = MIN(decided, masker->candidates[0].start);
    write_decided(masker, decided, base, data, out);
    from = MAX(masker->done, base);
    if (from < masker->position)
        buf_add(&masker->held, data + (from - base), (size_t) (masker->position - from));
    return buf_error(&masker->held);
}

int masker_write(struct masker *masker, const char *data, size_t len, struct buf *out)
{
    if (!masker->rules->automaton) {
        buf_add(out, data, len);
        return buf_error(out);
    }
    while (len > 0) {
        size_t part = MIN(len, BLOCK_SIZE);
        int rc = write_block(masker, data, part, out);

        if (rc < 0)
            return rc;
        data += part;
        len -= part;
    }
    return buf_error(out);
}

static bool is_telling(size_t matched, size_t length)
{
    return matched >= 8 || 2 * matched > length;
}

/* Where the earliest beginning of a secret starts that must not be shown, or `position`. */
static int64_t find_telling_part(const struct masker *masker)
{
    const struct automaton *automaton = masker->rules->automaton;

    for (size_t i = 0; i < masker->n_candidates; i++) {
        const struct masker_candidate *candidate = &masker->candidates[i];

        if (is_telling((size_t) (masker->position - candidate->start), candidate->pattern->len))
            return candidate->start;
    }
    for (uint32_t state = masker->state; state != 0; state = automaton_fail(automaton, state)) {
        size_t depth = automaton_depth(automaton, state);

        if (is_telling(depth, automaton_shortest(automaton, state)))
            return masker->position - (int64_t) depth;
    }
    return masker->position;
}

int masker_show_known(struct masker *masker, const char *known, size_t len, struct buf *out)
{
    int64_t until;
    size_t n;

    if (!masker->rules->automaton || masker->n_runs > 0)
        return buf_error(out);
    until = find_telling_part(masker);
    n = until > masker->done ? (size_t) (until - masker->done) : 0;
    if (n > 0 && memmem(known, len, masker->held.data, n)) {
        buf_add(out, masker->held.data, n);
        buf_consume(&masker->held, n);
        masker->done += (int64_t) n;
    }
    return buf_error(out);
}

int masker_end(struct masker *masker, bool cut, struct buf *out)
{
    int64_t telling;

    if (!masker->rules->automaton)
        return buf_error(out);
    telling = cut ? find_telling_part(masker) : masker->position;
    if (telling < masker->position && add_occurrence(masker, telling, masker->position) < 0)
        return -ENOMEM;
    write_decided(masker, masker->position, masker->position, NULL, out);
    masker->state = 0;
    masker->n_runs = 0;
    masker->n_candidates = 0;
    wipe_held(masker);
    return buf_error(out);
}
