/* core/fleet/explain.c - a plan of the scaler as a sentence, with the numbers behind it. */
#include <inttypes.h>

#include "core/base/str.h"
#include "core/fleet/internal.h"
#include "core/fleet/scaler.h"

#define EXPLAINED_REMOVALS 3

/* From now on; parts of a second count as whole. */
static void add_wait(struct buf *out, int64_t until_ms, int64_t now_ms)
{
    format_duration(out, (MAX(until_ms - now_ms, (int64_t) 0) + 999) / 1000 * 1000);
}

static void explain_growth(const struct fleet *fleet, const struct scaler_plan *plan,
                           int64_t now_ms, struct buf *out)
{
    const struct fleet_config *config = &fleet->config;

    buf_addf(out, ", because %s", fleet_reason_text(plan->reason));
    if (plan->reason == REASON_GROWTH_PAUSED) {
        buf_addf(out, " (%s, in ", growth_failure_text(plan->failure));
        add_wait(out, plan->grows_ms, now_ms);
        buf_add_str(out, ")");
    }
    if (plan->held_back == 0)
        return;
    buf_addf(out,
             "; scale_throttle holds %u back (%" PRId64 " a second, %" PRId64
             " at once), the next is ordered in ",
             plan->held_back, throttle_limit(config), throttle_burst(config));
    add_wait(out, plan->grows_ms, now_ms);
}

static void explain_removal(const struct fleet *fleet, const struct scaler_removal *removal,
                            struct buf *out)
{
    buf_addf(out, "; remove %s: ", removal->id);
    reason_explain(&fleet->config, removal->reason, removal->idle_ms, removal->uses, out);
    if (removal->paid_ms <= 0)
        return;
    buf_add_str(out, ", ");
    format_duration(out, removal->paid_ms);
    buf_add_str(out, " before more would be charged for it");
}

/* What an instance is charged for at least. */
static void explain_billing(const struct fleet_config *config, struct buf *out)
{
    if (config->minimum_life_ms > 0) {
        buf_add_str(out, "minimum life ");
        format_duration(out, config->minimum_life_ms);
    }
    if (config->minimum_billed_ms > 0) {
        buf_addf(out, "%sbilled by ", config->minimum_life_ms > 0 ? ", " : "");
        format_duration(out, config->minimum_billed_ms);
    }
}

static void explain_kept(const struct fleet *fleet, const struct scaler_plan *plan, int64_t now_ms,
                         struct buf *out)
{
    if (plan->kept_paid > 0) {
        buf_addf(out, "; %u idle instance%s paid for (", plan->kept_paid,
                 plan->kept_paid == 1 ? " stays because it is" : "s stay because they are");
        explain_billing(&fleet->config, out);
        buf_add_str(out, ")");
    }
    if (plan->n_removals > 0 || plan->removes_ms == INT64_MAX)
        return;
    buf_add_str(out, "; the next idle instance may go in ");
    add_wait(out, plan->removes_ms, now_ms);
}

static void explain_places(const struct scaler_plan *plan, int64_t now_ms, struct buf *out)
{
    if (plan->recycling == 0)
        return;
    buf_addf(out, " (%u place%s of instances that went %s not back yet, the next comes in ",
             plan->recycling, str_plural(plan->recycling), plan->recycling == 1 ? "is" : "are");
    add_wait(out, plan->place_ms, now_ms);
    buf_add_str(out, ")");
}

void scaler_explain(const struct fleet *fleet, const struct scaler_plan *plan, int64_t now_ms,
                    struct buf *out)
{
    buf_addf(
        out,
        "wanted %u instance%s (%u slot%s acquired, %u job%s waiting, %u slot%s lost, idle target "
        "%u), have %u of max_instances %u",
        plan->wanted, str_plural(plan->wanted), plan->acquired, str_plural(plan->acquired),
        plan->waiting, str_plural(plan->waiting), plan->lost, str_plural(plan->lost),
        plan->idle_target, plan->have, plan->max_instances);
    if (plan->pending > 0)
        buf_addf(out, " (%u ordered and not seen yet)", plan->pending);
    explain_places(plan, now_ms, out);
    buf_add_str(out, ": ");
    if (plan->request > 0)
        buf_addf(out, "order %u", plan->request);
    else if (plan->cancel > 0)
        buf_addf(out, "cancel %u order%s", plan->cancel, str_plural(plan->cancel));
    else
        buf_add_str(out, "order nothing");
    explain_growth(fleet, plan, now_ms, out);
    for (size_t i = 0; i < plan->n_removals && i < EXPLAINED_REMOVALS; i++)
        explain_removal(fleet, &plan->removals[i], out);
    if (plan->n_removals > EXPLAINED_REMOVALS)
        buf_addf(out, "; remove %zu more", plan->n_removals - EXPLAINED_REMOVALS);
    explain_kept(fleet, plan, now_ms, out);
}
