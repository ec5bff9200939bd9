/* core/job/job.c - a job's life, read from top to bottom.
 *
 *   header → prepare_executor → prepare_script → get_sources → steps → after_script → clean-up →
 * last line
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
#include "core/base/mem.h"
#include "core/base/str.h"
#include "core/job/git_settings.h"
#include "core/job/shell/bash.h"
#include "core/job/shell/quote.h"

#define LOG_TOPIC "job"
#include "core/base/log.h"

#define AFTER_SCRIPT_MS (5 * 60 * 1000)
#define CLEANUP_MS (60 * 1000)

static void write_header(struct job *job)
{
    (void) trace_line(job->trace, TRACE_PLAIN, "Running with flotilla %s", FLOTILLA_VERSION);
    (void) trace_line(job->trace, TRACE_PLAIN, "  on %s %s, system ID: %s",
                      text_of(job->runner, "name", ""), text_of(job->runner, "short_token", ""),
                      text_of(job->runner, "system_id", ""));
    if (job->skipped_variables > 0)
        (void) trace_line(job->trace, TRACE_WARNING,
                          "%zu variables have names that no shell takes and are not set",
                          job->skipped_variables);
    if (trace_short_patterns(job->trace) > 0)
        (void) trace_line(
            job->trace, TRACE_WARNING,
            "%zu masked values are shorter than 4 bytes and will hide much of this log",
            trace_short_patterns(job->trace));
}

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
    else if (!str_empty(variables_get(&job->variables, "GIT_CLONE_PATH")))
        (void) snprintf(
            end.message, sizeof(end.message),
            "setting GIT_CLONE_PATH is not allowed: custom_build_dir is not supported yet");
    else
        return end_ok();
    return end;
}

/* Never silence: what the job asks for and will not get is said once. */
static void write_not_yet(struct job *job)
{
    git_settings_warn(job);
    if (has_entries(job->payload, "cache"))
        (void) trace_line(job->trace, TRACE_WARNING,
                          "cache is not supported yet: nothing is restored or saved");
    if (has_entries(job->payload, "artifacts"))
        (void) trace_line(job->trace, TRACE_WARNING,
                          "artifacts are not supported yet: nothing is uploaded");
    if (has_entries(job->payload, "dependencies"))
        (void) trace_line(job->trace, TRACE_WARNING,
                          "artifacts of earlier jobs are not supported yet: nothing is downloaded");
}

static struct end prepare_executor(struct job *job)
{
    struct end end;

    report_stage(job->report, "prepare_executor");
    (void) trace_section_start(job->trace, "prepare_executor",
                               "Preparing the \"instance\" executor");
    (void) trace_line(job->trace, TRACE_PLAIN, "Preparing instance...");
    end = instance_connect(job);
    if (end.kind == END_OK)
        end = directories_find(job);
    (void) trace_section_end(job->trace, "prepare_executor");
    return end;
}

static struct end prepare_script(struct job *job)
{
    autobuf struct buf body = BUF_INIT, path = BUF_INIT;
    char host[256] = "";
    struct end end;

    (void) gethostname(host, sizeof(host) - 1);
    script_own_begin(&body);
    buf_add_str(&body, "printf 'Running on %s via %s...\\n' \"$(hostname)\" ");
    quote_word(&body, host);
    buf_add_str(&body, "\n");
    buf_addf(&path, "%s/gitlab_runner_env", job->tmp_dir);
    script_command(&body, (const char *const[]) { "rm", "-f", "--", buf_str(&path), NULL });
    buf_inherit_error(&body, &path);
    script_own_end(&body);
    end = stage_run(job, "prepare_script", "Preparing environment", &body, 0, 0);
    if (end.kind == END_EXIT) {
        char text[sizeof(end.message)];

        (void) snprintf(text, sizeof(text), "prepare environment: %.350s", end.message);
        memcpy(end.message, text, sizeof(text));
    }
    return end;
}

static struct end get_sources_once(struct job *job)
{
    autobuf struct buf body = BUF_INIT;

    get_sources_script(job, &body);
    return stage_run(job, "get_sources", "Getting source from Git repository", &body,
                     STAGE_VARIABLES, 0);
}

