/* core/fleet/billing.c - what is paid for anyway (docs/design/scaling.md, "Paid time").
 *
 * A cloud charges an instance for its minimum life at least, and each started billing unit in full.
 * An idle instance that is let go before that is over saves nothing, and would have been there for
 * the next job. */
#include "core/base/str.h"
#include "core/fleet/internal.h"

/* A removal takes its time, and must not begin a new unit: a tenth of a unit, a minute at most. */
#define MARGIN_PARTS 10
#define MARGIN_MAX_MS 60000
/* Units that are shorter are not worth waiting for, nor could their ends be met. */
#define UNIT_MIN_MS 60000

static int64_t unit_of(const struct fleet_config *config)
{
    return config->minimum_billed_ms >= UNIT_MIN_MS ? config->minimum_billed_ms : 0;
}

bool billing_matters(const struct fleet_config *config)
{
    return unit_of(config) > 0 || config->minimum_life_ms > 0;
}

int64_t billing_left_ms(const struct fleet_config *config, const struct fleet_instance *instance,
                        int64_t now_ms)
{
    int64_t age = MAX(now_ms - instance->first_seen_ms, (int64_t) 0);
    int64_t unit = unit_of(config);
    int64_t paid_ms = unit > 0 ? (age / unit + 1) * unit : age;

    return MAX(paid_ms, config->minimum_life_ms) - age;
}

int64_t fleet_billed_ms(const struct fleet_config *config, int64_t used_ms)
{
    int64_t unit = MAX(config->minimum_billed_ms, (int64_t) 1);

    used_ms = MAX(used_ms, config->minimum_life_ms);
    return (used_ms + unit - 1) / unit * unit;
}

int64_t billing_margin_ms(const struct fleet_config *config)
{
    return MIN(unit_of(config) / MARGIN_PARTS, (int64_t) MARGIN_MAX_MS);
}
