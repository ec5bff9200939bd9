/* core/supervisor/cache_store.h - the store of a runner's caches: its keys, the names of its objects, and URLs
 * for them (job-execution.md 5.4). Used by supplier.c for each job; its keys leave this process in nothing but
 * signatures.
 */
#pragma once

#include <stdint.h>

#include "core/base/error.h"
#include "core/config/config.h"
#include "sdk/lib/signed_url.h"

struct cache_store;

/* Borrows the settings, reads the files that they name. A store that cannot be used says so when it is
 * asked. NULL without memory. */
struct cache_store *cache_store_open(const struct config_cache *settings);
void cache_store_close(struct cache_store *store);
/* Why it cannot be used, or NULL. */
const char *cache_store_problem(const struct cache_store *store);

struct cache_object {
    const char *short_token; /* the runner's */
    int64_t project_id;
    const char *name; /* canonical (core/base/cache_key.h); another is refused */
};
/* "[Path/][runner/TOKEN/]project/ID/NAME"; the caller frees. -EINVAL: the name is not canonical. */
int cache_store_object_name(const struct cache_store *store, const struct cache_object *object,
                            char **ret, struct error *err);

/* 0; -ENOENT: there is no store (also for NULL); else with a sentence. `method` is GET, HEAD or PUT. */
int cache_store_sign(const struct cache_store *store, const struct cache_object *object,
                     const char *method, int64_t now_s, int64_t lifetime_s,
                     struct flt_signed_url *ret, struct error *err);
