/* ring.h - a ring buffer of bytes with a fixed capacity.
 *
 * One reader and one writer in the same thread. The memory is the caller's.
 */
#ifndef RING_H
#define RING_H

#include <stddef.h>

struct ring {
    unsigned char *data;
    size_t capacity, first, len;
};

void ring_init(struct ring *ring, void *memory, size_t capacity);

/* Both return how many bytes were moved: fewer than asked for when the ring is full or empty. */
size_t ring_write(struct ring *ring, const void *data, size_t len);
size_t ring_read(struct ring *ring, void *data, size_t len);

size_t ring_free(const struct ring *ring);

#endif
