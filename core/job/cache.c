/* core/job/cache.c - the stages of caches: what earlier jobs left is brought before the job's scripts run,
 * what the next ones shall find is kept afterwards (job-execution.md 5). A cache is a help, never a need:
 * what cannot be brought or kept is said, and the job goes on. */
#include <errno.h>
#include <stdio.h>

#include "core/base/str.h"
#include "core/job/cache_settings.h"
#include "core/job/helper.h"
#include "core/job/supply.h"
#include "core/job/words.h"

static bool has_selecting(json_t *entries)
{
    for (size_t i = 0; entries && i < json_object_array_length(entries); i++)
        if (cache_selects(json_object_array_get_idx(entries, i)))
            return true;
    return false;
}

/* What it went wrong with is no concern of the job's, unless nothing more can run. */
static bool stops(const struct end *end)
{
    return end->kind != END_OK && end->kind != END_EXIT;
}

static struct end out_of_memory(void)
{
    return end_make(END_SYSTEM, "cache: out of memory");
}

/* The store. */

/* Adds the option with a signed URL, and the headers that go with it. -ENOENT: there is no store. */
static int add_signed(struct job *job, json_t **words, const char *option, const char *name,
                      enum supply_method method, struct error *err)
{
    struct supply_url url = { 0 };
    int r = supply_sign(job->report, name, method, &url, err);

    if (r == 0)
        words_add_option(words, option, url.url);
    for (size_t i = 0;
         r == 0 && method == SUPPLY_PUT && url.headers && i < json_object_array_length(url.headers);
         i++)
        words_add_option(words, "--header", words_at(url.headers, i));
    supply_url_done(&url);
    return r;
}

struct signing {
    const char *option, *name;
    enum supply_method method;
};

static int add_all_signed(struct job *job, json_t **words, const struct signing *rows, size_t n,
                          struct error *err)
{
    int r = 0;

    for (size_t i = 0; r == 0 && i < n; i++)
        if (rows[i].name)
            r = add_signed(job, words, rows[i].option, rows[i].name, rows[i].method, err);
    return r;
}

/* Whether there is a store at all, for the way on which only the supervisor sees its URLs. */
static int find_store(struct job *job, const char *name, struct error *err)
{
    struct supply_url url = { 0 };
    int r = supply_sign(job->report, name, SUPPLY_HEAD, &url, err);

    supply_url_done(&url);
    return r;
}

static json_t *new_request(const char *kind, const char *name)
{
    json_t *request = name ? json_object_new_object() : NULL;

    (void) json_add_str(request, "kind", kind);
    (void) json_add_str(request, "name", name);
    return request;
}

/* Restoring. */

static int sign_extraction(struct job *job, const struct cache_archive *archive, json_t **words,
                           struct error *err)
{
    const struct signing rows[] = {
        { "--url", archive->name, SUPPLY_GET },
        { "--head-url", archive->name, SUPPLY_HEAD },
        { "--alternate-url", archive->other_name, SUPPLY_GET },
        { "--alternate-head-url", archive->other_name, SUPPLY_HEAD },
    };

    return add_all_signed(job, words, rows, ARRAY_LEN(rows), err);
}

/* Without the store the helper takes what is on the instance. */
static struct end extract(struct job *job, const struct cache_archive *archive)
{
    autojson json_t *words = words_new(), *direct = words_new(), *request = NULL, *other = NULL;
    struct helper_call call = { .command = "cache-extractor",
                                .signs = true,
                                .file = archive->file };
    bool is_direct = job->helper.way == HELPER_DIRECT;
    struct error err = { 0 };
    int r = is_direct ? sign_extraction(job, archive, &direct, &err)
                      : find_store(job, archive->name, &err);

    if (end_is_for_all(job, r))
        return end_from_error(job, r, err.message);
    if (r < 0 && r != -ENOENT)
        (void) trace_line(job->trace, TRACE_CAUTION,
                          "Failed to obtain environment for cache %s: %s", archive->key,
                          err.message);
    if (r == -ENOENT && !is_direct)
        helper_line(job, HELPER_INFO,
                    "No URL provided, cache will not be downloaded from shared cache server. "
                    "Instead a local version of cache will be extracted.",
                    "");
    if (r == 0 && !is_direct) {
        request = new_request("cache_download", archive->name);
        other = new_request("cache_download", archive->other_name);
    }
    words_add_option(&words, "--file", archive->file);
    words_add_number(&words, "--timeout", cache_request_minutes(job));
    call.words = words;
    call.direct = direct;
    call.request = request;
    call.other_request = other;
    return helper_run(job, &call);
}

