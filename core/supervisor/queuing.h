/* core/supervisor/queuing.h - did a job wait at GitLab for longer than is acceptable at that time?
 *
 * [[runners.monitoring.job_queuing_durations]] compiled once, zone files included; asking is pure. Made
 * with a group's policies (group_policy.c), asked when a job arrives (counts.c).
 */
#pragma once

#include "core/config/config.h"

#define QUEUING_NONE SIZE_MAX

struct queuing;

/* Needs nothing of `monitoring` afterwards. -EINVAL, -ENOENT: what the configuration's check would have
 * refused, or a zone file that went since. */
int queuing_new(const struct config_monitoring *monitoring, struct queuing **ret,
                struct error *err);
void queuing_free(struct queuing *queuing);
DEFINE_AUTO_PTR(struct queuing, queuing_free)

/* The last entry that holds at `wall_ms`, or QUEUING_NONE. */
size_t queuing_at(const struct queuing *queuing, int64_t wall_ms);
/* Whether a job that arrives then has waited for longer than that entry takes; `running`: how many jobs of
 * its project run, as GitLab tells. Negative: its expression gives no answer for that in time. */
int queuing_exceeded(const struct queuing *queuing, int64_t wall_ms, double waited_s,
                     const char *running, struct error *err);
