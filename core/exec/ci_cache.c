/* core/exec/ci_cache.c - caches of a job, and their limits as GitLab's. */
#include "core/exec/ci_cache.h"

#include <string.h>

#include "core/base/mem.h"
#include "core/base/str.h"
#include "core/exec/ci_cache_key.h"

#define CACHES_MAX 4
#define FALLBACK_KEYS_MAX 5

static void read_policy(struct ci_reading *reading, const char *name,
                        const struct yaml_value *value, struct ci_cache *cache)
{
    static const char *const words[] = { "pull-push", "pull", "push" };
    const char *text = yaml_scalar(value);

    /* What a variable comes to is found out by who runs the job. */
    if (text && strchr(text, '$'))
        ci_read_text(reading, name, "policy", value, &cache->policy);
    else {
        cache->policy = mem_strdup(ci_read_word(reading, name, "policy", value, words,
                                                ARRAY_LEN(words), "pull-push, pull or push"));
        reading->doc.out_of_memory |= !cache->policy;
    }
}

static void read_fallback_keys(struct ci_reading *reading, const char *name,
                               const struct yaml_value *value, struct ci_cache *cache)
{
    if (value->kind != YAML_KIND_SEQUENCE) {
        ci_wrong_kind(reading, name, "fallback_keys", value, "a list of keys");
        return;
    }
    ci_read_lines(reading, name, "fallback_keys", value, &cache->fallback_keys);
    if (cache->fallback_keys.count > FALLBACK_KEYS_MAX)
        yaml_finding(&reading->doc, CONFIG_ERROR, value,
                     "'fallback_keys' can have %d keys, not %zu", FALLBACK_KEYS_MAX,
                     cache->fallback_keys.count);
}

static void read_keyword(struct ci_reading *reading, const char *name, const struct yaml_pair *pair,
                         struct ci_cache *cache)
{
    const struct yaml_value *value = pair->value;

    if (!ci_keyword_known(reading, CI_PLACE_CACHE, name, pair) || value->kind == YAML_KIND_NULL)
        return;
    if (str_eq(pair->key, "paths"))
        ci_read_lines(reading, name, pair->key, value, &cache->paths);
    else if (str_eq(pair->key, "untracked"))
        cache->untracked = ci_read_truth(reading, name, pair->key, value);
    else if (str_eq(pair->key, "unprotect")) /* no branch is protected here */
        (void) ci_read_truth(reading, name, pair->key, value);
    else if (str_eq(pair->key, "when"))
        cache->when = ci_read_when(reading, name, value);
    else if (str_eq(pair->key, "policy"))
        read_policy(reading, name, value, cache);
    else if (str_eq(pair->key, "fallback_keys"))
        read_fallback_keys(reading, name, value, cache);
}

static void read_one(struct ci_reading *reading, const char *name, const struct yaml_value *value,
                     struct ci_caches *ret)
{
    struct ci_cache *items = mem_resize(ret->items, ret->count + 1, sizeof(*items)), *cache;

    if (value->kind != YAML_KIND_MAPPING)
        ci_wrong_kind(reading, name, "cache", value, "a mapping with 'paths', or a list of them");
    if (items)
        ret->items = items;
    else
        reading->doc.out_of_memory = true;
    if (!items || value->map.count == 0) /* `cache: {}` is none */
        return;
    cache = &items[ret->count++];
    *cache = (struct ci_cache) { .when = "on_success" };
    ci_cache_key_read(reading, name, yaml_get(value, "key"), ret->count - 1, &cache->key);
    for (size_t i = 0; i < value->map.count && yaml_visit(&reading->doc, value); i++)
        read_keyword(reading, name, &value->map.items[i], cache);
}

void ci_caches_read(struct ci_reading *reading, const char *name, const struct yaml_value *value,
                    struct ci_caches *ret)
{
    if (value->kind != YAML_KIND_SEQUENCE) {
        read_one(reading, name, value, ret);
        return;
    }
    if (value->n_items > CACHES_MAX)
        yaml_finding(&reading->doc, CONFIG_ERROR, value, "a job can have %d caches, not %zu",
                     CACHES_MAX, value->n_items);
    for (size_t i = 0; i < MIN(value->n_items, (size_t) CACHES_MAX); i++)
        read_one(reading, name, value->items[i], ret);
}