/* Half an archive may have been unpacked: with the flag the job rather begins without. */
static struct end remove_paths(struct job *job, json_t *entry)
{
    json_t *paths = entry_array(entry, "paths");
    autobuf struct buf body = BUF_INIT;

    if (!paths || !job->flags[FF_CLEAN_UP_FAILED_CACHE_EXTRACT])
        return end_ok();
    stage_own_begin(job, &body);
    for (size_t i = 0; i < json_object_array_length(paths); i++) {
        const char *path = words_at(paths, i);
        size_t len = strlen(path);

        while (len > 0 && path[len - 1] == '/')
            len--;
        if (!path_is_sound(path, len)) /* nothing was unpacked there */
            continue;
        (void) trace_line(job->trace, TRACE_INFO, "Removing %s", path);
        job->shell->remove(&body, job->build_dir, &path, 1);
    }
    job->shell->own_end(&body);
    return stage_execute(job, &body, STAGE_VARIABLES, job->deadline_ms, NULL);
}

/* The entry's own key, then those to fall back on, until one is there. */
static struct end restore_first(struct job *job, json_t *entry,
                                const struct cache_archives *archives)
{
    struct end end = end_ok();

    for (size_t i = 0; i < archives->n; i++) {
        (void) trace_line(job->trace, TRACE_INFO, "Checking cache for %s...",
                          archives->items[i].key);
        if (job->helper.way == HELPER_NOBODY) {
            helper_say_missing(job, "Extracting cache");
            return end_ok();
        }
        end = extract(job, &archives->items[i]);
        if (end.kind == END_OK)
            (void) trace_line(job->trace, TRACE_INFO, "Successfully extracted cache");
        if (end.kind != END_EXIT)
            return end;
        (void) trace_line(job->trace, TRACE_CAUTION, "Failed to extract cache");
        end = remove_paths(job, entry);
        if (stops(&end))
            return end;
    }
    return end_ok();
}

static struct end restore_entry(struct job *job, json_t *entry)
{
    struct cache_archives archives;
    enum cache_policy policy = CACHE_PULL_PUSH;
    struct error err = { 0 };
    struct end end = end_ok();
    int r = cache_all_archives(job, entry, &archives);

    if (r == -EINVAL) {
        (void) trace_line(job->trace, TRACE_INFO,
                          "Skipping cache extraction due to empty cache key");
        return end;
    }
    if (r < 0)
        return out_of_memory();
    if (cache_policy_of(job, entry, archives.items[0].key, &policy, &err) < 0)
        end = end_make(END_CONFIG, err.message);
    else if (policy == CACHE_PUSH)
        (void) trace_line(job->trace, TRACE_INFO, "Not downloading cache %s due to policy",
                          archives.items[0].key);
    else
        end = restore_first(job, entry, &archives);
    cache_archives_done(&archives);
    return end;
}

static struct end restore(struct job *job)
{
    json_t *entries = entries_of(job->payload, "cache");
    struct end end;

    stage_begin(job, "restore_cache", "Restoring cache");
    end = helper_choose(job);
    for (size_t i = 0; end.kind == END_OK && i < json_object_array_length(entries); i++) {
        json_t *entry = json_object_array_get_idx(entries, i);

        if (cache_selects(entry))
            end = restore_entry(job, entry);
    }
    stage_end(job, "restore_cache", &end);
    return end;
}

struct end cache_restore(struct job *job)
{
    if (!has_selecting(entries_of(job->payload, "cache")))
        return end_ok();
    return attempts_run(job, "RESTORE_CACHE_ATTEMPTS", restore);
}

/* Keeping. */

static bool is_kept(json_t *entry, bool success)
{
    return cache_selects(entry) && entry_applies(entry, success);
}

