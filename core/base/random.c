/* core/base/random.c - randomness from the kernel, or repeatable for tests and the simulator. */
#include "core/base/random.h"

#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "core/base/str.h"

/* More the kernel gives nobody at once. */
#define CHUNK 256

static void system_fill(void *ctx, void *data, size_t len)
{
    unsigned char *at = data;

    (void) ctx;
    while (len > 0) {
        size_t part = MIN(len, (size_t) CHUNK);

        if (getentropy(at, part) < 0)
            abort();
        at += part;
        len -= part;
    }
}

const struct rng rng_system = { .fill = system_fill };

/* splitmix64: one addition and three mixing steps, every seed is good. */
static uint64_t seeded_next(struct rng_seeded *rng)
{
    uint64_t z = rng->state += UINT64_C(0x9e3779b97f4a7c15);

    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return z ^ (z >> 31);
}

static void seeded_fill(void *ctx, void *data, size_t len)
{
    unsigned char *at = data;

    while (len > 0) {
        uint64_t word = seeded_next(ctx);
        size_t part = MIN(len, sizeof(word));

        memcpy(at, &word, part);
        at += part;
        len -= part;
    }
}

void rng_seed(struct rng_seeded *rng, uint64_t seed)
{
    *rng = (struct rng_seeded) { .rng = { .fill = seeded_fill, .ctx = rng }, .state = seed };
}

uint64_t rng_u64(const struct rng *rng)
{
    uint64_t value;

    rng->fill(rng->ctx, &value, sizeof(value));
    return value;
}

uint64_t rng_below(const struct rng *rng, uint64_t bound)
{
    /* The lowest 2^64 mod bound values would make the first results more likely than the rest. */
    uint64_t biased = bound > 1 ? (0 - bound) % bound : 0;
    uint64_t value;

    if (bound <= 1)
        return 0;
    do {
        value = rng_u64(rng);
    } while (value < biased);
    return value % bound;
}

void rng_hex(const struct rng *rng, char *dst, size_t bytes)
{
    unsigned char chunk[32];

    while (bytes > 0) {
        size_t part = MIN(bytes, sizeof(chunk));

        rng->fill(rng->ctx, chunk, part);
        hex_encode(dst, chunk, part);
        dst += 2 * part;
        bytes -= part;
    }
    *dst = '\0';
}

void rng_uuid(const struct rng *rng, char uuid[UUID_SIZE])
{
    static const size_t groups[] = { 4, 2, 2, 2, 6 };
    unsigned char bytes[16];
    const unsigned char *from = bytes;

    rng->fill(rng->ctx, bytes, sizeof(bytes));
    bytes[6] = (unsigned char) ((bytes[6] & 0x0f) | 0x40);
    bytes[8] = (unsigned char) ((bytes[8] & 0x3f) | 0x80);
    for (size_t i = 0; i < ARRAY_LEN(groups); i++) {
        if (i > 0)
            *uuid++ = '-';
        hex_encode(uuid, from, groups[i]);
        uuid += 2 * groups[i];
        from += groups[i];
    }
}
