/* core/fleet/health.c - what goes wrong around an instance, and around growth: draining, holding, heartbeats,
 * pauses after orders that failed and images that do not boot (autoscaler.md 9, V20, V55, V58, V70).
 */
#include <errno.h>
#include <inttypes.h>

#include "core/base/str.h"
#include "core/fleet/internal.h"

#define PAUSE_UNIT_MS 1000
#define PAUSE_MAX_UNITS 300

bool fleet_drain(struct fleet *fleet, const char *id, enum fleet_reason why, int64_t at_ms)
{
    struct fleet_instance *instance = fleet_get(fleet, id);

    if (!instance || instance->removing || instance->cause == CAUSE_FOREIGN)
        return false;
    journal_note(fleet, "drain %s %d %" PRId64, id, (int) why, at_ms);
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
    journal_note(fleet, "undrain %s", id);
    instance->draining = REASON_NONE;
    census_update(fleet, instance);
    return true;
}

bool fleet_hold(struct fleet *fleet, const char *id, int64_t until_ms)
{
    struct fleet_instance *instance = fleet_get(fleet, id);

    if (!instance || instance->cause == CAUSE_FOREIGN || until_ms <= 0)
        return false;
    journal_note(fleet, "hold %s %" PRId64, id, until_ms);
    instance->held_until_ms = until_ms;
    census_update(fleet, instance);
    return true;
}

bool fleet_release_hold(struct fleet *fleet, const char *id)
{
    struct fleet_instance *instance = fleet_get(fleet, id);

    if (!instance || instance->held_until_ms == 0)
        return false;
    journal_note(fleet, "unhold %s", id);
    instance->held_until_ms = 0;
    census_update(fleet, instance);
    return true;
}

void fleet_set_drained(struct fleet *fleet, bool drained)
{
    fleet->config.drained = drained;
    journal_config(fleet);
}

bool fleet_note_health(struct fleet *fleet, const char *id, bool good)
{
    struct fleet_instance *instance = fleet_get(fleet, id);

    if (!instance)
        return false;
    journal_note(fleet, "health %s %d", id, good);
    instance->failures = good ? 0 : instance->failures + 1;
    census_update(fleet, instance);
    return !good && instance->failures >= fleet->config.failure_threshold;
}

static int64_t pause_after(const struct fleet_config *config, unsigned failures)
{
    int64_t unit = config->pause_unit_ms > 0 ? config->pause_unit_ms : PAUSE_UNIT_MS;
    int64_t units = 1;

    for (unsigned i = 1; i < failures && units < PAUSE_MAX_UNITS; i++)
        units *= 2;
    return unit * MIN(units, (int64_t) PAUSE_MAX_UNITS);
}

void fleet_growth_failed(struct fleet *fleet, enum growth_failure kind, int64_t now_ms,
                         int64_t retry_after_ms)
{
    struct fleet_growth *growth = &fleet->growth[kind];
    int64_t pause;

    /* Failures of one time, such as ten instances that were ordered together, are one. */
    if (now_ms < growth->until_ms)
        return;
    journal_note(fleet, "failed %d %" PRId64 " %" PRId64, (int) kind, now_ms, retry_after_ms);
    growth->failures++;
    pause = pause_after(&fleet->config, growth->failures);
    growth->until_ms = now_ms + (retry_after_ms > pause ? retry_after_ms : pause);
}

void fleet_growth_succeeded(struct fleet *fleet)
{
    journal_note(fleet, "grown");
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

/* The kind that is tried last. */
static const struct fleet_growth *worst_growth(const struct fleet *fleet)
{
    const struct fleet_growth *worst = NULL;

    for (size_t i = 0; i < GROWTH_FAILURES; i++)
        if (fleet->growth[i].failures > 0 &&
            (!worst || fleet->growth[i].until_ms > worst->until_ms))
            worst = &fleet->growth[i];
    return worst;
}

bool fleet_explain_growth(const struct fleet *fleet, int64_t now_ms, struct buf *out)
{
    const struct fleet_growth *worst = worst_growth(fleet);

    if (!worst)
        return false;
    buf_add_str(out, growth_failure_text((enum growth_failure)(worst - fleet->growth)));
    if (now_ms >= worst->until_ms) {
        buf_add_str(out, ", tried again with the next order");
        return true;
    }
    buf_add_str(out, ", tried again in ");
    format_duration(out, (worst->until_ms - now_ms + 999) / 1000 * 1000);
    return true;
}

/* Slots that a job could get without a new order. What boots is no hope where nothing boots. */
static uint64_t slots_in_sight(const struct fleet *fleet)
{
    struct fleet_numbers n;
    uint64_t slots;

    fleet_count(fleet, &n);
    slots = n.idle;
    if (fleet->growth[GROWTH_BOOT].failures == 0)
        slots += (uint64_t) n.unready + n.unhealthy +
                 (uint64_t) n.pending * fleet_new_slots(&fleet->config);
    return slots;
}

bool fleet_growth_allows_job(const struct fleet *fleet, int64_t now_ms, bool reserved,
                             struct error *why)
{
    const struct fleet_growth *worst = worst_growth(fleet);
    uint64_t promised = (uint64_t) fleet->reserved + fleet_waiting(fleet);
    autobuf struct buf text = BUF_INIT;

    promised -= reserved && promised > 0;
    if (!worst || promised < slots_in_sight(fleet) || (now_ms >= worst->until_ms && promised == 0))
        return true;
    (void) fleet_explain_growth(fleet, now_ms, &text);
    (void) error_set(why, -EAGAIN, "the group cannot grow: %s", buf_str(&text));
    return false;
}
