/* core/job/artifacts.c - the stages of artifacts: those of earlier jobs are brought before the scripts run,
 * this job's go to GitLab afterwards (job-execution.md 6). What fails here fails the job, and at once: of
 * several uploads none is tried behind one that failed. */
#include <inttypes.h>
#include <stdio.h>

#include "core/base/clock.h"
#include "core/base/mem.h"
#include "core/base/str.h"
#include "core/job/entry.h"
#include "core/job/git_settings.h"
#include "core/job/helper.h"
#include "core/job/words.h"

#define UPLOAD_TIMEOUT_MS (60 * 60 * 1000)
#define RESPONSE_TIMEOUT_MS (10 * 60 * 1000)

static int64_t number_at(json_t *obj, const char *key, int64_t fallback)
{
    int64_t number = fallback;

    (void) json_opt_i64(obj, key, 1, INT64_MAX, &number, NULL);
    return number;
}

/* Of earlier jobs. */

static json_t *dependencies_of(const struct job *job)
{
    return entries_of(job->payload, "dependencies");
}

static bool has_file(json_t *dependency)
{
    json_t *file = NULL;

    (void) json_opt_object(dependency, "artifacts_file", &file, NULL);
    return !str_empty(text_of(file, "filename", ""));
}

static struct end download_one(struct job *job, json_t *dependency)
{
    autojson json_t *words = words_new(), *direct = words_new(),
                    *request = json_object_new_object();
    struct helper_call call = { .command = "artifacts-downloader",
                                .done = "Downloading artifacts from coordinator... ok" };
    int64_t id = number_at(dependency, "id", 0);
    autofree char *fields = mem_printf(" id=%" PRId64 " responseStatus=200 OK", id);

    (void) trace_line(job->trace, TRACE_INFO, "Downloading artifacts for %s (%" PRId64 ")...",
                      text_of(dependency, "name", ""), id);
    if (job->helper.way == HELPER_NOBODY) {
        helper_say_missing(job, "Downloading artifacts");
        return end_ok();
    }
    words_add_option(&direct, "--url", text_of(job->runner, "url", ""));
    words_add_number(&direct, "--id", id);
    (void) json_add_str(request, "kind", "artifact_download");
    (void) json_add_i64(request, "job", id);
    (void) json_add_str(request, "token", text_of(dependency, "token", ""));
    (void) json_add_bool(request, "direct", job->flags[FF_USE_DIRECT_DOWNLOAD]);
    call.words = words;
    call.direct = direct;
    call.request = request;
    call.token = text_of(dependency, "token", "");
    call.done_fields = fields;
    return helper_run(job, &call);
}

static struct end download(struct job *job)
{
    json_t *all = dependencies_of(job);
    struct end end;

    stage_begin(job, "download_artifacts", "Downloading artifacts");
    end = helper_choose(job);
    for (size_t i = 0; end.kind == END_OK && i < json_object_array_length(all); i++) {
        json_t *dependency = json_object_array_get_idx(all, i);

        if (has_file(dependency))
            end = download_one(job, dependency);
    }
    stage_end(job, "download_artifacts", &end);
    return end;
}

struct end artifacts_download(struct job *job)
{
    json_t *all = dependencies_of(job);

    for (size_t i = 0; all && i < json_object_array_length(all); i++)
        if (has_file(json_object_array_get_idx(all, i)))
            return attempts_run(job, "ARTIFACT_DOWNLOAD_ATTEMPTS", download);
    return end_ok();
}

/* Of this job. */

static bool is_uploaded(json_t *entry, bool success)
{
    return entry_applies(entry, success) &&
           (entry_array(entry, "paths") || entry_array(entry, "exclude") || entry_untracked(entry));
}

static void add_duration(json_t **words, const char *name, int64_t ms)
{
    autobuf struct buf text = BUF_INIT;

    format_duration(&text, ms);
    words_add_option(words, name, buf_str(&text));
}

static void add_time(json_t **words, const char *name, int64_t wall_ms)
{
    autobuf struct buf text = BUF_INIT;

    format_utc(&text, wall_ms);
    words_add_option(words, name, buf_str(&text));
}

static void add_repository(const struct job *job, json_t **words)
{
    autobuf struct buf url = BUF_INIT;

    git_add_remote_url(job, &url);
    if (str_ends(buf_str(&url), ".git"))
        url.data[url.len - 4] = '\0';
    words_add_option(words, "--repo-url", buf_str(&url));
    words_add_option(words, "--repo-digest", git_sha(job));
}

