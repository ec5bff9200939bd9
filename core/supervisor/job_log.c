/* core/supervisor/job_log.c - a job's masked log for those who may see it (job_log.h). Whoever asks over the
 * control socket gets the file itself: what a person does with it costs the manager nothing, and the end can
 * still be read when the job is closed and its spool gone. */
#include "core/supervisor/job_log.h"

#include <errno.h>
#include <inttypes.h>

#include "core/base/json.h"
#include "core/base/str.h"
#include "core/supervisor/kept_logs.h"
#include "core/supervisor/names.h"
#include "core/supervisor/spool.h"

int job_log_open(const struct job *job)
{
    return spool_open(job->supervisor, job->seq);
}

static void add_result(json_t *answer, const char *result, const char *reason, int64_t exit_code)
{
    if (!*result)
        return;
    (void) json_add_str(answer, "result", result);
    (void) json_add_str(answer, "failure_reason", reason);
    (void) json_add_i64(answer, "exit_code", exit_code);
}

static void add_job(json_t *answer, int64_t seq, int64_t job_id, enum job_state state)
{
    (void) json_add_i64(answer, "seq", seq);
    (void) json_add_i64(answer, "job", job_id);
    (void) json_add_str(answer, "state", job_state_name(state));
}

static void describe(const struct job *job, json_t *answer)
{
    add_job(answer, job->seq, job->job_id, job->state);
    add_result(answer, job->result_state, job->failure_reason, job->exit_code);
}

/* One that is closed: how it ended is in its row, what it wrote is GitLab's, and here for some time. */
struct former {
    json_t *answer;
    int64_t seq; /* 0 = any */
    bool found;
};

static void describe_row(void *arg, struct ledger_job *row)
{
    struct former *former = arg;

    if (former->found || (former->seq != 0 && former->seq != row->seq))
        return;
    former->found = true;
    former->seq = row->seq;
    add_job(former->answer, row->seq, row->job_id, row->state);
    add_result(former->answer, row->result_state, row->failure_reason, row->exit_code);
    (void) json_add_i64(former->answer, "closed_ms", row->closed_ms);
}

static int describe_former(struct supervisor *supervisor, int64_t job_id, int64_t *seq,
                           json_t *answer, struct error *err)
{
    struct former former = { .answer = answer, .seq = *seq };
    int r = ledger_each_job_named(supervisor->ledger, job_id, describe_row, &former, err);

    if (r == 0 && !former.found)
        r = error_set(err, -ENOENT,
                      "job %" PRId64 " is not known here; `flotilla status` lists those that are",
                      job_id);
    *seq = former.seq;
    return r;
}

/* *ret NULL: it is closed; *ret_seq is its row then. */
static int find(struct supervisor *supervisor, json_t *request, json_t *answer, struct job **ret,
                int64_t *ret_seq, struct error *err)
{
    struct operator_name name;
    int64_t id = 0, seq = 0;
    int r = name_of_request(request, true, &name, err);

    if (r == 0)
        r = json_opt_i64(request, "seq", 1, INT64_MAX, &seq, err);
    if (r < 0)
        return r;
    *ret = seq != 0 ? job_find(supervisor, seq) : NULL;
    r = *ret ? 1 : name_find_job(supervisor, &name, ret, &id, err);
    if (r < 0)
        return r;
    if (*ret && (seq == 0 || (*ret)->seq == seq))
        return 0;
    *ret = NULL;
    if (id == 0)
        return error_set(err, -EINVAL, "'%.80s' is no job; JOB is the number that GitLab shows",
                         name.text);
    r = describe_former(supervisor, id, &seq, answer, err);
    *ret_seq = seq;
    return r;
}

json_t *job_log_report(struct supervisor *supervisor, json_t *request, int *ret_fd)
{
    autojson json_t *answer = json_frame("log");
    struct job *job = NULL;
    struct error err = { 0 };
    int64_t seq = 0;
    json_t *refusal;
    int r = find(supervisor, request, answer, &job, &seq, &err);

    if (r == 0) {
        if (job)
            describe(job, answer);
        r = job ? job_log_open(job) : kept_logs_open(supervisor, seq);
        *ret_fd = MAX(r, -1);
        if (r < 0 && r != -ENOENT)
            (void) error_errno(&err, r, "the log of job row %" PRId64, job ? job->seq : seq);
        else
            r = 0;
    }
    if (r == 0)
        return take_ptr(answer);
    refusal = json_frame("error");
    (void) json_add_str(refusal, "message", err.message);
    return refusal;
}
