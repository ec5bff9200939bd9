/* core/fleet/whatif.c - what would be decided under other settings, for who is about to change them
 * (`flotilla reload --dry-run`). */
#include "core/fleet/internal.h"
#include "core/fleet/scaler.h"

int scaler_plan_under(struct fleet *fleet, const struct fleet_config *config, int64_t now_ms,
                      uint64_t seed, struct scaler_plan *ret)
{
    const struct fleet_config before = fleet->config;
    int r = fleet_configure(fleet, config), back;

    if (r == 0)
        r = scaler_plan(fleet, now_ms, seed, ret);
    back = fleet_configure(fleet, &before);
    if (r == 0 && back < 0)
        scaler_plan_done(ret);
    return r < 0 ? r : back;
}
