/* core/fleet/health.c - what goes wrong around an instance, and around growth: draining, heartbeats,
 * pauses after orders that failed and images that do not boot (autoscaler.md 9, V20, V55, V58, V70).
 */
#include "core/fleet/internal.h"

#define PAUSE_MIN_MS 1000
#define PAUSE_MAX_MS ((int64_t) 5 * 60 * 1000)

bool fleet_drain(struct fleet *fleet, const char *id, enum fleet_reason why, int64_t at_ms)
{
    struct fleet_instance *instance = fleet_get(fleet, id);

    if (!instance || instance->removing || instance->cause == CAUSE_FOREIGN)
        return false;
    /* What the cloud takes is no operator's to keep. */
    if (instance->draining == REASON_NONE || why == REASON_INTERRUPTED)
        instance->draining = why;
    if (at_ms != 0)
        instance->interrupted_ms = at_ms;
    census_update(fleet, instance);
    return true;
}

bool fleet_undrain(struct fleet *fleet, const char *id)
{
    struct fleet_instance *instance = fleet_get(fleet, id);

    if (!instance || instance->removing || instance->draining != REASON_DRAINED)
        return false;
    instance->draining = REASON_NONE;
    census_update(fleet, instance);
    return true;
}

void fleet_set_drained(struct fleet *fleet, bool drained)
{
    fleet->config.drained = drained;
}

bool fleet_note_health(struct fleet *fleet, const char *id, bool good)
{
    struct fleet_instance *instance = fleet_get(fleet, id);

    if (!instance)
        return false;
    instance->failures = good ? 0 : instance->failures + 1;
    census_update(fleet, instance);
    return !good && instance->failures >= fleet->config.failure_threshold;
}

static int64_t pause_after(unsigned failures)
{
    int64_t pause = PAUSE_MIN_MS;

    for (unsigned i = 1; i < failures && pause < PAUSE_MAX_MS; i++)
        pause *= 2;
    return pause < PAUSE_MAX_MS ? pause : PAUSE_MAX_MS;
}

void fleet_growth_failed(struct fleet *fleet, enum growth_failure kind, int64_t now_ms,
                         int64_t retry_after_ms)
{
    struct fleet_growth *growth = &fleet->growth[kind];
    int64_t pause;

    /* Failures of one time, such as ten instances that were ordered together, are one. */
    if (now_ms < growth->until_ms)
        return;
    growth->failures++;
    pause = pause_after(growth->failures);
    growth->until_ms = now_ms + (retry_after_ms > pause ? retry_after_ms : pause);
}

void fleet_growth_succeeded(struct fleet *fleet)
{
    for (size_t i = 0; i < GROWTH_FAILURES; i++)
        if (i != GROWTH_BOOT)
            fleet->growth[i] = (struct fleet_growth) { 0 };
}

bool fleet_growth_paused(const struct fleet *fleet, int64_t now_ms, enum growth_failure *ret_kind,
                         int64_t *ret_until_ms)
{
    const struct fleet_growth *longest = NULL;

    for (size_t i = 0; i < GROWTH_FAILURES; i++) {
        const struct fleet_growth *growth = &fleet->growth[i];

        if (now_ms >= growth->until_ms || (longest && longest->until_ms >= growth->until_ms))
            continue;
        longest = growth;
        if (ret_kind)
            *ret_kind = (enum growth_failure) i;
    }
    if (longest && ret_until_ms)
        *ret_until_ms = longest->until_ms;
    return longest != NULL;
}
