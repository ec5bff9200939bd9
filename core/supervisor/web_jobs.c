/* core/supervisor/web_jobs.c - /debug/jobs/list in the format of GitLab Runner (coordinator-protocol.md 6.5): a line a
 * job, for scripts that wait until there is none. */
#include <inttypes.h>

#include "core/base/str.h"
#include "core/supervisor/web.h"

static const char *state_of(const struct job *job)
{
    if (job->state >= JOB_FINISHED)
        return "finished";
    return job->state >= JOB_RUNNING ? "running" : "pending";
}

static void add_job(struct buf *out, const struct job *job)
{
    int64_t age_ms =
        job->received_ms > 0 ? MAX(now_wall(job->supervisor) - job->received_ms, INT64_C(0)) : 0;

    /* The job of GitLab's API: how its page is called depends on its project's name. */
    buf_addf(out,
             "url=%s/api/v4/projects/%" PRId64 "/jobs/%" PRId64
             " state=%s stage=%s executor_stage= duration=",
             job->group->host.url, job->project_id, job->job_id, state_of(job), job->stage);
    format_duration(out, age_ms);
    buf_add_char(out, '\n');
}

void web_answer_jobs(void *arg, struct web_request *request)
{
    const struct supervisor *supervisor = arg;
    struct buf body = BUF_INIT;

    for (const struct job *job = supervisor->jobs; job; job = job->next)
        add_job(&body, job);
    web_add_header(request, "X-List-Version", "2");
    web_answer(request, 200, "text/plain; charset=utf-8", &body);
}
