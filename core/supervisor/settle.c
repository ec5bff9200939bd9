/* core/supervisor/settle.c - one sync for all that a turn of the loop changed (settle.h). */
#include "core/supervisor/settle.h"

#include "core/base/mem.h"
#include "core/supervisor/internal.h"

struct settle {
    uv_prepare_t prepare; /* called when a turn is over, before the loop waits for the next */
    struct supervisor *supervisor;
    bool awaited; /* by some job: most turns need no look at them */
};

void settle_then(struct job *job)
{
    job->awaits_settling = job->supervisor->settle->awaited = true;
}

static void settle_now(struct supervisor *supervisor)
{
    struct error err = { 0 };
    int r;

    if (!ledger_is_late(supervisor->ledger))
        return;
    EFFECT("settle", r = ledger_settle(supervisor->ledger, &err));
    if (r < 0)
        supervisor_fatal(supervisor, "storing what jobs did", &err);
}

void settle_before(struct job *job)
{
    if (job->awaits_settling)
        settle_now(job->supervisor);
}

static void on_turn_end(uv_prepare_t *prepare)
{
    struct settle *settle = prepare->data;
    struct job *next;

    settle_now(settle->supervisor);
    if (!settle->awaited)
        return;
    settle->awaited = false;
    for (struct job *job = settle->supervisor->jobs; job; job = next) {
        next = job->next;
        if (job->awaits_settling) {
            job->awaits_settling = false;
            job_settled(job);
        }
    }
}

int settle_start(struct supervisor *supervisor, struct settle **ret, struct error *err)
{
    struct settle *settle = mem_zero(sizeof(*settle));

    if (!settle)
        return error_set(err, -ENOMEM, "the end of the loop's turns: out of memory");
    settle->supervisor = supervisor;
    (void) uv_prepare_init(supervisor->loop, &settle->prepare);
    settle->prepare.data = settle;
    (void) uv_prepare_start(&settle->prepare, on_turn_end);
    uv_unref((uv_handle_t *) &settle->prepare);
    *ret = settle;
    return 0;
}

static void on_closed(uv_handle_t *handle)
{
    free(handle->data);
}

void settle_stop(struct settle *settle)
{
    if (settle)
        uv_close((uv_handle_t *) &settle->prepare, on_closed);
}