static struct end clear_worktree(struct job *job)
{
    autobuf struct buf body = BUF_INIT;

    clear_worktree_script(job, &body);
    return stage_run(job, "clear_worktree",
                     "Deleting all tracked and untracked files due to source fetch failure", &body,
                     0, 0);
}

/* A connection that is lost stays lost; what git says may change. */
static struct end get_sources(struct job *job)
{
    int64_t attempts = attempts_of(job, "GET_SOURCES_ATTEMPTS");
    struct end end = get_sources_once(job);

    for (int64_t tried = 1; end.kind == END_EXIT && tried < attempts; tried++) {
        end = attempts_pause(job, tried);
        if (end.kind == END_OK && tried == 1)
            end = clear_worktree(job);
        if (end.kind == END_OK)
            end = get_sources_once(job);
    }
    return end;
}

/* Steps. */

/* The lines of a step. */
static json_t *lines_of(json_t *step)
{
    json_t *lines = NULL;

    (void) json_opt_array(step, "script", &lines, NULL);
    return lines;
}

static void step_script(const struct job *job, json_t *step, struct buf *body)
{
    const char *before = text_of(job->runner, "pre_build_script", "");
    const char *after = text_of(job->runner, "post_build_script", "");

    script_command(body, (const char *const[]) { "cd", "--", job->build_dir, NULL });
    if (!str_empty(before))
        script_user_command(body, before, command_sections(job, "pre_build_script"), 0);
    script_user_commands(body, lines_of(step), command_sections(job, "script_step"));
    if (!str_empty(after))
        script_user_command(body, after, command_sections(job, "post_build_script"), 0);
}

/* A limit of the job's variables; one that is no limit is said and left out (job-execution.md 1.6).
 */
static int64_t limit_of(struct job *job, const char *name, int64_t fallback)
{
    const char *text = variables_get(&job->variables, name);
    int64_t ms = 0;

    if (str_empty(text))
        return fallback;
    if (parse_duration_ms(text, &ms) < 0)
        (void) trace_line(job->trace, TRACE_WARNING, "Ignoring malformed %s timeout: %s", name,
                          text);
    else if (ms < 0)
        (void) trace_line(job->trace, TRACE_WARNING, "Ignoring relative %s timeout: %s", name,
                          text);
    else if (ms > job->deadline_ms - clock_mono_ms(&clock_system))
        (void) trace_line(job->trace, TRACE_WARNING,
                          "%s timeout: %s is longer than job timeout. Setting to job timeout", name,
                          text);
    else if (ms > 0)
        return ms;
    return fallback;
}

static struct end run_step(struct job *job, json_t *step, const char *name, int64_t limit)
{
    autobuf struct buf body = BUF_INIT, stage = BUF_INIT, headline = BUF_INIT;

    buf_add_str(&stage, "step_");
    for (const char *c = name; *c; c++)
        buf_add_char(&stage, *c >= 'A' && *c <= 'Z' ? (char) (*c - 'A' + 'a') : *c);
    /* lint: quoted-format: a headline for people. */
    buf_addf(&headline, "Executing \"%s\" stage of the job script", buf_str(&stage));
    step_script(job, step, &body);
    buf_inherit_error(&body, &stage);
    buf_inherit_error(&body, &headline);
    return stage_run(job, buf_str(&stage), buf_str(&headline), &body, STAGE_VARIABLES, limit);
}

static struct end run_steps(struct job *job)
{
    int64_t limit = limit_of(job, "RUNNER_SCRIPT_TIMEOUT", 0);
    int64_t until = clock_mono_ms(&clock_system) + limit;
    json_t *steps = NULL;
    struct end end = end_ok();

    (void) json_opt_array(job->payload, "steps", &steps, NULL);
    for (size_t i = 0; end.kind == END_OK && steps && i < json_object_array_length(steps); i++) {
        json_t *step = json_object_array_get_idx(steps, i);
        const char *name = text_of(step, "name", "");

        if (str_empty(name) || str_eq(name, "after_script"))
            continue;
        end = run_step(job, step, name,
                       limit > 0 ? MAX(until - clock_mono_ms(&clock_system), (int64_t) 1) : 0);
    }
    if (end.kind == END_TIMEOUT && clock_mono_ms(&clock_system) < job->deadline_ms)
        (void) snprintf(end.message, sizeof(end.message),
                        "script timeout: context deadline exceeded");
    if (end.kind == END_CANCELED)
        (void) trace_line(job->trace, TRACE_WARNING, "script canceled externally (UI, API)");
    job->cancel_stops = false;
    return end;
}

