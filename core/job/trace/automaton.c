/* core/job/trace/automaton.c - building and reading the automaton (automaton.h).
 *
 * A node is an interval of the sorted patterns that share its bytes, so no trie is built first:
 * splitting intervals level by level yields the nodes in their final order.
 */
#include "core/job/trace/automaton.h"

#include <endian.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/mem.h"
#include "core/base/str.h"

#define SKIP_WINDOW_MAX 16

struct automaton {
    const struct pattern *patterns;
    size_t n_patterns, head;
    uint32_t n_nodes, head_start; /* nodes from head_start on stand for whole heads */
    uint32_t *first;              /* children of n are first[n] to first[n + 1] - 1 */
    uint32_t *fail;
    uint32_t *low;   /* first of the patterns that begin with this node's bytes */
    uint8_t *label;  /* the byte that leads here */
    uint8_t *depth;  /* bytes from the root */
    uint8_t *length; /* longest whole pattern that ends here */
    uint8_t *hit;    /* 1: a pattern or a head ends here */
    uint32_t root[256];

    uint8_t *shift; /* by hash of a block: how far no pattern can begin; 0 = one may */
    unsigned shift_bits;
    uint32_t block_mask, shallow; /* nodes below `shallow` are less than a block deep */
    size_t window, block;
};

void automaton_free(struct automaton *automaton)
{
    if (!automaton)
        return;
    free(automaton->first);
    free(automaton->fail);
    free(automaton->low);
    free(automaton->label);
    free(automaton->depth);
    free(automaton->length);
    free(automaton->hit);
    free(automaton->shift);
    free(automaton);
}

static size_t head_len(const struct automaton *a, size_t pattern)
{
    return MIN(a->patterns[pattern].len, a->head);
}

static size_t count_nodes(const struct automaton *a)
{
    size_t count = 1;

    for (size_t i = 0; i < a->n_patterns; i++) {
        size_t len = head_len(a, i), common = 0;

        if (i > 0) {
            size_t limit = MIN(len, head_len(a, i - 1));

            while (common < limit && a->patterns[i - 1].data[common] == a->patterns[i].data[common])
                common++;
        }
        count += len - common;
    }
    return count;
}

static uint32_t child(const struct automaton *a, uint32_t node, uint8_t byte)
{
    if (node == 0)
        return a->root[byte];
    for (uint32_t c = a->first[node]; c < a->first[node + 1]; c++)
        if (a->label[c] == byte)
            return c;
    return 0;
}

/* Gives `node`, which covers patterns up to `high`, its children; their ends go to high[]. */
static void split_node(struct automaton *a, uint32_t node, uint32_t *high, uint32_t *next)
{
    size_t depth = a->depth[node];
    uint32_t i = a->low[node];

    a->first[node] = *next;
    if (depth == a->head)
        return;
    if (a->patterns[i].len == depth)
        i++;
    while (i < high[node]) {
        uint8_t byte = a->patterns[i].data[depth];
        uint32_t made = (*next)++;

        a->low[made] = i;
        a->label[made] = byte;
        a->depth[made] = (uint8_t) (depth + 1);
        while (i < high[node] && a->patterns[i].data[depth] == byte)
            i++;
        high[made] = i;
        if (node == 0)
            a->root[byte] = made;
    }
}

static void link_node(struct automaton *a, uint32_t parent, uint32_t node)
{
    uint32_t fail = 0;
    const struct pattern *pattern = &a->patterns[a->low[node]];

    for (uint32_t at = parent; at != 0 && fail == 0;) {
        at = a->fail[at];
        fail = child(a, at, a->label[node]);
    }
    a->fail[node] = fail;
    a->length[node] = pattern->len == a->depth[node] ? a->depth[node] : a->length[fail];
}

static int build_nodes(struct automaton *a)
{
    autofree uint32_t *high = mem_array(a->n_nodes, sizeof(*high));
    uint32_t next = 1;

    if (!high)
        return -ENOMEM;
    high[0] = (uint32_t) a->n_patterns;
    for (uint32_t node = 0; node < a->n_nodes; node++)
        split_node(a, node, high, &next);
    a->first[a->n_nodes] = a->n_nodes;
    for (uint32_t node = 0; node < a->n_nodes; node++)
        for (uint32_t c = a->first[node]; c < a->first[node + 1]; c++)
            link_node(a, node, c);

    a->head_start = a->n_nodes;
    while (a->head_start > 0 && a->depth[a->head_start - 1] == a->head)
        a->head_start--;
    for (uint32_t node = 0; node < a->n_nodes; node++) {
        size_t lo, hi;

        a->hit[node] = a->length[node] > 0 || automaton_head(a, node, &lo, &hi);
    }
    return 0;
}

static uint32_t block_hash(const struct automaton *a, const unsigned char *at)
{
    uint32_t word;

    memcpy(&word, at, sizeof(word));
    return (le32toh(word) & a->block_mask) * UINT32_C(0x9e3779b1) >> (32 - a->shift_bits);
}

/* Wu and Manber's table: the block at the end of a window of the shortest pattern's length says how
 * far the window may move before a pattern can lie in it. Hash collisions only make it move less.
 */
