/* core/job/end.c - how a stage or a job ended: what stopped it, the log's last line, and the result as
 * GitLab is told it (job-execution.md 1.7). A lost connection is a system failure with its cause, never
 * a failure of the script. */
#include <errno.h>
#include <stdio.h>

#include "core/base/clock.h"
#include "core/base/str.h"
#include "core/job/job.h"
#include "core/job/vm.h"

struct end end_make(enum end_kind kind, const char *message)
{
    struct end end = { .kind = kind };

    (void) snprintf(end.message, sizeof(end.message), "%s", message);
    return end;
}

/* Mostly the connection broke; where the cloud had said that it takes the instance, that is why. */
static struct end end_make_lost(const struct job *job, const struct report_orders *orders,
                                const char *message)
{
    struct end end = { .kind = END_SYSTEM };
    autobuf struct buf where = BUF_INIT;

    vm_name_loss(job, message, &where);
    (void) snprintf(end.message, sizeof(end.message), "%s%.330s",
                    orders->going != REPORT_STAYS ? "the cloud has taken the instance: " : "",
                    buf_str(&where));
    return end;
}

/* Of two deadlines the job's own is the one that counts. */
static struct end end_make_late(const struct job *job)
{
    struct end end = { .kind = END_TIMEOUT };
    autobuf struct buf duration = BUF_INIT;

    if (clock_mono_ms(&clock_system) < job->deadline_ms)
        return end_make(END_LIMIT, "context deadline exceeded");
    format_duration(&duration, job->timeout_ms);
    (void) snprintf(end.message, sizeof(end.message), "execution took longer than %s seconds",
                    buf_str(&duration));
    return end;
}

struct end end_name_limit(struct end end, const char *what, int64_t limit_ms)
{
    autobuf struct buf duration = BUF_INIT;

    if (end.kind != END_LIMIT)
        return end;
    format_duration(&duration, limit_ms);
    (void) snprintf(end.message, sizeof(end.message), "%s timeout: exceeded timeout of %s", what,
                    buf_str(&duration));
    return end;
}

static struct end end_make_aborted(const struct report_orders *orders)
{
    struct end end = { .kind = *orders->signal ? END_INTERRUPTED : END_ABORTED };

    (void) snprintf(end.message, sizeof(end.message), "%s%s",
                    *orders->signal ? "aborted: " : "canceled", orders->signal);
    return end;
}

/* The codes of remote_exec() and remote_open() as ends of a stage. */
struct end end_from_error(struct job *job, int code, const char *message)
{
    const struct report_orders *orders = report_poll(job->report);

    switch (code) {
    case -EINTR:
        return end_make_aborted(orders);
    case -ECANCELED:
        job->canceled = true;
        return end_make(END_CANCELED, "canceled");
    case -ENETRESET:
        job->lost = true;
        return end_make(END_SYSTEM, *orders->message ? orders->message : "the instance is lost");
    case -ETIMEDOUT:
        return end_make_late(job);
    default:
        job->lost = true;
        return end_make_lost(job, orders, message);
    }
}

bool end_is_for_all(const struct job *job, int code)
{
    return remote_was_stopped(code) || code == -EPIPE ||
           (code == -ETIMEDOUT && clock_mono_ms(&clock_system) >= job->deadline_ms);
}

void end_write_last_line(struct job *job, const struct end *end)
{
    switch (end->kind) {
    case END_OK:
        (void) trace_line(job->trace, TRACE_INFO, "Job succeeded");
        break;
    case END_SYSTEM:
        (void) trace_line(job->trace, TRACE_ERROR, "Job failed (system failure): %s", end->message);
        break;
    default:
        (void) trace_line(job->trace, TRACE_ERROR, "Job failed: %s", end->message);
        break;
    }
}

static const char *reason_of(const struct end *end)
{
    switch (end->kind) {
    case END_EXIT:
        return "script_failure";
    case END_TIMEOUT:
    case END_LIMIT:
        return "job_execution_timeout";
    case END_CANCELED:
    case END_ABORTED:
        return "job_canceled";
    case END_INTERRUPTED:
        return "runner_interrupted";
    case END_CONFIG:
        return "runner_configuration_error";
    default:
        return "runner_system_failure";
    }
}

void end_tell_result(struct job *job, const struct end *end, int log_errno)
{
    autojson json_t *result = json_frame("result");
    json_t *features = NULL, *reasons = NULL;

    (void) json_add_str(result, "state", end->kind == END_OK ? "success" : "failed");
    if (end->kind != END_OK)
        (void) json_add_str(result, "failure_reason", reason_of(end));
    if (end->kind == END_EXIT)
        (void) json_add_i64(result, "exit_code", end->exit_code);
    if (log_errno != 0)
        (void) json_add_i64(result, "log_errno", log_errno);
    if (job->unclean)
        (void) json_add_bool(result, "unclean", true);
    (void) json_opt_object(job->payload, "features", &features, NULL);
    if (features)
        (void) json_opt_array(features, "failure_reasons", &reasons, NULL);
    if (reasons)
        (void) json_add(result, "supported_reasons", json_object_get(reasons));
    report_result(job->report, result);
}
