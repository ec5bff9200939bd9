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
#include "core/job/shell/bash.h"
#include "core/job/shell/quote.h"

#define KILL_MS 10000

static int poll_control(void *arg)
{
    struct job *job = arg;
    const struct report_orders *orders = report_poll(job->report);

    report_progress(job->report, trace_size(job->trace));
    if (orders->abort)
        return -EINTR;
    if (orders->instance_lost)
        return -ENETRESET;
    if (orders->cancel && job->cancel_stops && !job->canceled)
        return -ECANCELED;
    return 0;
}

/* Clean-up must not be stopped by what stopped the job. */
static int poll_only(void *arg)
{
    struct job *job = arg;

    (void) report_poll(job->report);
    report_progress(job->report, trace_size(job->trace));
    return 0;
}

struct ssh_watch stage_watch(struct job *job)
{
    return (struct ssh_watch) { .control_fd = report_fd(job->report),
                                .poll_control = poll_control,
                                .arg = job };
}

static int on_output(void *arg, bool is_stderr, const void *data, size_t len)
{
    struct job *job = arg;

    return trace_write(job->trace, is_stderr ? TRACE_STDERR : TRACE_STDOUT, data, len);
}

static struct end make_end(enum end_kind kind, const char *message)
{
    struct end end = { .kind = kind };

    (void) snprintf(end.message, sizeof(end.message), "%s", message);
    return end;
}

/* The codes of ssh_exec() and ssh_open() as ends of a stage. */
struct end end_from_error(struct job *job, int code, const char *message)
{
    const struct report_orders *orders = report_poll(job->report);

    switch (code) {
    case -EINTR:
        return make_end(END_ABORTED, "canceled");
    case -ECANCELED:
        job->canceled = true;
        return make_end(END_CANCELED, "canceled");
    case -ENETRESET:
        return make_end(END_SYSTEM, *orders->message ? orders->message : "the instance is lost");
    case -ETIMEDOUT:
        return make_end(END_TIMEOUT, message);
    default:
        return make_end(END_SYSTEM, message);
    }
}

static void add_variables(const struct job *job, struct buf *body, unsigned flags)
{
    for (size_t i = 0; i < job->variables.n; i++) {
        const struct variable *variable = &job->variables.items[i];

        if (!variable->file)
            script_export(body, variable->key, variable_value(variable));
        else if (flags & STAGE_FILES_EXIST)
            script_file_path(body, job->tmp_dir, variable->key);
        else
            script_file_variable(body, job->tmp_dir, variable->key, variable_value(variable));
    }
    script_load_env(body, job->tmp_dir);
}

static int swallow(void *arg, bool is_stderr, const void *data, size_t len)
{
    (void) arg;
    (void) is_stderr;
    (void) data;
    (void) len;
    return 0;
}

/* TERM, a moment, KILL, and proof: the command ends with 0 only when no process of the group is
 * left. The group is the session's that sshd made for the stage, found by the number the stage left
 * behind. */
static const char kill_body[] = "pid=$(cat \"$1/stage.pid\") || exit 0\n"
                                "group=$(ps -o pgid= -p \"$pid\" 2>/dev/null || cut -d' ' -f5 "
                                "\"/proc/$pid/stat\" 2>/dev/null)\n"
                                "group=$(printf '%s' \"$group\" | tr -d ' ')\n"
                                "case $group in ''|0|1|*[!0-9]*) exit 0;; esac\n"
                                "kill -TERM \"-$group\" 2>/dev/null || exit 0\n"
                                "n=0\n"
                                "while kill -0 \"-$group\" 2>/dev/null; do\n"
                                "  n=$((n + 1))\n"
                                "  [ $n -le 5 ] || kill -KILL \"-$group\" 2>/dev/null\n"
                                "  [ $n -le 60 ] || exit 1\n"
                                "  sleep 0.1\n"
                                "done\n";

