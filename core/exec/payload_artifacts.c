/* core/exec/payload_artifacts.c - see payload_artifacts.h; as payload.c, additions are collected in one
 * result. */
#include "core/exec/payload_artifacts.h"

#include "core/base/buf.h"
#include "core/base/str.h"

/* Caches of protected branches are kept apart; here no branch is one. */
#define KEY_SUFFIX "-non_protected"

int payload_add_lines(json_t *list, const struct ci_lines *lines)
{
    for (size_t i = 0; i < lines->count; i++) {
        json_t *line = json_object_new_string(lines->items[i]);

        if (!line || json_object_array_add(list, line) < 0) {
            json_object_put(line);
            return -1;
        }
    }
    return 0;
}

static int add_list(json_t *obj, const char *key, const struct ci_lines *lines)
{
    json_t *list = json_object_new_array();
    int r = list ? payload_add_lines(list, lines) : -1;

    return json_add(obj, key, list) | r;
}

/* Takes the entry. */
static int add_entry(json_t *list, json_t *entry)
{
    if (!list || !entry || json_object_array_add(list, entry) < 0) {
        json_object_put(entry);
        return -1;
    }
    return 0;
}

static int add_artifact(json_t *list, const struct ci_artifact *artifact)
{
    json_t *entry = json_object_new_object();
    int r = 0;

    r |= json_add_str(entry, "name", artifact->name);
    r |= json_add_bool(entry, "untracked", artifact->untracked);
    r |= add_list(entry, "paths", &artifact->paths);
    r |= add_list(entry, "exclude", &artifact->exclude);
    r |= json_add_str(entry, "when", artifact->when);
    r |= json_add_str(entry, "expire_in", artifact->expire_in);
    r |= json_add_str(entry, "artifact_type", artifact->type->name);
    r |= json_add_str(entry, "artifact_format", artifact->type->format);
    return add_entry(list, entry) | r;
}

int payload_add_artifacts(json_t *payload, const struct ci_job *job)
{
    json_t *list = json_object_new_array();
    int r = list ? 0 : -1;

    for (size_t i = 0; list && i < job->artifacts.count; i++)
        r |= add_artifact(list, &job->artifacts.items[i]);
    return json_add(payload, "artifacts", list) | r;
}

static int add_key(json_t *list, const char *key)
{
    autobuf struct buf text = BUF_INIT;

    buf_addf(&text, "%s" KEY_SUFFIX, key);
    return add_entry(list, buf_error(&text) ? NULL : json_object_new_string(buf_str(&text)));
}

static int add_cache(json_t *list, const struct ci_cache *cache)
{
    json_t *entry = json_object_new_object(), *fallbacks = json_object_new_array();
    autobuf struct buf key = BUF_INIT;
    int r = fallbacks ? 0 : -1;

    buf_addf(&key, "%s" KEY_SUFFIX, cache->key);
    r |= buf_error(&key);
    for (size_t i = 0; fallbacks && i < cache->fallback_keys.count; i++)
        r |= add_key(fallbacks, cache->fallback_keys.items[i]);
    r |= json_add_str(entry, "key", buf_str(&key));
    r |= json_add_bool(entry, "untracked", cache->untracked);
    r |= json_add_str(entry, "policy", cache->policy ? cache->policy : "pull-push");
    r |= add_list(entry, "paths", &cache->paths);
    r |= json_add_str(entry, "when", cache->when);
    r |= json_add(entry, "fallback_keys", fallbacks);
    return add_entry(list, entry) | r;
}

int payload_add_caches(json_t *payload, const struct ci_job *job)
{
    json_t *list = json_object_new_array();
    int r = list ? 0 : -1;

    for (size_t i = 0; list && i < job->caches.count; i++)
        r |= add_cache(list, &job->caches.items[i]);
    return json_add(payload, "cache", list) | r;
}

static int add_dependency(json_t *list, const struct payload_source *source)
{
    const struct artifact_file *archive = artifact_set_archive(source->set);
    json_t *entry = json_object_new_object(), *file = json_object_new_object();
    int r = 0;

    r |= json_add_i64(entry, "id", source->set->job_id);
    r |= json_add_str(entry, "name", source->name);
    r |= json_add_str(entry, "token", source->set->token);
    r |= json_add_str(file, "filename", archive->name);
    r |= json_add_i64(file, "size", archive->size);
    r |= json_add(entry, "artifacts_file", file);
    return add_entry(list, entry) | r;
}

/* Of those that have an archive. */
int payload_add_dependencies(json_t *payload, const struct payload_job *job)
{
    json_t *list = json_object_new_array();
    int r = list ? 0 : -1;

    for (size_t i = 0; list && i < job->n_sources; i++)
        if (artifact_set_archive(job->sources[i].set))
            r |= add_dependency(list, &job->sources[i]);
    return json_add(payload, "dependencies", list) | r;
}
