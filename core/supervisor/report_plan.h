/* core/supervisor/report_plan.h - what GitLab is told next about a job, and when
 * (coordinator-protocol.md 1.8 to 1.10, 3.3, 3.4; hardening.md R2, V17).
 *
 * Pure: answers and times go in, the next step and a wait come out. reporter.c carries it out.
 * Times are of the monotonic clock.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "core/coordinator/rules.h"

#define REPORT_INTERVAL_MS 3000 /* until GitLab names another */

struct report_plan {
    int64_t sent; /* acknowledged bytes of the log: where GitLab says it is */
    int64_t peak; /* the farthest it ever was: beyond it there is progress */
    int64_t interval_ms;
    int64_t told_at; /* log or sign of life taken; 0 = never */
    bool aborted;    /* GitLab wants no more of the running job; its end is told nevertheless */

    bool finished;
    int64_t finished_at, patience_ms;
    int64_t tries;     /* failed answers after which it is given up (3.4); 0 = no number of them */
    int64_t failed;    /* such answers since the end */
    unsigned failures; /* answers in a row that brought nothing forward */
    unsigned refusals; /* those of them that a later try will hardly change */
    unsigned bad_offsets;
    bool log_given_up; /* the final state goes without the rest of the log */
    bool given_up;     /* nobody can want the answer any more */
};

enum report_step { REPORT_NOTHING, REPORT_PATCH, REPORT_TOUCH, REPORT_FINAL };

/* With `end` bytes of log there are. */
enum report_step report_next(const struct report_plan *plan, int64_t end, int64_t now);

/* The job has its result: told until GitLab answers for good, `patience_ms` long from `since`. */
void report_finish(struct report_plan *plan, int64_t since, int64_t patience_ms);

/* Take an answer; each returns the wait before the next step. */
int64_t report_on_patch(struct report_plan *plan, const struct patch_outcome *outcome, int64_t end,
                        int64_t now);
int64_t report_on_touch(struct report_plan *plan, const struct update_outcome *outcome,
                        int64_t now);
/* For every answer that is not the last. */
int64_t report_on_final(struct report_plan *plan, const struct update_outcome *outcome,
                        int64_t now);
/* The log cannot be read, or nothing could be sent. */
int64_t report_on_trouble(struct report_plan *plan, int64_t now);
