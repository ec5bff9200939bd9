/* core/job/steps.c - the job's own scripts: its steps, and the after_script that follows them
 * (job-execution.md 1.2, 1.5, 1.6). Called by job.c. */
#include <stdio.h>

#include "core/base/clock.h"
#include "core/base/str.h"
#include "core/job/job.h"

#define AFTER_SCRIPT_MS (5 * 60 * 1000)

/* The lines of a step. */
static json_t *lines_of(json_t *step)
{
    json_t *lines = NULL;

    (void) json_opt_array(step, "script", &lines, NULL);
    return lines;
}

/* Those of a release are not for the shell alone: GitLab leaves variables in them for us to expand
 * (job-execution.md 3.4). */
static json_t *expanded_lines(const struct job *job, json_t *step)
{
    json_t *lines = lines_of(step), *expanded = json_object_new_array();

    for (size_t i = 0; lines && expanded && i < json_object_array_length(lines); i++) {
        autobuf struct buf line = BUF_INIT;

        variables_expand_text(&job->variables,
                              json_object_get_string(json_object_array_get_idx(lines, i)),
                              job->tmp_dir, &line);
        (void) json_object_array_add(expanded, json_object_new_string(buf_str(&line)));
    }
    return expanded;
}

static void step_script(const struct job *job, json_t *step, struct buf *body)
{
    const char *before = text_of(job->runner, "pre_build_script", "");
    const char *after = text_of(job->runner, "post_build_script", "");
    autojson json_t *lines = str_eq(text_of(step, "name", ""), "release")
                                 ? expanded_lines(job, step)
                                 : json_object_get(lines_of(step));

    job->shell->change_directory(body, job->build_dir);
    if (!str_empty(before))
        shell_user_command(job->shell, body, before, job_commands(job, "pre_build_script"), 0);
    shell_user_commands(job->shell, body, lines, job_commands(job, "script_step"));
    if (!str_empty(after))
        shell_user_command(job->shell, body, after, job_commands(job, "post_build_script"), 0);
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

static struct end run_step(struct job *job, json_t *step, const char *name, int64_t until)
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
    return stage_run(job, buf_str(&stage), buf_str(&headline), &body, STAGE_VARIABLES, until);
}

struct end steps_run(struct job *job)
{
    int64_t limit = limit_of(job, "RUNNER_SCRIPT_TIMEOUT", 0);
    int64_t until = limit > 0 ? clock_mono_ms(&clock_system) + limit : 0;
    json_t *steps = NULL;
    struct end end = end_ok();

    job->after_script_ms = limit_of(job, "RUNNER_AFTER_SCRIPT_TIMEOUT", AFTER_SCRIPT_MS);
    header_write_policy(job);
    (void) json_opt_array(job->payload, "steps", &steps, NULL);
    for (size_t i = 0; end.kind == END_OK && steps && i < json_object_array_length(steps); i++) {
        json_t *step = json_object_array_get_idx(steps, i);
        const char *name = text_of(step, "name", "");

        if (!str_empty(name) && !str_eq(name, "after_script"))
            end = run_step(job, step, name, until);
    }
    if (end.kind == END_LIMIT)
        end = end_make(END_LIMIT, "script timeout: context deadline exceeded");
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
    case END_LIMIT:
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

/* What its end makes of the job's: its own failure counts where the job says so, and only if the
 * script had none. */
static struct end merge_after_script(struct job *job, struct end script, struct end after)
{
    bool its_own = after.kind == END_EXIT || after.kind == END_LIMIT;

    if (its_own && variables_flag(&job->variables, "AFTER_SCRIPT_IGNORE_ERRORS", true)) {
        (void) trace_line(job->trace, TRACE_WARNING,
                          "after_script failed, but job will continue unaffected: %s",
                          after.message);
        return script;
    }
    return script.kind == END_OK || after.kind == END_TIMEOUT ? after : script;
}

struct end steps_run_after(struct job *job, struct end script)
{
    json_t *step = find_after_script(job);
    autobuf struct buf body = BUF_INIT;

    (void) variables_add(&job->variables, "CI_JOB_STATUS", job_status(&script));
    if (!step)
        return script;
    job->shell->change_directory(&body, job->build_dir);
    shell_notice(job->shell, &body, "Running after script...");
    shell_user_commands(job->shell, &body, lines_of(step), job_commands(job, "after_script_step"));
    return merge_after_script(job, script,
                              stage_run(job, "after_script", "Running after_script", &body,
                                        STAGE_VARIABLES,
                                        clock_mono_ms(&clock_system) + job->after_script_ms));
}
