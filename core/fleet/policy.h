/* core/fleet/policy.h - which policy of an autoscaler holds at a time (autoscaler.md 6.1).
 *
 * Compiled from the configuration once, zone files included; asking is pure, so that the supervisor,
 * `flotilla policy show` and `flotilla simulate` agree. Times are of the wall clock, because
 * periods are local time.
 */
#pragma once

#include "core/config/config.h"
#include "core/fleet/fleet.h"

/* No policy is given, or none holds: nothing is kept idle, surplus goes after five minutes. */
#define POLICY_DEFAULT SIZE_MAX

struct policies;

/* Needs nothing of `autoscaler` afterwards. -EINVAL, -ENOENT: what the configuration's check would
 * have refused, or a zone file that went since. */
int policies_new(const struct config_autoscaler *autoscaler, struct policies **ret,
                 struct error *err);
void policies_free(struct policies *policies);
DEFINE_AUTO_PTR(struct policies, policies_free)

/* What holds at `wall_ms`: the last policy that is active wins whole. *ret_index is its index in the
 * configuration or POLICY_DEFAULT, *ret_until_ms when another one begins to hold: the answer is the
 * same all the time until then. INT64_MAX where it can never change; a search that finds nothing
 * ends after a year, and is to be repeated then. */
struct fleet_policy policies_at(const struct policies *policies, int64_t wall_ms, size_t *ret_index,
                                int64_t *ret_until_ms);
/* "policy[1] (* 8-15 * * mon-fri in Europe/Berlin)", "the default" */
void policy_name(const struct config_autoscaler *autoscaler, size_t index, struct buf *out);
/* "idle_count 1, idle_time 30m0s, scale_factor 0.5 up to 4, preemptive_mode on" */
void policy_describe(const struct fleet_policy *policy, struct buf *out);
