/* core/job/stage.c - one stage on the instance: script in, output into the trace, an end with its
 * reason.
 *
 * A stage that is stopped is not left running: its process group is killed through a second
 * channel. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "core/base/buf.h"
#include "core/base/clock.h"
#include "core/base/secret.h"
#include "core/base/str.h"
#include "core/job/job.h"
#include "core/job/shell/shell.h"

#define KILL_MS 10000

static int poll_control(void *arg)
{
    struct job *job = arg;
    const struct report_orders *orders = report_poll(job->report);
    int stopped = report_stopped(orders);

    going_warn(job, orders);
    terminal_look(job, orders);
    return stopped == -ECANCELED && (!job->cancel_stops || job->canceled) ? 0 : stopped;
}

/* Clean-up must not be stopped by what stopped the job. */
static int poll_only(void *arg)
{
    struct job *job = arg;
    const struct report_orders *orders = report_poll(job->report);

    going_warn(job, orders);
    terminal_look(job, orders);
    return 0;
}

static int control_fd(void *arg)
{
    const struct job *job = arg;

    return report_fd(job->report);
}

int stage_wait(void *arg)
{
    struct job *job = arg;

    if (!job->remote)
        return poll_control(job);
    if (clock_mono_ms(&clock_system) >= job->deadline_ms)
        return -ETIMEDOUT;
    remote_set_watch(job->remote, stage_watch(job));
    return remote_idle(job->remote, clock_mono_ms(&clock_system) + 1, NULL);
}

struct remote_watch stage_watch(struct job *job)
{
    return (struct remote_watch) { .control_fd = control_fd,
                                   .poll_control = poll_control,
                                   .arg = job,
                                   .relay = job->relay,
                                   .pty = job->pty };
}

struct remote_watch stage_watch_unstoppable(struct job *job)
{
    struct remote_watch watch = stage_watch(job);

    watch.poll_control = poll_only;
    return watch;
}

struct capture {
    struct job *job;
    struct buf *out; /* NULL = the log */
};

static int on_output(void *arg, bool is_stderr, const void *data, size_t len)
{
    const struct capture *capture = arg;

    if (is_stderr || !capture->out)
        return trace_write(capture->job->trace, is_stderr ? TRACE_STDERR : TRACE_STDOUT, data, len);
    return output_keep(capture->out, data, len);
}

static void add_variables(const struct job *job, struct buf *body)
{
    for (size_t i = 0; i < job->variables.n; i++) {
        const struct variable *variable = &job->variables.items[i];

        if (variable->file)
            job->shell->file_variable(body, job->tmp_dir, variable->key, variable_value(variable));
        else
            job->shell->export(body, variable->key, variable_value(variable));
    }
    sources_export(job, body);
    job->shell->load_env(body, job->tmp_dir);
}

void stage_own_begin(const struct job *job, struct buf *body)
{
    job->shell->own_begin(body);
    for (size_t i = 0; i < job->variables.n; i++)
        if (script_name_is_hostile(job->variables.items[i].key))
            job->shell->unset(body, job->variables.items[i].key);
}

void stage_own_sh(const struct job *job, struct buf *body, const struct buf *text, bool needs_git)
{
    job->shell->sh(body, job->tmp_dir, buf_str(text), needs_git);
    buf_inherit_error(body, text);
}

int stage_script(const struct job *job, const char *body, unsigned flags, struct buf *out)
{
    autobuf struct buf inner = BUF_INIT;
    int r;

    if (flags & STAGE_VARIABLES)
        add_variables(job, &inner);
    if (job->trace_script && !(flags & STAGE_UNTRACED))
        job->shell->trace(&inner);
    buf_add_str(&inner, body);
    r = buf_error(&inner);
    if (r == 0)
        job->shell->wrap(job->shell, out, job->tmp_dir, buf_str(&inner));
    if (inner.data)
        secret_wipe(inner.data, inner.cap);
    return r < 0 ? r : buf_error(out);
}

static int swallow(void *arg, bool is_stderr, const void *data, size_t len)
{
    (void) arg;
    (void) is_stderr;
    (void) data;
    (void) len;
    return 0;
}

