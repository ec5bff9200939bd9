/* core/job/trace/automaton.h - an Aho-Corasick automaton over bytes, with a skip table for text in
 * which nothing begins (hardening.md M2).
 *
 * Nodes are numbered level by level, so a node's children are neighbours. Patterns longer than
 * `head` bytes are in it with their first `head` bytes only, which keeps it small whatever the
 * patterns' sizes; the masker compares the rest itself. Built once, then read only.
 *
 * It follows failure links. A full table of states by bytes was measured beside it (bench/masker.c): no faster on text
 * like that of a build, where the skip table does the work, and a quarter of a worker's private memory.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/base/autoclean.h"
#include "core/job/trace/patterns.h"

#define AUTOMATON_HEAD 32 /* 1,000 secrets with all forms: half a million nodes at most */
#define AUTOMATON_HEAD_MAX 255

struct automaton;

/* `sorted` (patterns_sort(); at least one item) stays the caller's and must outlive the result.
 * NULL: no memory. */
struct automaton *automaton_new(const struct patterns *sorted, size_t head);
void automaton_free(struct automaton *automaton);
DEFINE_AUTO_PTR(struct automaton, automaton_free)

/* Steps from data[from] on, starting in *state (0 = nothing seen), to behind the byte with which a
 * pattern or a head ends, or to `len`; returns where it is. automaton_hit() tells which. data[0] to
 * data[from] are the bytes that led to *state, as far as they are there. */
size_t automaton_scan(const struct automaton *automaton, uint32_t *state, const unsigned char *data,
                      size_t from, size_t len);

bool automaton_hit(const struct automaton *automaton, uint32_t state);
/* Length of the longest whole pattern that ends here, 0 = none. */
size_t automaton_match(const struct automaton *automaton, uint32_t state);
/* Patterns [*lo, *hi) may have this head; those of them longer than the head do. False: no head. */
bool automaton_head(const struct automaton *automaton, uint32_t state, size_t *lo, size_t *hi);
size_t automaton_depth(const struct automaton *automaton, uint32_t state);
uint32_t automaton_fail(const struct automaton *automaton, uint32_t state);
/* Length of the shortest pattern that begins with the bytes of `state`. */
size_t automaton_shortest(const struct automaton *automaton, uint32_t state);
size_t automaton_memory(const struct automaton *automaton);