static int build_shift(struct automaton *a)
{
    size_t shortest = SKIP_WINDOW_MAX, blocks;

    for (size_t i = 0; i < a->n_patterns; i++)
        shortest = MIN(shortest, head_len(a, i));
    a->window = shortest;
    a->block = MIN(shortest, sizeof(uint32_t));
    a->block_mask = a->block == 4 ? UINT32_MAX : (UINT32_C(1) << (8 * a->block)) - 1;
    blocks = a->window - a->block + 1;
    for (a->shift_bits = 12; a->shift_bits < 18; a->shift_bits++)
        if ((size_t) 1 << a->shift_bits >= 16 * blocks * a->n_patterns)
            break;
    a->shift = mem_alloc((size_t) 1 << a->shift_bits);
    if (!a->shift)
        return -ENOMEM;
    memset(a->shift, (int) blocks, (size_t) 1 << a->shift_bits);
    for (size_t i = 0; i < a->n_patterns; i++) {
        for (size_t j = 0; j < blocks; j++) {
            unsigned char bytes[sizeof(uint32_t)] = { 0 };
            uint8_t *slot;

            memcpy(bytes, a->patterns[i].data + j, a->block);
            slot = &a->shift[block_hash(a, bytes)];
            *slot = (uint8_t) MIN(*slot, blocks - 1 - j);
        }
    }
    a->shallow = 0;
    while (a->shallow < a->n_nodes && a->depth[a->shallow] < a->block)
        a->shallow++;
    return 0;
}

struct automaton *automaton_new(const struct patterns *sorted, size_t head)
{
    auto_ptr(automaton_free) struct automaton *a = mem_zero(sizeof(*a));
    size_t count;

    if (!a)
        return NULL;
    a->patterns = sorted->items;
    a->n_patterns = sorted->count;
    a->head = MIN(head, (size_t) AUTOMATON_HEAD_MAX);
    count = count_nodes(a);
    if (count >= UINT32_MAX)
        return NULL;
    a->n_nodes = (uint32_t) count;
    a->first = mem_array(count + 1, sizeof(*a->first));
    a->fail = mem_array(count, sizeof(*a->fail));
    a->low = mem_array(count, sizeof(*a->low));
    a->label = mem_array(count, 1);
    a->depth = mem_array(count, 1);
    a->length = mem_array(count, 1);
    a->hit = mem_array(count, 1);
    if (!a->first || !a->fail || !a->low || !a->label || !a->depth || !a->length || !a->hit)
        return NULL;
    if (build_nodes(a) < 0 || build_shift(a) < 0)
        return NULL;
    return take_ptr(a);
}

bool automaton_hit(const struct automaton *automaton, uint32_t state)
{
    return automaton->hit[state];
}

size_t automaton_match(const struct automaton *automaton, uint32_t state)
{
    return automaton->length[state];
}

bool automaton_head(const struct automaton *automaton, uint32_t state, size_t *lo, size_t *hi)
{
    const struct automaton *a = automaton;
    size_t end = state + 1 < a->n_nodes ? a->low[state + 1] : a->n_patterns;

    if (state < a->head_start)
        return false;
    *lo = a->low[state];
    *hi = end;
    return end - *lo > 1 || a->patterns[*lo].len > a->head;
}

size_t automaton_depth(const struct automaton *automaton, uint32_t state)
{
    return automaton->depth[state];
}

uint32_t automaton_fail(const struct automaton *automaton, uint32_t state)
{
    return automaton->fail[state];
}

size_t automaton_shortest(const struct automaton *automaton, uint32_t state)
{
    const struct pattern *patterns = automaton->patterns, *model = &patterns[automaton->low[state]];
    size_t depth = automaton->depth[state], shortest = model->len;

    for (size_t i = automaton->low[state] + 1; i < automaton->n_patterns; i++) {
        if (patterns[i].len < depth || memcmp(patterns[i].data, model->data, depth) != 0)
            break;
        shortest = MIN(shortest, patterns[i].len);
    }
    return shortest;
}

size_t automaton_memory(const struct automaton *automaton)
{
    const struct automaton *a = automaton;

    return sizeof(*a) + (size_t) a->n_nodes * 16 + ((size_t) 1 << a->shift_bits);
}

static inline size_t shift_at(const struct automaton *a, const unsigned char *block)
{
    return a->shift[block_hash(a, block)];
}

/* The first place from `at` on at which a pattern may begin, or a place so near to the end that no
 * window fits. Four blocks at the full distance are looked up together, since a chain of lookups
 * that wait for one another is what takes the time. */
static size_t skip(const struct automaton *a, const unsigned char *data, size_t at, size_t len)
{
    size_t offset = a->window - a->block, full = offset + 1, reach = offset + sizeof(uint32_t);

    while (at + reach <= len) {
        const unsigned char *block = data + at + offset;
        size_t move = shift_at(a, block);

        if (move == full && at + reach + 3 * full <= len &&
            shift_at(a, block + full) + shift_at(a, block + 2 * full) +
                    shift_at(a, block + 3 * full) ==
                3 * full)
            move = 4 * full;
        if (move == 0)
            return at;
        at += move;
    }
    return at;
}

static inline uint32_t step(const struct automaton *a, uint32_t state, uint8_t byte)
{
    uint32_t next;

    while ((next = child(a, state, byte)) == 0 && state != 0)
        state = a->fail[state];
    return next;
}

/* Once fewer bytes than a block are pending, the place where they begin is tried again with the
 * skip table: no whole pattern fits into them, so nothing is reported twice. `tried` makes sure
 * that each place is tried once. */
size_t automaton_scan(const struct automaton *automaton, uint32_t *state_io,
                      const unsigned char *data, size_t from, size_t len)
{
    const struct automaton *a = automaton;
    uint32_t state = *state_io;
    size_t at = from, tried = 0; /* tried is one more than the last place tried */

    while (at < len) {
        if (state < a->shallow && a->depth[state] <= at && at - a->depth[state] >= tried) {
            at = skip(a, data, at - a->depth[state], len);
            state = 0;
            tried = at + 1;
            if (at >= len)
                break;
        }
        state = step(a, state, data[at++]);
        if (a->hit[state])
            break;
    }
    *state_io = state;
    return at;
}
