/* test_ring.c - compares the ring with a plain array through many writes and reads. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ring.h"

#define CHECK(condition)                                                                           \
    do {                                                                                           \
        if (!(condition)) {                                                                        \
            fprintf(stderr, "%s:%d: %s does not hold\n", __FILE__, __LINE__, #condition);          \
            return 1;                                                                              \
        }                                                                                          \
    } while (0)

static int fills_and_empties(void)
{
    unsigned char memory[4], out[8];
    struct ring ring;

    ring_init(&ring, memory, sizeof(memory));
    CHECK(ring_read(&ring, out, 1) == 0);
    CHECK(ring_write(&ring, "abcdef", 6) == 4);
    CHECK(ring_free(&ring) == 0);
    CHECK(ring_read(&ring, out, 3) == 3 && memcmp(out, "abc", 3) == 0);
    CHECK(ring_write(&ring, "xyz", 3) == 3);
    CHECK(ring_read(&ring, out, 8) == 4 && memcmp(out, "dxyz", 4) == 0);
    return 0;
}

/* Bytes come out in the order in which they went in, for any mix of lengths. */
static int keeps_the_order(unsigned rounds)
{
    unsigned char memory[13], piece[16];
    unsigned char next_in = 0, next_out = 0;
    unsigned state = 1;
    struct ring ring;

    ring_init(&ring, memory, sizeof(memory));
    for (unsigned i = 0; i < rounds; i++) {
        size_t n;

        state = state * 1103515245u + 12345u;
        n = (state >> 16) % sizeof(piece);
        if (state & 0x8000) {
            for (size_t k = 0; k < n; k++)
                piece[k] = (unsigned char) (next_in + k);
            next_in = (unsigned char) (next_in + ring_write(&ring, piece, n));
        } else {
            n = ring_read(&ring, piece, n);
            for (size_t k = 0; k < n; k++)
                CHECK(piece[k] == next_out++);
        }
        CHECK(ring.len == (unsigned char) (next_in - next_out));
    }
    return 0;
}

int main(int argc, char **argv)
{
    unsigned rounds = argc > 1 ? (unsigned) strtoul(argv[1], NULL, 10) : 1000;

    if (fills_and_empties() || keeps_the_order(rounds))
        return 1;
    printf("ring: all well after %u rounds\n", rounds);
    return 0;
}
