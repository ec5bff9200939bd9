/* core/job/job.c - a job's life, read from top to bottom.
 *
 *   header → prepare_executor → prepare_script → get_sources → restore_cache → download_artifacts →
 *   steps → after_script → archive_cache → upload_artifacts → clean-up → the VM is removed → last line
 *
 * What runs after which failure is job-execution.md 1.3 but for one thing of ours: the clean-up also
 * runs after a timeout, a cancel and an abort. Where the peer leaves them out, file variables and git
 * credentials stay on the instance for whoever comes next. */
#include "core/job/job.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "core/base/clock.h"
#include "core/base/fault.h"
#include "core/base/str.h"
#include "core/job/hold.h"
#include "core/job/vm.h"

#define LOG_TOPIC "job"
#include "core/base/log.h"

#define CLEANUP_MS (60 * 1000)

static bool has_entries(json_t *payload, const char *key)
{
    json_t *array = NULL;

    (void) json_opt_array(payload, key, &array, NULL);
    return array && json_object_array_length(array) > 0;
}

/* What is announced is what is built: a job that needs more ends with a sentence, not in surprise.
 */
static struct end check_payload(struct job *job)
{
    struct end end = { .kind = END_CONFIG };
    json_t *secrets = NULL;

    (void) json_opt_object(job->payload, "secrets", &secrets, NULL);
    if (has_entries(job->payload, "services"))
        (void) snprintf(end.message, sizeof(end.message),
                        "services are not supported on instances: start them in the script or take "
                        "them out of the job");
    else if (!str_empty(text_of(job->payload, "run", "")))
        (void) snprintf(end.message, sizeof(end.message),
                        "`run:` steps are not supported yet; use `script:`");
    else if (secrets && json_object_object_length(secrets) > 0)
        (void) snprintf(end.message, sizeof(end.message), "external secrets are not supported yet");
    else
        return job->refused;
    return end;
}

/* The connection has its own tries, for as long as its timeout says: the whole is not tried again. */
static struct end prepare_executor(struct job *job, int64_t until)
{
    struct end end = end_ok();

    report_stage(job->report, "prepare_executor");
    (void) trace_section_start(job->trace, "prepare_executor",
                               "Preparing the \"instance\" executor");
    (void) trace_line(job->trace, TRACE_PLAIN, "Preparing instance...");
    if (job->isolation_settings)
        end = vm_choose_image(job);
    if (end.kind == END_OK)
        end = instance_connect(job, until);
    if (end.kind == END_OK && job->isolation_settings)
        end = vm_start(job, until);
    if (end.kind == END_OK)
        end = directories_find(job, until);
    report_directory(job->report, job->build_dir);
    if (end.kind == END_SYSTEM)
        (void) trace_line(job->trace, TRACE_ERROR, "Preparation failed: %s", end.message);
    (void) trace_section_end(job->trace, "prepare_executor");
    return end;
}

#define PROFILES "https://docs.gitlab.com/runner/shells/#shell-profile-loading"

/* The first script on the instance: a profile that prints or ends shows here. */
static struct end prepare_script(struct job *job, int64_t until)
{
    autobuf struct buf body = BUF_INIT;
    char host[256] = "";
    struct end end;

    (void) gethostname(host, sizeof(host) - 1);
    job->shell->own_begin(&body);
    job->shell->running_on(&body, host);
    private_files_script(job, &body);
    job->shell->own_end(&body);
    end = stage_run(job, "prepare_script", "Preparing environment", &body, 0, until);
    if (end.kind == END_EXIT) {
        char text[sizeof(end.message)];

        (void) snprintf(text, sizeof(text),
                        "prepare environment: %.200s. Check " PROFILES " for more information",
                        end.message);
        memcpy(end.message, text, sizeof(text));
    }
    return end;
}

/* [[runners]] prepare_timeout and get_sources_timeout; 0 where the job's own time is shorter. */
static int64_t runner_limit(const struct job *job, const char *key)
{
    int64_t limit = 0;

    (void) json_opt_i64(job->runner, key, 0, INT64_MAX, &limit, NULL);
    return limit < job->timeout_ms ? limit : 0;
}

static int64_t until_of(int64_t limit)
{
    return limit > 0 ? clock_mono_ms(&clock_system) + limit : 0;
}

static struct end prepare(struct job *job)
{
    int64_t limit = runner_limit(job, "prepare_timeout_ms"), until = until_of(limit);
    struct end end = prepare_executor(job, until);

