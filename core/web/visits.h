/* core/web/visits.h - browsers that have shown the token at the form, each of which has a random key since, until a time:
 * for core/web/form.c. Pure.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "core/base/random.h"

#define WEB_VISITS_MAX 64
#define WEB_VISIT_MS (12 * INT64_C(3600) * 1000)
#define WEB_VISIT_KEY_SIZE 65 /* 256 bits in hexadecimal */

struct web_visits {
    struct {
        uint64_t number; /* 0 = nobody; no two have the same */
        int64_t until_mono;
        char key[WEB_VISIT_KEY_SIZE];
    } of[WEB_VISITS_MAX];
    uint64_t last;
};

/* Where there are too many, the one ends that began first. */
void web_visits_begin(struct web_visits *visits, const struct rng *rng, int64_t now_mono,
                      char ret_key[WEB_VISIT_KEY_SIZE]);
/* The number of the visit with that key; 0 = it is nobody's. */
uint64_t web_visits_find(const struct web_visits *visits, const char *key, int64_t now_mono);
bool web_visits_has(const struct web_visits *visits, uint64_t number, int64_t now_mono);
void web_visits_end(struct web_visits *visits, uint64_t number);
