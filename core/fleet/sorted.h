/* core/fleet/sorted.h - things in order, kept so while they come, go and change.
 *
 * Whatever is kept carries its node, so nothing is allocated and nothing can fail; each change costs
 * the logarithm of the number kept. A node is in at most one `struct sorted`.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SORTED_KEYS 3

struct sorted_node {
    int64_t key[SORTED_KEYS]; /* the smaller goes first; the first that differs counts, */
    const char *name;         /* then this: borrowed, NULL where the key tells all apart */
    void *item;               /* whose node it is */
    struct sorted_node *left, *right;
    uint64_t weight; /* 0 = it is in none */
};

struct sorted {
    struct sorted_node *root;
    size_t n;
    uint64_t lots;
};

/* Neither key nor name may change while the node is in. */
void sorted_insert(struct sorted *sorted, struct sorted_node *node);
void sorted_remove(struct sorted *sorted, struct sorted_node *node);
void *sorted_first(const struct sorted *sorted); /* its item, or NULL */
/* The item that comes next; `node` is in. */
void *sorted_after(const struct sorted *sorted, const struct sorted_node *node);
/* The item of the node that has key and name of `like`, or NULL. */
void *sorted_find(const struct sorted *sorted, const struct sorted_node *like);

/* The items in order, until `visit` returns false. Nothing may change meanwhile. */
typedef bool (*sorted_visit_fn)(void *item, void *arg);
void sorted_walk(const struct sorted *sorted, sorted_visit_fn visit, void *arg);
