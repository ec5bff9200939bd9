/* core/job/cache_settings.c - see cache_settings.h. */
#include "core/job/cache_settings.h"

#include <errno.h>
#include <openssl/sha.h>
#include <string.h>

#include "core/base/cache_key.h"
#include "core/base/mem.h"
#include "core/base/str.h"
#include "core/job/entry.h"
#include "core/job/words.h"

#define REQUEST_MINUTES 10
#define RESERVED_SUFFIX "-protected"

static char *expanded(const struct job *job, const char *text)
{
    struct buf out = BUF_INIT;

    variables_expand_text(&job->variables, text, job->tmp_dir, &out);
    return buf_take(&out);
}

int cache_policy_of(const struct job *job, json_t *entry, const char *key, enum cache_policy *ret,
                    struct error *err)
{
    autofree char *policy = expanded(job, text_of(entry, "policy", ""));

    if (!policy)
        return error_set(err, -ENOMEM, "cache: out of memory");
    if (!*policy || str_eq(policy, "pull-push"))
        *ret = CACHE_PULL_PUSH;
    else if (str_eq(policy, "pull"))
        *ret = CACHE_PULL;
    else if (str_eq(policy, "push"))
        *ret = CACHE_PUSH;
    else
        return error_set(err, -EINVAL, "unknown cache policy %.100s for %.200s", policy, key);
    return 0;
}

/* As Go quotes a text, which is how people know these lines. */
static void add_quoted(struct buf *out, const char *text)
{
    static const char plain[] = "\a\b\f\n\r\t\v\\\"", codes[] = "abfnrtv\\\"";

    buf_add_char(out, '"');
    for (; *text; text++) {
        const char *special = strchr(plain, *text);

        if (special)
            buf_addf(out, "\\%c", codes[special - plain]);
        else if ((unsigned char) *text < ' ' || *text == 0x7f)
            buf_addf(out, "\\x%02x", (unsigned) (unsigned char) *text);
        else
            buf_add_char(out, *text);
    }
    buf_add_char(out, '"');
}

static void say_changed(struct job *job, const char *raw, const char *key)
{
    autobuf struct buf line = BUF_INIT;

    if (str_eq(raw, key))
        return;
    buf_add_str(&line, "cache key ");
    add_quoted(&line, raw);
    buf_add_str(&line, key ? " sanitized to " : " could not be sanitized");
    if (key)
        add_quoted(&line, key);
    (void) trace_line(job->trace, TRACE_CAUTION, "%s", buf_str(&line));
}

/* Of the key as it was written, so that it stays the same whatever the rules for names become. */
static void hash_key(const char *key, char hex[2 * SHA256_DIGEST_LENGTH + 1])
{
    unsigned char digest[SHA256_DIGEST_LENGTH];

    (void) SHA256((const unsigned char *) key, strlen(key), digest);
    hex_encode(hex, digest, sizeof(digest));
}

static char *file_of(const struct job *job, const char *name)
{
    return name ? mem_printf("%s/%s/cache.zip", job->cache_dir, name) : NULL;
}

void cache_archive_done(struct cache_archive *archive)
{
    free(archive->key);
    free(archive->name);
    free(archive->other_name);
    free(archive->file);
    free(archive->other_file);
    *archive = (struct cache_archive) { 0 };
}

static void swap(char **a, char **b)
{
    char *kept = *a;

    *a = *b;
    *b = kept;
}

/* `raw` is not empty. */
static int resolve(struct job *job, const char *raw, struct cache_archive *ret)
{
    bool hashed = job->flags[FF_HASH_CACHE_KEYS];
    char hex[2 * SHA256_DIGEST_LENGTH + 1];
    int r = cache_key_canonical(raw, &ret->name);

    if (r < 0 && r != -EINVAL)
        return r;
    if (!hashed)
        say_changed(job, raw, ret->name);
    if (!hashed && r < 0)
        return r;
    hash_key(raw, hex);
    ret->key = mem_strdup(hashed ? raw : ret->name);
    ret->other_name = mem_printf("%.2s/%s", hex, hex);
    ret->file = file_of(job, ret->name);
    ret->other_file = file_of(job, hex);
    if (!ret->key || !ret->other_name || !ret->other_file || (ret->name && !ret->file))
        return -ENOMEM;
    if (hashed) {
        swap(&ret->name, &ret->other_name);
        swap(&ret->file, &ret->other_file);
    }
    return 0;
}