    fault_breach();
    if (end.kind == END_OK)
        end = prepare_script(job, until);
    return end_name_limit(end, "prepare", limit);
}

static struct end get_sources_once(struct job *job, int64_t until)
{
    autobuf struct buf body = BUF_INIT;

    get_sources_script(job, &body);
    return stage_run(job, "get_sources", "Getting source from Git repository", &body,
                     STAGE_VARIABLES, until);
}

static struct end clear_worktree(struct job *job, int64_t until)
{
    autobuf struct buf body = BUF_INIT;

    clear_worktree_script(job, &body);
    return stage_run(job, "clear_worktree",
                     "Deleting all tracked and untracked files due to source fetch failure", &body,
                     0, until);
}

/* A connection that is lost stays lost; what git says may change. */
static struct end get_sources(struct job *job)
{
    int64_t attempts = attempts_of(job, "GET_SOURCES_ATTEMPTS");
    int64_t limit = runner_limit(job, "get_sources_timeout_ms"), until = until_of(limit);
    struct end end = get_sources_once(job, until);

    for (int64_t tried = 1; end.kind == END_EXIT && tried < attempts; tried++) {
        end = attempts_pause(job, tried, until);
        if (end.kind == END_OK && tried == 1)
            end = clear_worktree(job, until);
        if (end.kind == END_OK)
            end = get_sources_once(job, until);
    }
    return end_name_limit(end, "get sources", limit);
}

static void clean_up(struct job *job)
{
    autobuf struct buf body = BUF_INIT;

    cleanup_script(job, &body);
    (void) stage_run(job, "cleanup_file_variables",
                     "Cleaning up project directory and file based variables", &body,
                     STAGE_UNSTOPPABLE, clock_mono_ms(&clock_system) + CLEANUP_MS);
}

/* Whether what follows a failure still runs: not when there is nothing left to run it on or no time, and
 * not when the job was stopped as a whole. */
static bool goes_on(const struct job *job, const struct end *end)
{
    bool stopped = end->kind == END_CANCELED || end->kind == END_LIMIT;

    return !job->lost && end->kind != END_ABORTED && end->kind != END_INTERRUPTED &&
           end->kind != END_SYSTEM && clock_mono_ms(&clock_system) < job->deadline_ms &&
           !(stopped && job->cancel_stops);
}

/* Caches and artifacts, of the kind that the result asks for; the first failure counts. */
static struct end keep_results(struct job *job, struct end result)
{
    bool success = result.kind == END_OK;
    struct end cache = cache_keep(job, success), upload = end_ok();

    if (goes_on(job, &cache))
        upload = artifacts_upload(job, success);
    if (!success)
        return result;
    return cache.kind != END_OK ? cache : upload;
}

static struct end run_from_sources(struct job *job)
{
    struct end end = get_sources(job);

    terminal_ready(job); /* also where that failed: somebody may want to look why */
    if (end.kind == END_OK)
        end = cache_restore(job);
    if (end.kind == END_OK)
        end = artifacts_download(job);
    if (end.kind == END_OK) {
        end = steps_run(job);
        if (goes_on(job, &end))
            end = steps_run_after(job, end);
    }
    return goes_on(job, &end) ? keep_results(job, end) : end;
}

/* The job's stages; which of them run after which failure. */
static struct end run_stages(struct job *job)
{
    struct end end = check_payload(job);

    if (end.kind == END_OK)
        end = prepare(job);
    if (end.kind != END_OK)
        return end;
    end = run_from_sources(job);
    terminal_wait(job);
    if (!job->lost)
        clean_up(job);
    return end;
}

void job_run(struct job *job)
{
    struct end end;
    int r;

    report_stop_rule(job->report, stage_wait, job);
    /* Before anything reaches the instance: an empty spool means that the job never began. */
    header_write(job);
    end = run_stages(job);
    terminal_over(job);
    if (!hold_wanted(job, &end))
        vm_remove(job);
    else
        job->unclean = false; /* its VM, if it has one, is the manager's to remove */
    if (!report_is_dismissed(job->report))
        end_write_last_line(job, &end);
    r = trace_finish(job->trace, false);
    if (r < 0) { /* a log with a piece missing is no success, whatever the script did */
        log_error("the log of job row %" PRId64 " is not complete: %s", job->seq, strerror(-r));
        end = end_make(END_SYSTEM, "the log is not complete");
    }
    remote_close(job->remote);
    job->remote = NULL;
    end_tell_result(job, &end, r < 0 ? -r : 0);
}