static const char *job_status(const struct end *end)
{
    switch (end->kind) {
    case END_OK:
        return "success";
    case END_CANCELED:
        return "canceled";
    case END_TIMEOUT:
        return "timedout";
    default:
        return "failed";
    }
}

static json_t *find_after_script(const struct job *job)
{
    json_t *steps = NULL, *lines;

    (void) json_opt_array(job->payload, "steps", &steps, NULL);
    for (size_t i = 0; steps && i < json_object_array_length(steps); i++) {
        json_t *step = json_object_array_get_idx(steps, i);

        if (!str_eq(text_of(step, "name", ""), "after_script"))
            continue;
        lines = lines_of(step);
        return lines && json_object_array_length(lines) > 0 ? step : NULL;
    }
    return NULL;
}

/* Runs whatever became of the script; its failure changes the result only when the job says so. */
static struct end after_script(struct job *job, struct end script)
{
    json_t *step = find_after_script(job);
    autobuf struct buf body = BUF_INIT;
    int64_t limit = limit_of(job, "RUNNER_AFTER_SCRIPT_TIMEOUT", AFTER_SCRIPT_MS);
    struct end end;

    (void) variables_add(&job->variables, "CI_JOB_STATUS", job_status(&script));
    if (!step)
        return script;
    script_command(&body, (const char *const[]) { "cd", "--", job->build_dir, NULL });
    script_user_commands(&body, lines_of(step), command_sections(job, "after_script_step"));
    end = stage_run(job, "after_script", "Running after_script", &body, STAGE_VARIABLES, limit);
    if (end.kind == END_TIMEOUT && clock_mono_ms(&clock_system) >= job->deadline_ms)
        return end;
    if (end.kind == END_OK || end.kind == END_ABORTED || end.kind == END_SYSTEM)
        return script.kind == END_OK && end.kind != END_OK ? end : script;
    if (script.kind == END_OK &&
        !variables_flag(&job->variables, "AFTER_SCRIPT_IGNORE_ERRORS", true))
        return end;
    (void) trace_line(job->trace, TRACE_WARNING,
                      "after_script failed, but job will continue unaffected: %s", end.message);
    return script;
}

static void clean_up(struct job *job)
{
    autobuf struct buf body = BUF_INIT;

    cleanup_script(job, &body);
    (void) stage_run(job, "cleanup_file_variables",
                     "Cleaning up project directory and file based variables", &body,
                     STAGE_UNSTOPPABLE, CLEANUP_MS);
}

/* The job's stages; which of them run after which failure. */
static struct end run_stages(struct job *job)
{
    struct end end = check_payload(job);
    bool out_of_time;

    if (end.kind == END_OK)
        end = prepare_executor(job);
    fault_breach();
    if (end.kind == END_OK)
        end = prepare_script(job);
    if (end.kind != END_OK)
        return end;
    write_not_yet(job);
    end = get_sources(job);
    if (end.kind == END_OK) {
        end = run_steps(job);
        out_of_time = clock_mono_ms(&clock_system) >= job->deadline_ms;
        if (!out_of_time && end.kind != END_ABORTED && end.kind != END_SYSTEM)
            end = after_script(job, end);
    }
    if (end.kind != END_SYSTEM)
        clean_up(job);
    return end;
}

void job_run(struct job *job)
{
    struct end end;
    int r;

    /* Before anything reaches the instance: an empty spool means that the job never began. */
    write_header(job);
    end = run_stages(job);
    end_write_last_line(job, &end);
    r = trace_finish(job->trace, false);
    if (r < 0) { /* a log with a piece missing is no success, whatever the script did */
        log_error("the log of job row %" PRId64 " is not complete: %s", job->seq, strerror(-r));
        end = end_make(END_SYSTEM, "the log is not complete");
    }
    ssh_close(job->ssh);
    job->ssh = NULL;
    end_tell_result(job, &end, r < 0 ? -r : 0);
}
