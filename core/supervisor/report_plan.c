/* core/supervisor/report_plan.c - see report_plan.h.
 *
 * One counter of answers that brought nothing and one back-off serve all kinds of failure. Only what
 * GitLab had never acknowledged before counts as progress: a server that takes the log and forgets it,
 * or rejects it whole, is asked ever more slowly. */
#include "core/supervisor/report_plan.h"

#include "core/base/http.h"
#include "core/base/str.h"

#define TOUCH_AFTER_MS 30000
#define BACKOFF_MIN_MS 1000
#define BACKOFF_MAX_MS (10 * 60 * 1000)
#define RUNNING_MAX_MS (60 * 1000) /* a cancel is heard only with an answer */
#define MAX_REFUSALS 10            /* as often as the peer tries (3.4) */
#define MAX_BAD_OFFSETS 3          /* hardening.md V17 */

enum report_step report_next(const struct report_plan *plan, int64_t end, int64_t now)
{
    if (plan->aborted && !plan->finished)
        return REPORT_NOTHING;
    if (plan->sent < end && !plan->log_given_up)
        return REPORT_PATCH;
    if (plan->finished)
        return REPORT_FINAL;
    return plan->told_at == 0 || now - plan->told_at >= TOUCH_AFTER_MS ? REPORT_TOUCH
                                                                       : REPORT_NOTHING;
}

void report_finish(struct report_plan *plan, int64_t since, int64_t patience_ms)
{
    plan->finished = true;
    plan->finished_at = since;
    plan->patience_ms = patience_ms;
    plan->failures = plan->refusals = plan->bad_offsets = 0;
}

static void take_interval(struct report_plan *plan, int64_t interval_ms)
{
    if (interval_ms > 0)
        plan->interval_ms = interval_ms;
}

static bool out_of_patience(const struct report_plan *plan, int64_t now)
{
    return now - plan->finished_at > plan->patience_ms;
}

static int64_t backoff_ms(unsigned failures)
{
    int64_t ms = BACKOFF_MIN_MS;

    if (failures == 0)
        return 0;
    for (unsigned i = 1; i < failures && ms < BACKOFF_MAX_MS; i++)
        ms *= 2;
    return MIN(ms, (int64_t) BACKOFF_MAX_MS);
}

/* While the job runs the first failure changes nothing: the next tick is the retry (1.8). A GitLab that is
 * away is asked ever less, or the jobs of a large manager keep it from coming back. `mild` failures are not slowed down: a server that
 * names another offset is asked again after one interval (V10, V17). */
static int64_t fail(struct report_plan *plan, unsigned mild, int64_t now)
{
    plan->failures++;
    if (!plan->finished)
        return plan->interval_ms +
               MIN(backoff_ms(plan->failures - MAX(mild, 1U)), (int64_t) RUNNING_MAX_MS);
    if (plan->refusals >= MAX_REFUSALS || plan->bad_offsets >= MAX_BAD_OFFSETS ||
        out_of_patience(plan, now))
        plan->log_given_up = true;
    return plan->interval_ms + backoff_ms(plan->failures - mild);
}

/* hardening.md V17: an offset beyond what was ever written is no answer. */
static void take_offset(struct report_plan *plan, int64_t offset, int64_t end)
{
    if (offset < 0 || offset > end) {
        plan->bad_offsets++;
        return;
    }
    plan->bad_offsets = 0;
    plan->sent = offset;
}

static void count_try(struct report_plan *plan)
{
    if (plan->finished && plan->tries > 0 && ++plan->failed >= plan->tries)
        plan->given_up = true;
}

/* A server that answers, and answers no: not a gateway that is down or a limit that passes. */
static bool refuses(int status)
{
    return status >= 400 && status < 500 && !http_retryable(status);
}

int64_t report_on_patch(struct report_plan *plan, const struct patch_outcome *outcome, int64_t end,
                        int64_t now)
{
    take_interval(plan, outcome->update_interval_ms);
    switch (outcome->result) {
    case PATCH_OK:
        take_offset(plan, outcome->next_offset, end);
        plan->told_at = now;
        if (plan->sent > plan->peak) {
            plan->peak = plan->sent;
            plan->failures = plan->refusals = 0;
        }
        break;
    case PATCH_MISMATCH:
        take_offset(plan, outcome->next_offset, end);
        plan->refusals++;
        return fail(plan, 1, now);
    case PATCH_ABORT:
        plan->aborted = true;
        __attribute__((fallthrough));
    case PATCH_NOT_FOUND:
        if (plan->finished)
            plan->sent = end; /* the final update still asks for the last word */
        break;
    case PATCH_FAILED:
        plan->refusals += refuses(outcome->status);
        count_try(plan);
        return fail(plan, 0, now);
    }
    return plan->finished ? 0 : plan->interval_ms;
}

int64_t report_on_touch(struct report_plan *plan, const struct update_outcome *outcome, int64_t now)
{
    take_interval(plan, outcome->update_interval_ms);
    if (outcome->result == UPDATE_FAILED)
        return fail(plan, 0, now);
    plan->failures = 0;
    if (outcome->result == UPDATE_OK)
        plan->told_at = now;
    if (outcome->result == UPDATE_ABORT)
        plan->aborted = true;
    return plan->finished ? 0 : plan->interval_ms;
}

int64_t report_on_final(struct report_plan *plan, const struct update_outcome *outcome, int64_t now)
{
    take_interval(plan, outcome->update_interval_ms);
    plan->given_up = out_of_patience(plan, now);
    if (outcome->result == UPDATE_ACCEPTED)
        return plan->interval_ms;
    if (outcome->result != UPDATE_TRACE_INVALID) {
        count_try(plan);
        return fail(plan, 0, now);
    }
    plan->sent = 0;
    plan->refusals++;
    return fail(plan, 1, now);
}

int64_t report_on_trouble(struct report_plan *plan, int64_t now)
{
    plan->refusals++;
    return fail(plan, 0, now);
}
