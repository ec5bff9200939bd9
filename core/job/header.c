/* core/job/header.c - the first lines of a job's log, which people's tools look for, and the warnings
 * about its settings (coordinator-protocol.md 5.6, job-execution.md 1.1). Called by job.c. */
#include "core/base/str.h"
#include "core/job/git_settings.h"
#include "core/job/job.h"

void job_warn(struct job *job, const char *fmt, ...)
{
    va_list args;

    if (job->warnings.len > 0)
        buf_add_char(&job->warnings, '\n');
    va_start(args, fmt);
    buf_vaddf(&job->warnings, fmt, args);
    va_end(args);
}

bool setting_bool(struct job *job, const char *name, bool fallback)
{
    const char *text = variables_get(&job->variables, name);
    bool value = fallback;

    if (!str_empty(text) && variable_parse_bool(text, &value) < 0)
        job_warn(job, "%s: expected bool got \"%s\", using default value: %s", name, text,
                 fallback ? "true" : "false");
    return value;
}

/* One block, as far as there is memory for it. */
static void write_warnings(struct job *job)
{
    size_t n_short = trace_short_patterns(job->trace);

    attempts_check(job);
    git_settings_warn(job);
    if (n_short > 0)
        job_warn(job, "%zu masked values are shorter than 4 bytes and will hide much of this log",
                 n_short);
    if (job->warnings.len > 0)
        (void) trace_line(job->trace, TRACE_WARNING, "%s", buf_str(&job->warnings));
}

/* What is in the configuration as `sh` is run as `sh` (job-execution.md 2.1), and Windows has none of its own. */
static void write_shell(struct job *job)
{
    if (str_eq(text_of(job->connect, "os", ""), "windows") && !job->shell->is_powershell)
        (void) trace_line(job->trace, TRACE_PLAIN,
                          "  shell: the %s of Git for Windows, which must be in the PATH of the "
                          "instance; shell = \"powershell\" needs none",
                          job->shell->name);
}

void header_write(struct job *job)
{
    autobuf struct buf flags = BUF_INIT;

    flags_describe(job, &flags);
    (void) trace_line(job->trace, TRACE_PLAIN, "Running with flotilla %s", FLOTILLA_VERSION);
    (void) trace_line(job->trace, TRACE_PLAIN, "  on %s %s, system ID: %s",
                      text_of(job->runner, "name", ""), text_of(job->runner, "short_token", ""),
                      text_of(job->runner, "system_id", ""));
    write_shell(job);
    if (flags.len > 0)
        (void) trace_line(job->trace, TRACE_PLAIN, "  feature flags: %s", buf_str(&flags));
    write_warnings(job);
}

static void add_names(struct buf *out, json_t *names)
{
    for (size_t i = 0; names && i < json_object_array_length(names); i++)
        buf_addf(out, "%s%s", i > 0 ? ", " : "",
                 json_object_get_string(json_object_array_get_idx(names, i)));
}

void header_write_policy(struct job *job)
{
    autobuf struct buf names = BUF_INIT;
    json_t *policy = NULL, *exceptions = NULL, *said = NULL;
    bool is_policy = false, allowed = false;

    (void) json_opt_object(job->payload, "policy_options", &policy, NULL);
    if (policy)
        (void) json_opt_bool(policy, "execution_policy_job", &is_policy, NULL);
    if (!is_policy)
        return;
    (void) trace_line(job->trace, TRACE_INFO, "Job triggered by policy \"%s\".",
                      text_of(policy, "policy_name", ""));
    (void) json_opt_bool(policy, "policy_variables_override_allowed", &allowed, NULL);
    (void) json_opt_array(policy, "policy_variables_override_exceptions", &exceptions, NULL);
    add_names(&names, exceptions);
    if (!json_object_object_get_ex(policy, "policy_variables_override_allowed", &said) || !said)
        (void) trace_line(job->trace, TRACE_INFO,
                          "Where the policy and the user define a variable, the policy's counts.");
    else
        (void) trace_line(job->trace, TRACE_INFO, "Variables of the user are %s in this job%s%s.",
                          allowed ? "allowed" : "ignored", names.len > 0 ? ", except " : "",
                          buf_str(&names));
}
