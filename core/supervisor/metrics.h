/* core/supervisor/metrics.h - the page /metrics: which families there are, and who fills them. */
#pragma once

#include "core/supervisor/counts.h"

struct metrics_entry {
    enum metrics_kind kind;
    const char *name; /* without _total */
    const char *help;
    /* One of them writes all samples of the family, or those of one runner. */
    void (*fill)(struct metrics_page *page, const struct supervisor *supervisor);
    void (*each)(struct metrics_page *page, const struct group *group);
};
extern const struct metrics_entry metrics_of_process[], metrics_of_manager[], metrics_of_runners[],
    metrics_of_fleets[], metrics_of_ours[]; /* each ends with an empty one */

/* Labels that GitLab Runner gives all that belongs to a runner: runner, runner_name, system_id. */
void metrics_runner_labels(const struct group *group, struct metrics_labels *ret);
/* The same with one more. */
void metrics_runner_labels_and(const struct group *group, const char *name, const char *value,
                               struct metrics_labels *ret);
/* One sample with these labels and the label `name`. */
void metrics_put_of(struct metrics_page *page, const struct group *group, const char *name,
                    const char *value, double number);
void metrics_write(struct metrics_page *page, const struct supervisor *supervisor);