static void kill_stage(struct job *job)
{
    autobuf struct buf script = BUF_INIT;
    struct ssh_exec exec = { .command = "sh",
                             .on_output = swallow,
                             .deadline_mono_ms = clock_mono_ms(&clock_system) + KILL_MS };
    struct ssh_exit exit = { 0 };
    struct error err = { 0 };

    buf_add_str(&script, "set -- ");
    quote_word(&script, job->tmp_dir);
    buf_addf(&script, "\n%s", kill_body);
    if (buf_error(&script))
        return;
    exec.input = script.data;
    exec.input_len = script.len;
    if (ssh_exec(job->ssh, &exec, &exit, &err) < 0 || exit.status != 0)
        (void) trace_line(job->trace, TRACE_WARNING,
                          "processes of the stopped script may still run on instance %s%s%s",
                          job->instance, *err.message ? ": " : "", err.message);
}

static struct end run_script(struct job *job, const struct buf *script, unsigned flags,
                             int64_t deadline)
{
    struct ssh_exec exec = { .command = str_eq(job->shell, "sh") ? "sh" : "bash",
                             .input = script->data,
                             .input_len = script->len,
                             .on_output = on_output,
                             .arg = job,
                             .deadline_mono_ms = deadline };
    struct ssh_exit exit = { 0 };
    struct error err = { 0 };
    struct end end = { .kind = END_OK };
    int r;

    ssh_set_watch(
        job->ssh,
        (struct ssh_watch) { .control_fd = report_fd(job->report),
                             .poll_control = flags & STAGE_UNSTOPPABLE ? poll_only : poll_control,
                             .arg = job });
    r = ssh_exec(job->ssh, &exec, &exit, &err);
    (void) trace_end_stream(job->trace, TRACE_STDOUT, r < 0);
    (void) trace_end_stream(job->trace, TRACE_STDERR, r < 0);
    if (r < 0) {
        end = end_from_error(job, r, err.message);
        if (end.kind == END_TIMEOUT || end.kind == END_CANCELED || end.kind == END_ABORTED) {
            ssh_set_watch(job->ssh, (struct ssh_watch) { .control_fd = -1 });
            kill_stage(job);
        }
        return end;
    }
    if (exit.status == 0)
        return end;
    end.kind = END_EXIT;
    end.exit_code = exit.status;
    (void) snprintf(end.signal, sizeof(end.signal), "%s", exit.signal);
    (void) snprintf(end.message, sizeof(end.message),
                    "run exit (exit code: %d): Process exited with status %d%s%s", exit.status,
                    exit.status, *exit.signal ? " from signal " : "", exit.signal);
    return end;
}

struct end stage_run(struct job *job, const char *name, const char *headline, const char *body,
                     unsigned flags, int64_t timeout_ms)
{
    autobuf struct buf inner = BUF_INIT, script = BUF_INIT;
    struct script_frame frame = { .shell = job->shell,
                                  .tag_dir = job->tmp_dir,
                                  .trace = job->trace_script && !(flags & STAGE_OWN) };
    int64_t deadline = job->deadline_ms, own = clock_mono_ms(&clock_system) + timeout_ms;
    struct end end;

    if (timeout_ms > 0)
        deadline = MIN(deadline, own);
    if (flags & STAGE_UNSTOPPABLE)
        deadline = own;
    report_stage(job->report, name);
    (void) trace_section_start(job->trace, name, headline);
    if (flags & STAGE_VARIABLES)
        add_variables(job, &inner, flags);
    if (flags & STAGE_OWN)
        script_unset_hostile(&inner);
    buf_add_str(&inner, body);
    script_wrap(&script, &frame, buf_str(&inner));
    if (buf_error(&inner) || buf_error(&script))
        end = make_end(END_SYSTEM, "the script cannot be made: out of memory");
    else
        end = run_script(job, &script, flags, deadline);
    if (inner.data)
        secret_wipe(inner.data, inner.cap);
    if (script.data)
        secret_wipe(script.data, script.cap);
    (void) trace_section_end(job->trace, name);
    (void) trace_flush(job->trace);
    report_progress(job->report, trace_size(job->trace));
    return end;
}
