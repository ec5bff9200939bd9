/* core/job/cache_settings.h - what an entry of the payload's `cache` asks for: its keys as archives, its
 * policy, and the keys that are tried when there is none under its own (job-execution.md 5.1, 5.2). For
 * cache.c. What is wrong with a key is said in the job's log.
 */
#pragma once

#include <stdbool.h>

#include "core/base/json.h"
#include "core/job/entry.h"
#include "core/job/job.h"

/* Whether there is anything to keep; one without is skipped. */
static inline bool cache_selects(json_t *entry)
{
    return entry_array(entry, "paths") || entry_untracked(entry);
}

enum cache_policy { CACHE_PULL_PUSH, CACHE_PULL, CACHE_PUSH };
/* -EINVAL for another word, with the sentence that the job ends with; `key` is for that. */
int cache_policy_of(const struct job *job, json_t *entry, const char *key, enum cache_policy *ret,
                    struct error *err);

/* One key: as people read it, and the archive that it names, on the instance and in the store. The other
 * names are those by which FF_HASH_CACHE_KEYS, were it switched, would look for the same archive; NULL
 * where there is no such name. */
struct cache_archive {
    char *key, *name, *other_name, *file, *other_file;
};
void cache_archive_done(struct cache_archive *archive);

/* The entry's own key; -EINVAL when nothing is left of it. Others: memory. */
int cache_own_archive(struct job *job, json_t *entry, struct cache_archive *ret);
/* The keys to be tried for it, best first: *ret has the entry's own and all fallbacks that are sound. */
struct cache_archives {
    struct cache_archive *items;
    size_t n;
};
void cache_archives_done(struct cache_archives *archives);
int cache_all_archives(struct job *job, json_t *entry, struct cache_archives *ret);

/* The minutes that an exchange with the store may take: CACHE_REQUEST_TIMEOUT. */
int64_t cache_request_minutes(const struct job *job);
