/* core/fleet/sorted.c - things in order, as a treap: a search tree by key whose nodes have random
 * weights, the heavier above the lighter. That keeps it flat whatever the order of the changes, and
 * needs neither the memory of a table nor the cases of a balanced tree. The lots are drawn by a fixed
 * rule, so that the same changes make the same tree. */
#include "core/fleet/sorted.h"

#include <string.h>

static int compare(const struct sorted_node *a, const struct sorted_node *b)
{
    for (size_t i = 0; i < SORTED_KEYS; i++)
        if (a->key[i] != b->key[i])
            return a->key[i] < b->key[i] ? -1 : 1;
    return a->name && b->name ? strcmp(a->name, b->name) : 0;
}

/* Knuth's MMIX generator; its high bits are the good ones. */
static uint64_t draw(struct sorted *sorted)
{
    sorted->lots = sorted->lots * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (sorted->lots >> 16) | 1;
}

/* Parts `tree` at `node` into what goes before it and what goes after. */
static void split(struct sorted_node *tree, const struct sorted_node *node,
                  struct sorted_node **before, struct sorted_node **after)
{
    while (tree) {
        if (compare(node, tree) < 0) {
            *after = tree;
            after = &tree->left;
            tree = tree->left;
        } else {
            *before = tree;
            before = &tree->right;
            tree = tree->right;
        }
    }
    *before = *after = NULL;
}

/* Everything in `before` goes before everything in `after`. */
static struct sorted_node *join(struct sorted_node *before, struct sorted_node *after)
{
    struct sorted_node *top = NULL, **link = &top;

    while (before && after) {
        if (before->weight > after->weight) {
            *link = before;
            link = &before->right;
            before = before->right;
        } else {
            *link = after;
            link = &after->left;
            after = after->left;
        }
    }
    *link = before ? before : after;
    return top;
}

void sorted_insert(struct sorted *sorted, struct sorted_node *node)
{
    struct sorted_node **link = &sorted->root;

    node->weight = draw(sorted);
    while (*link && (*link)->weight >= node->weight)
        link = compare(node, *link) < 0 ? &(*link)->left : &(*link)->right;
    split(*link, node, &node->left, &node->right);
    *link = node;
    sorted->n++;
}

void sorted_remove(struct sorted *sorted, struct sorted_node *node)
{
    struct sorted_node **link = &sorted->root;

    while (*link != node)
        link = compare(node, *link) < 0 ? &(*link)->left : &(*link)->right;
    *link = join(node->left, node->right);
    node->weight = 0;
    sorted->n--;
}

void *sorted_first(const struct sorted *sorted)
{
    const struct sorted_node *node = sorted->root;

    while (node && node->left)
        node = node->left;
    return node ? node->item : NULL;
}

void *sorted_after(const struct sorted *sorted, const struct sorted_node *node)
{
    const struct sorted_node *at = sorted->root, *next = NULL;

    while (at) {
        bool later = compare(node, at) < 0;

        next = later ? at : next;
        at = later ? at->left : at->right;
    }
    return next ? next->item : NULL;
}

void *sorted_find(const struct sorted *sorted, const struct sorted_node *like)
{
    const struct sorted_node *node = sorted->root;

    while (node) {
        int order = compare(like, node);

        if (order == 0)
            return node->item;
        node = order < 0 ? node->left : node->right;
    }
    return NULL;
}

static bool walk(const struct sorted_node *node, sorted_visit_fn visit, void *arg)
{
    for (; node; node = node->right)
        if (!walk(node->left, visit, arg) || !visit(node->item, arg))
            return false;
    return true;
}

void sorted_walk(const struct sorted *sorted, sorted_visit_fn visit, void *arg)
{
    (void) walk(sorted->root, visit, arg);
}
