/* core/base/random.h - randomness as an interface: the kernel's for the product, a seeded generator
 * for tests and the simulator. */
#pragma once

#include <stddef.h>
#include <stdint.h>

struct rng {
    void (*fill)(void *ctx, void *data, size_t len);
    void *ctx;
};

extern const struct rng rng_system; /* the kernel's; none aborts (hardening.md S7) */

struct rng_seeded {
    struct rng rng;
    uint64_t state;
};
void rng_seed(struct rng_seeded *rng, uint64_t seed);

uint64_t rng_u64(const struct rng *rng);
uint64_t rng_below(const struct rng *rng, uint64_t bound); /* uniform in [0, bound); bound > 0 */
#define UUID_SIZE 37
void rng_uuid(const struct rng *rng, char uuid[UUID_SIZE]);   /* version 4, lower case */
void rng_hex(const struct rng *rng, char *dst, size_t bytes); /* dst holds 2 * bytes + 1 */