/* What the statement of provenance says (6.5); of the variables, names alone. */
static void add_provenance(const struct job *job, json_t *entry, json_t **words)
{
    int64_t now = clock_wall_ms(&clock_system);
    int64_t ran = job->timeout_ms - (job->deadline_ms - clock_mono_ms(&clock_system));
    const char *version = variables_get(&job->variables, "SLSA_PROVENANCE_SCHEMA_VERSION");
    json_t *info = NULL;

    if (!variables_flag(&job->variables, "RUNNER_GENERATE_ARTIFACTS_METADATA", false) ||
        !str_eq(text_of(entry, "artifact_format", ""), "zip"))
        return;
    (void) json_opt_object(job->payload, "job_info", &info, NULL);
    words_add(words, "--generate-artifacts-metadata");
    words_add_option(words, "--runner-id", variables_get(&job->variables, "CI_RUNNER_ID"));
    add_repository(job, words);
    words_add_option(words, "--job-name", text_of(info, "name", ""));
    words_add_option(words, "--executor-name", "instance");
    words_add_option(words, "--runner-name", text_of(job->runner, "name", ""));
    add_time(words, "--started-at", now - ran);
    add_time(words, "--ended-at", now);
    words_add_option(words, "--schema-version", str_empty(version) ? "v1" : version);
    for (size_t i = 0; i < job->variables.n; i++)
        words_add_option(words, "--metadata-parameter", job->variables.items[i].key);
}

static void add_limits(const struct job *job, json_t **words)
{
    add_duration(words, "--timeout",
                 number_at(job->runner, "artifact_upload_timeout_ms", UPLOAD_TIMEOUT_MS));
    add_duration(words, "--response-header-timeout",
                 number_at(job->runner, "artifact_response_timeout_ms", RESPONSE_TIMEOUT_MS));
}

static json_t *upload_request(json_t *entry)
{
    json_t *request = json_object_new_object();

    (void) json_add_str(request, "kind", "artifact_upload");
    (void) json_add_str(request, "format", text_of(entry, "artifact_format", ""));
    (void) json_add_str(request, "artifact_type", text_of(entry, "artifact_type", ""));
    (void) json_add_str(request, "expire_in", text_of(entry, "expire_in", ""));
    return request;
}

static struct end upload_one(struct job *job, json_t *entry)
{
    autojson json_t *words = words_new(), *direct = words_new(), *request = upload_request(entry);
    struct helper_call call = { .command = "artifacts-uploader", .upload = true };
    const char *type = text_of(entry, "artifact_type", "");
    int64_t id = number_at(job->payload, "id", 0);
    /* lint: quoted-format: a line for people. */
    autofree char *done = mem_printf("Uploading artifacts as \"%s\" to coordinator... 201 Created",
                                     str_empty(type) ? "archive" : type);
    autofree char *fields = mem_printf(" id=%" PRId64 " responseStatus=201 Created", id);

    (void) trace_line(job->trace, TRACE_INFO, "Uploading artifacts...");
    if (job->helper.way == HELPER_NOBODY) {
        helper_say_missing(job, "Uploading artifacts");
        return end_ok();
    }
    words_add_option(&direct, "--url", text_of(job->runner, "url", ""));
    words_add_number(&direct, "--id", id);
    add_limits(job, &direct);
    add_provenance(job, entry, &words);
    entry_add_selection(entry, &words);
    words_add_option(&words, "--name", text_of(entry, "name", ""));
    words_add_option(&words, "--expire-in", text_of(entry, "expire_in", ""));
    words_add_option(&words, "--artifact-format", text_of(entry, "artifact_format", ""));
    words_add_option(&words, "--artifact-type", type);
    call.words = words;
    call.direct = direct;
    call.request = request;
    call.token = text_of(job->payload, "token", "");
    call.done = done;
    call.done_fields = fields;
    return helper_run(job, &call);
}

struct end artifacts_upload(struct job *job, bool success)
{
    const char *stage = success ? "upload_artifacts_on_success" : "upload_artifacts_on_failure";
    json_t *entries = entries_of(job->payload, "artifacts");
    size_t n = entries ? json_object_array_length(entries) : 0, first = 0;
    struct end end;

    while (first < n && !is_uploaded(json_object_array_get_idx(entries, first), success))
        first++;
    if (first == n || str_empty(text_of(job->runner, "url", "")))
        return end_ok();
    stage_begin(job, stage,
                success ? "Uploading artifacts for successful job"
                        : "Uploading artifacts for failed job");
    end = helper_choose(job);
    for (size_t i = first; end.kind == END_OK && i < n; i++) {
        json_t *entry = json_object_array_get_idx(entries, i);

        if (is_uploaded(entry, success))
            end = upload_one(job, entry);
    }
    stage_end(job, stage, &end);
    return end;
}
