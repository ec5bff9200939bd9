/* core/web/visits.c - a table of keys and their ends (visits.h). */
#include "core/web/visits.h"

#include <stddef.h>
#include <string.h>

#include "core/base/secret.h"
#include "core/base/str.h"

/* All last equally long: whose number is lowest began first, and nobody's is 0. */
static size_t first_of(const struct web_visits *visits)
{
    size_t found = 0;

    for (size_t i = 1; i < WEB_VISITS_MAX; i++)
        if (visits->of[i].number < visits->of[found].number)
            found = i;
    return found;
}

void web_visits_begin(struct web_visits *visits, const struct rng *rng, int64_t now_mono,
                      char ret_key[WEB_VISIT_KEY_SIZE])
{
    size_t i = first_of(visits);

    visits->of[i].number = ++visits->last;
    visits->of[i].until_mono = now_mono + WEB_VISIT_MS;
    rng_hex(rng, visits->of[i].key, (WEB_VISIT_KEY_SIZE - 1) / 2);
    memcpy(ret_key, visits->of[i].key, WEB_VISIT_KEY_SIZE);
}

uint64_t web_visits_find(const struct web_visits *visits, const char *key, int64_t now_mono)
{
    uint64_t found = 0;

    if (strlen(key) != WEB_VISIT_KEY_SIZE - 1)
        return 0;
    /* All of them, so that the time says nothing (hardening.md S7). */
    for (size_t i = 0; i < WEB_VISITS_MAX; i++)
        if (mem_equal_secret(visits->of[i].key, key, WEB_VISIT_KEY_SIZE))
            found = visits->of[i].number;
    return web_visits_has(visits, found, now_mono) ? found : 0;
}

bool web_visits_has(const struct web_visits *visits, uint64_t number, int64_t now_mono)
{
    for (size_t i = 0; number > 0 && i < WEB_VISITS_MAX; i++)
        if (visits->of[i].number == number)
            return now_mono < visits->of[i].until_mono;
    return false;
}

void web_visits_end(struct web_visits *visits, uint64_t number)
{
    for (size_t i = 0; number > 0 && i < WEB_VISITS_MAX; i++)
        if (visits->of[i].number == number)
            secret_wipe(&visits->of[i], sizeof(visits->of[i]));
}
