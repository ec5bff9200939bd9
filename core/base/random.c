/* core/base/random.c - the system's randomness and a seeded generator (random.h). */
#include "core/base/random.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "core/base/str.h"

static void system_fill(void *ctx, void *data, size_t len)
{
    char *at = data;

    (void) ctx;
    while (len > 0) {
        ssize_t n = getrandom(at, len, 0);

        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            abort(); /* a predictable key is worse than no process (hardening.md S7) */
        at += n;
        len -= (size_t) n;
    }
}

const struct rng rng_system = { system_fill, NULL };

/* splitmix64: small, and every seed gives a full-period sequence. */
static uint64_t seeded_next(struct rng_seeded *rng)
{
    uint64_t z = rng->state += 0x9e3779b97f4a7c15U;

    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9U;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebU;
    return z ^ (z >> 31);
}

static void seeded_fill(void *ctx, void *data, size_t len)
{
    unsigned char *at = data;

    while (len > 0) {
        uint64_t word = seeded_next(ctx);
        size_t n = MIN(len, sizeof(word));

        memcpy(at, &word, n);
        at += n;
        len -= n;
    }
}

void rng_seed(struct rng_seeded *rng, uint64_t seed)
{
    rng->rng = (struct rng) { seeded_fill, rng };
    rng->state = seed;
}

uint64_t rng_u64(const struct rng *rng)
{
    uint64_t value;

    rng->fill(rng->ctx, &value, sizeof(value));
    return value;
}

uint64_t rng_below(const struct rng *rng, uint64_t bound)
{
    uint64_t reject = (UINT64_MAX - bound + 1) % bound, value;

    /* Values below 2^64 mod bound would make small results likelier. */
    do
        value = rng_u64(rng);
    while (value < reject);
    return value % bound;
}

void rng_hex(const struct rng *rng, char *dst, size_t bytes)
{
    unsigned char data[64];

    if (bytes > sizeof(data))
        abort();
    rng->fill(rng->ctx, data, bytes);
    hex_encode(dst, data, bytes);
}

void rng_uuid(const struct rng *rng, char uuid[UUID_SIZE])
{
    unsigned char b[16];
    char hex[33];

    rng->fill(rng->ctx, b, sizeof(b));
    b[6] = (unsigned char) ((b[6] & 0x0f) | 0x40);
    b[8] = (unsigned char) ((b[8] & 0x3f) | 0x80);
    hex_encode(hex, b, sizeof(b));
    (void) snprintf(uuid, UUID_SIZE, "%.8s-%.4s-%.4s-%.4s-%.12s", hex, hex + 8, hex + 12, hex + 16,
                    hex + 20);
}