/* The key that an entry has which names none. */
static char *default_key(const struct job *job)
{
    json_t *info = NULL, *git = NULL;

    (void) json_opt_object(job->payload, "job_info", &info, NULL);
    (void) json_opt_object(job->payload, "git_info", &git, NULL);
    return mem_printf("%s/%s", text_of(info, "name", ""), text_of(git, "ref", ""));
}

static char *own_key(const struct job *job, json_t *entry)
{
    autofree char *raw = expanded(job, text_of(entry, "key", ""));

    return raw && !*raw ? default_key(job) : take_ptr(raw);
}

int cache_own_archive(struct job *job, json_t *entry, struct cache_archive *ret)
{
    autofree char *raw = own_key(job, entry);
    int r;

    *ret = (struct cache_archive) { 0 };
    r = raw ? resolve(job, raw, ret) : -ENOMEM;
    if (r < 0)
        cache_archive_done(ret);
    return r;
}

void cache_archives_done(struct cache_archives *archives)
{
    for (size_t i = 0; i < archives->n; i++)
        cache_archive_done(&archives->items[i]);
    free(archives->items);
    *archives = (struct cache_archives) { 0 };
}

/* One that is not sound was said, and is left out. */
static int add_fallback(struct job *job, const char *raw, struct cache_archives *list)
{
    int r;

    if (str_empty(raw))
        return 0;
    r = resolve(job, raw, &list->items[list->n]);
    if (r < 0)
        cache_archive_done(&list->items[list->n]);
    list->n += r == 0;
    return r == -EINVAL ? 0 : r;
}

/* What only jobs of protected branches may fill is not read by naming it: the suffix is GitLab's. */
static bool is_reserved(const char *raw)
{
    autofree char *key = NULL;
    size_t len, suffix = strlen(RESERVED_SUFFIX);

    if (cache_key_canonical(raw, &key) < 0)
        return false;
    for (len = strlen(key); len > 0 && strchr(". ", key[len - 1]); len--)
        continue;
    return len >= suffix && memcmp(key + len - suffix, RESERVED_SUFFIX, suffix) == 0;
}

static int add_global_fallback(struct job *job, struct cache_archives *list)
{
    const char *raw = variables_get(&job->variables, "CACHE_FALLBACK_KEY");
    autobuf struct buf line = BUF_INIT;

    if (str_empty(raw) || !is_reserved(raw))
        return add_fallback(job, raw, list);
    buf_add_str(&line, "CACHE_FALLBACK_KEY ");
    add_quoted(&line, raw);
    buf_add_str(&line, " not allowed to end in ");
    add_quoted(&line, RESERVED_SUFFIX);
    (void) trace_line(job->trace, TRACE_CAUTION, "%s", buf_str(&line));
    return 0;
}

int cache_all_archives(struct job *job, json_t *entry, struct cache_archives *ret)
{
    json_t *fallbacks = entry_array(entry, "fallback_keys");
    size_t n = fallbacks ? json_object_array_length(fallbacks) : 0;
    int r;

    *ret = (struct cache_archives) { .items = mem_array(n + 2, sizeof(*ret->items)) };
    if (!ret->items)
        return -ENOMEM;
    r = cache_own_archive(job, entry, &ret->items[0]);
    ret->n = r == 0;
    for (size_t i = 0; r == 0 && i < n; i++) {
        autofree char *raw = expanded(job, words_at(fallbacks, i));

        r = raw ? add_fallback(job, raw, ret) : -ENOMEM;
    }
    if (r == 0)
        r = add_global_fallback(job, ret);
    if (r < 0)
        cache_archives_done(ret);
    return r;
}

int64_t cache_request_minutes(const struct job *job)
{
    const char *text = variables_get(&job->variables, "CACHE_REQUEST_TIMEOUT");
    int64_t minutes = REQUEST_MINUTES;

    if (text)
        (void) parse_i64(text, 1, INT32_MAX, &minutes);
    return minutes;
}