static int sign_archiving(struct job *job, const struct cache_archive *archive, json_t **words,
                          struct error *err)
{
    const struct signing rows[] = {
        { "--url", archive->name, SUPPLY_PUT },
        { "--check-url", archive->name, SUPPLY_HEAD },
    };

    return add_all_signed(job, words, rows, ARRAY_LEN(rows), err);
}

static struct end archive(struct job *job, json_t *entry, const struct cache_archive *archive)
{
    autojson json_t *words = words_new(), *direct = words_new(), *request = NULL;
    struct helper_call call = { .command = "cache-archiver", .signs = true, .upload = true };
    bool is_direct = job->helper.way == HELPER_DIRECT;
    int64_t limit = 0;
    struct error err = { 0 };
    int r = is_direct ? sign_archiving(job, archive, &direct, &err)
                      : find_store(job, archive->name, &err);

    if (end_is_for_all(job, r))
        return end_from_error(job, r, err.message);
    if (r < 0 && r != -ENOENT)
        (void) trace_line(job->trace, TRACE_CAUTION,
                          "Unable to generate cache upload environment: %s", err.message);
    (void) json_opt_i64(job->runner, "cache_max_bytes", 0, INT64_MAX, &limit, NULL);
    if (r == 0 && !is_direct) {
        request = new_request("cache_upload", archive->name);
        (void) json_add_i64(request, "max_bytes", limit);
    }
    words_add_option(&words, "--file", archive->file);
    words_add_option(&words, "--alternate-file", archive->other_file);
    words_add_number(&words, "--timeout", cache_request_minutes(job));
    if (limit > 0)
        words_add_number(&words, "--max-uploaded-archive-size", limit);
    entry_add_selection(entry, &words);
    call.words = words;
    call.direct = direct;
    call.request = request;
    return helper_run(job, &call);
}

static struct end keep_archive(struct job *job, json_t *entry, const struct cache_archive *of)
{
    struct end end;

    (void) trace_line(job->trace, TRACE_INFO, "Creating cache %s...", of->key);
    if (job->helper.way == HELPER_NOBODY) {
        helper_say_missing(job, "Creating cache");
        return end_ok();
    }
    end = archive(job, entry, of);
    if (end.kind == END_OK)
        (void) trace_line(job->trace, TRACE_INFO, "Created cache");
    else if (end.kind == END_EXIT)
        (void) trace_line(job->trace, TRACE_CAUTION, "Failed to create cache");
    return stops(&end) ? end : end_ok();
}

static struct end keep_entry(struct job *job, json_t *entry)
{
    struct cache_archive of;
    enum cache_policy policy = CACHE_PULL_PUSH;
    struct error err = { 0 };
    struct end end = end_ok();
    int r = cache_own_archive(job, entry, &of);

    if (r == -EINVAL) {
        (void) trace_line(job->trace, TRACE_INFO,
                          "Skipping cache archiving due to empty cache key");
        return end;
    }
    if (r < 0)
        return out_of_memory();
    if (cache_policy_of(job, entry, of.key, &policy, &err) < 0)
        (void) trace_line(job->trace, TRACE_WARNING, "%s", err.message);
    else if (policy == CACHE_PULL)
        (void) trace_line(job->trace, TRACE_INFO, "Not uploading cache %s due to policy", of.key);
    else
        end = keep_archive(job, entry, &of);
    cache_archive_done(&of);
    return end;
}

struct end cache_keep(struct job *job, bool success)
{
    const char *stage = success ? "archive_cache" : "archive_cache_on_failure";
    json_t *entries = entries_of(job->payload, "cache");
    size_t n = entries ? json_object_array_length(entries) : 0, first = 0;
    struct end end;

    while (first < n && !is_kept(json_object_array_get_idx(entries, first), success))
        first++;
    if (first == n)
        return end_ok();
    stage_begin(job, stage,
                success ? "Saving cache for successful job" : "Saving cache for failed job");
    end = helper_choose(job);
    for (size_t i = first; end.kind == END_OK && i < n; i++) {
        json_t *entry = json_object_array_get_idx(entries, i);

        if (is_kept(entry, success))
            end = keep_entry(job, entry);
    }
    stage_end(job, stage, &end);
    return end;
}
