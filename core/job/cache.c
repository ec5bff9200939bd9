/* core/job/cache.c - the stages of caches: what earlier jobs left is brought before the job's scripts run,
 * what the next ones shall find is kept afterwards (job-execution.md 5). A cache is a help, never a need:
 * what cannot be brought or kept is said, and the job goes on. */
#include <errno.h>
#include <stdio.h>

#include "core/base/str.h"
#include "core/job/cache_settings.h"
#include "core/job/helper.h"
#include "core/job/shell/bash.h"
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

/* Restoring. */

static struct end extract(struct job *job, const struct cache_archive *archive)
{
    autojson json_t *words = words_new(), *direct = words_new();
    struct helper_call call = { .command = "cache-extractor" };

    words_add_option(&words, "--file", archive->file);
    words_add_number(&words, "--timeout", cache_request_minutes(job));
    call.words = words;
    call.direct = direct;
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
    script_command(&body, (const char *const[]) { "cd", "--", job->build_dir, NULL });
    for (size_t i = 0; i < json_object_array_length(paths); i++) {
        const char *path = words_at(paths, i);
        size_t len = strlen(path);

        while (len > 0 && path[len - 1] == '/')
            len--;
        if (!path_is_sound(path, len)) /* nothing was unpacked there */
            continue;
        (void) trace_line(job->trace, TRACE_INFO, "Removing %s", path);
        script_command(&body, (const char *const[]) { "rm", "-rf", "--", path, NULL });
    }
    script_own_end(&body);
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

static struct end archive(struct job *job, json_t *entry, const struct cache_archive *archive)
{
    autojson json_t *words = words_new(), *direct = words_new();
    struct helper_call call = { .command = "cache-archiver" };

    words_add_option(&words, "--file", archive->file);
    words_add_option(&words, "--alternate-file", archive->other_file);
    words_add_number(&words, "--timeout", cache_request_minutes(job));
    entry_add_selection(entry, &words);
    call.words = words;
    call.direct = direct;
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
