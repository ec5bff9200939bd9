#include "ring.h"

#include <string.h>

void ring_init(struct ring *ring, void *memory, size_t capacity)
{
    ring->data = memory;
    ring->capacity = capacity;
    ring->first = ring->len = 0;
}

size_t ring_free(const struct ring *ring)
{
    return ring->capacity - ring->len;
}

static size_t smaller(size_t a, size_t b)
{
    return a < b ? a : b;
}

/* What is written or read is at most two pieces: up to the end of the memory, and from its start. */
size_t ring_write(struct ring *ring, const void *data, size_t len)
{
    size_t end, piece;

    len = smaller(len, ring_free(ring));
    if (len == 0)
        return 0;
    end = (ring->first + ring->len) % ring->capacity;
    piece = smaller(len, ring->capacity - end);
    memcpy(ring->data + end, data, piece);
    memcpy(ring->data, (const unsigned char *) data + piece, len - piece);
    ring->len += len;
    return len;
}

size_t ring_read(struct ring *ring, void *data, size_t len)
{
    size_t piece;

    len = smaller(len, ring->len);
    if (len == 0)
        return 0;
    piece = smaller(len, ring->capacity - ring->first);
    memcpy(data, ring->data + ring->first, piece);
    memcpy((unsigned char *) data + piece, ring->data, len - piece);
    ring->first = (ring->first + len) % ring->capacity;
    ring->len -= len;
    return len;
}
