/* core/job/hold.c - whether a job's instance, and its VM, stay for somebody who wants to look at them (hold.h,
 * core/supervisor/hold.c). */
#include "core/job/hold.h"

#include <inttypes.h>

#include "core/base/clock.h"
#include "core/base/str.h"

#define ASK_MS 10000

/* The question is asked when the job's own time may be over, or it was stopped. */
static int listen_only(void *arg)
{
    struct job *job = arg;

    (void) report_poll(job->report);
    return 0;
}

/* Of its own doing, that is: nobody learns from an instance why the system failed. */
static bool has_failed(const struct end *end)
{
    return end->kind == END_EXIT || end->kind == END_TIMEOUT || end->kind == END_LIMIT;
}

static bool rule_applies(const struct job *job, const struct end *end)
{
    const char *rule = text_of(job->runner, "hold", "");

    return has_failed(end) &&
           (str_eq(rule, "always") ||
            (str_eq(rule, "asked") && variables_flag(&job->variables, "FLOTILLA_HOLD", false)));
}

static json_t *ask(struct job *job)
{
    autojson json_t *frame = json_frame("hold");
    const struct report_question question = { .frame = frame,
                                              .answer = "held",
                                              .what = "a hold of the instance" };
    json_t *answer = NULL;

    report_stop_rule(job->report, listen_only, job);
    (void) report_ask(job->report, &question, clock_mono_ms(&clock_system) + ASK_MS, &answer, NULL);
    report_stop_rule(job->report, stage_wait, job);
    return answer;
}

bool hold_wanted(struct job *job, const struct end *end)
{
    autojson json_t *answer = NULL;
    const char *until, *message;
    int64_t id = 0;

    if (job->lost || report_is_dismissed(job->report) ||
        (!report_poll(job->report)->hold && !rule_applies(job, end)))
        return false;
    answer = ask(job);
    until = text_of(answer, "until", "");
    message = text_of(answer, "message", "nobody said that its instance is held");
    (void) json_opt_i64(job->payload, "id", 0, INT64_MAX, &id, NULL);
    if (*until)
        (void) trace_line(job->trace, TRACE_WARNING,
                          "Instance %s is held until %s. Who runs the manager enters it there by "
                          "`flotilla ssh job:%" PRId64 "` and gives it back by `flotilla release "
                          "job:%" PRId64 "`",
                          job->instance, until, id, id);
    else
        (void) trace_line(job->trace, TRACE_WARNING, "Nothing stays to be looked at: %s", message);
    return *until;
}