void stage_kill(struct job *job)
{
    autobuf struct buf script = BUF_INIT, command = BUF_INIT;
    struct remote_exec exec = { .on_output = swallow,
                                .deadline_mono_ms = clock_mono_ms(&clock_system) + KILL_MS };
    struct remote_exit exit = { 0 };
    struct error err = { 0 };

    if (!remote_left_running(job->remote))
        return;
    job->shell->kill(&script, job->tmp_dir);
    job->shell->add_command(job->shell, &command, job->nested_shell);
    if (buf_error(&script) || buf_error(&command))
        return;
    exec.command = buf_str(&command);
    exec.input = script.data;
    exec.input_len = script.len;
    /* Nothing that was ordered stops this. */
    remote_set_watch(job->remote, (struct remote_watch) { .relay = job->relay, .pty = job->pty });
    if (remote_exec(job->remote, &exec, &exit, &err) < 0 || exit.status != 0)
        (void) trace_line(job->trace, TRACE_WARNING,
                          "processes of the stopped script may still run on instance %s%s%s",
                          job->instance, *err.message ? ": " : "", err.message);
}

struct end stage_exit(const struct remote_exit *exit)
{
    struct end end = { .kind = exit->status == 0 ? END_OK : END_EXIT, .exit_code = exit->status };

    if (end.kind != END_OK)
        (void) snprintf(end.message, sizeof(end.message),
                        "run exit (exit code: %d): Process exited with status %d%s%s", exit->status,
                        exit->status, *exit->signal ? " from signal " : "", exit->signal);
    return end;
}

static struct end run_script(struct job *job, const struct buf *script, unsigned flags,
                             int64_t deadline, struct buf *out)
{
    struct capture capture = { .job = job, .out = out };
    autobuf struct buf command = BUF_INIT;
    struct remote_exec exec = { .input = script->data,
                                .input_len = script->len,
                                .on_output = on_output,
                                .arg = &capture,
                                .deadline_mono_ms = deadline };
    struct remote_exit exit = { 0 };
    struct error err = { 0 };
    struct end end;
    int r;

    job->shell->add_command(job->shell, &command, job->nested_shell);
    if (buf_error(&command) < 0)
        return end_make(END_SYSTEM, "the script cannot be started: memory is short");
    exec.command = buf_str(&command);
    remote_set_watch(job->remote,
                     flags & STAGE_UNSTOPPABLE ? stage_watch_unstoppable(job) : stage_watch(job));
    r = remote_exec(job->remote, &exec, &exit, &err);
    (void) trace_end_stream(job->trace, TRACE_STDOUT, r < 0);
    (void) trace_end_stream(job->trace, TRACE_STDERR, r < 0);
    if (r < 0) {
        end = end_from_error(job, r, err.message);
        /* It runs on unless it ended by itself or what it ran on is gone. */
        if (r != -EPIPE && r != -ENETRESET)
            stage_kill(job);
        return end;
    }
    return stage_exit(&exit);
}

void stage_begin(struct job *job, const char *name, const char *headline)
{
    report_stage(job->report, name);
    (void) trace_section_start(job->trace, name, headline);
}

void stage_end(struct job *job, const char *name, const struct end *end)
{
    if (end->kind == END_TIMEOUT || end->kind == END_LIMIT)
        (void) trace_line(job->trace, TRACE_WARNING,
                          "%s could not run to completion because the timeout was exceeded. "
                          "Limits are the job's timeout, RUNNER_SCRIPT_TIMEOUT, "
                          "RUNNER_AFTER_SCRIPT_TIMEOUT and those of the runner's configuration",
                          name);
    (void) trace_section_end(job->trace, name);
    (void) trace_flush(job->trace);
}

struct end stage_execute(struct job *job, const struct buf *body, unsigned flags,
                         int64_t deadline_ms, struct buf *out)
{
    autobuf struct buf script = BUF_SECRET;

    if (buf_error(body) < 0 || stage_script(job, buf_str(body), flags, &script) < 0)
        return end_make(END_SYSTEM,
                        "the script cannot be made: it is too long, or memory is short");
    return run_script(job, &script, flags, deadline_ms, out);
}

int64_t stage_deadline(const struct job *job, int64_t until_ms)
{
    return until_ms > 0 ? MIN(job->deadline_ms, until_ms) : job->deadline_ms;
}

struct end stage_run(struct job *job, const char *name, const char *headline,
                     const struct buf *body, unsigned flags, int64_t until_ms)
{
    int64_t deadline = flags & STAGE_UNSTOPPABLE ? until_ms : stage_deadline(job, until_ms);
    struct end end;

    stage_begin(job, name, headline);
    end = stage_execute(job, body, flags, deadline, NULL);
    stage_end(job, name, &end);
    return end;
}
