/* core/exec/pipeline.h - which jobs of a pipeline may run, and how it ended.
 *
 * Pure state: the caller says what happened and when. `flotilla exec` feeds it from the embedded
 * coordinator.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/base/autoclean.h"
#include "core/base/error.h"
#include "core/exec/ci_config.h"

enum pipeline_state {
    PIPELINE_JOB_WAITING, /* for other jobs */
    PIPELINE_JOB_READY,
    PIPELINE_JOB_GIVEN, /* handed to a runner that has not said yet that it runs */
    PIPELINE_JOB_RUNNING,
    PIPELINE_JOB_PASSED,
    PIPELINE_JOB_ALLOWED, /* failed, and may */
    PIPELINE_JOB_FAILED,
    PIPELINE_JOB_SKIPPED, /* because of how others ended */
    PIPELINE_JOB_CANCELED,
    PIPELINE_JOB_MANUAL,  /* a person would start it */
    PIPELINE_JOB_BLOCKED, /* it waits for such a one */
};

struct pipeline_job {
    const struct ci_job *job;
    int64_t id;     /* from 1, in the order of the file; another one for each further try */
    unsigned tries; /* that are over */
    enum pipeline_state state;
    int exit_code;
    char reason[64];                        /* why it failed, "" when it did not */
    char *instance;                         /* where it ran; set by pipeline_set_instance() */
    int64_t ready_ms, started_ms, ended_ms; /* -1 = did not happen */
    size_t *needs;                          /* indexes of selected jobs */
    size_t n_needs;
};

struct pipeline {
    const struct ci_config *config; /* borrowed */
    struct pipeline_job *jobs;
    size_t n_jobs;
    int64_t next_id;
    bool canceled; /* pipeline_cancel() */
};

/* Only the selected jobs (NULL = all); needs of others count as met. Needs in a circle are
 * errors. Jobs that may start are ready at once. */
int pipeline_new(const struct ci_config *config, const struct ci_selection *selection,
                 int64_t now_ms, struct pipeline **ret, struct error *err);
void pipeline_free(struct pipeline *pipeline);
DEFINE_AUTO_PTR(struct pipeline, pipeline_free)

struct pipeline_job *pipeline_find(struct pipeline *pipeline, int64_t id);

/* The next ready job of the earliest stage, now given; NULL when none is ready. */
struct pipeline_job *pipeline_take(struct pipeline *pipeline);
void pipeline_give_back(struct pipeline *pipeline, int64_t id); /* given, but nobody took it up */
void pipeline_started(struct pipeline *pipeline, int64_t id, int64_t now_ms);
/* `reason` NULL or "" for a success. A failed job may be tried again, which makes it ready with a new
 * id; else jobs that waited for this one become ready or skipped. */
void pipeline_finished(struct pipeline *pipeline, int64_t id, bool success, int exit_code,
                       const char *reason, int64_t now_ms);
/* No further job starts: what is not with a runner becomes canceled. */
void pipeline_cancel(struct pipeline *pipeline);
void pipeline_set_instance(struct pipeline *pipeline, int64_t id, const char *instance);

bool pipeline_has_ready(const struct pipeline *pipeline);
bool pipeline_done(const struct pipeline *pipeline);
/* Done, and nothing failed that must not; jobs that never ran because nothing failed, or because a
 * person would have to start them, are no failures. */
bool pipeline_passed(const struct pipeline *pipeline);
const char *pipeline_state_name(enum pipeline_state state);
