/* core/exec/history.h - what happened in a run and when: instances, tries of jobs, decisions of the
 * scaler.
 *
 * Written by exec.c as it hears of things, read by the board and the report. What there is no memory
 * for is not recorded; nothing else depends on it. Times are those of the caller's clock, -1 = did
 * not happen.
 */
#pragma once

#include "core/exec/pipeline.h"

struct history_instance {
    char *id;
    unsigned slots;
    int64_t appeared_ms, ready_ms, removing_ms, gone_ms;
    char *reason; /* why it was removed; NULL = it was not */
};

/* One way of a job through a slot; a job that is tried again has several. */
struct history_try {
    size_t job; /* index in the pipeline */
    int64_t id;
    unsigned number; /* from 1 */
    char *instance;  /* NULL = nobody said */
    unsigned slot;
    int64_t ready_ms, assigned_ms, started_ms, ended_ms;
    enum pipeline_state state; /* PIPELINE_JOB_GIVEN until it runs */
    int exit_code;
    char reason[64];
};

struct history_decision {
    int64_t at_ms;
    char *text;
};

struct history {
    int64_t began_ms, ended_ms;
    struct history_instance *instances;
    struct history_try *tries;
    struct history_decision *decisions;
    size_t n_instances, n_tries, n_decisions;
};
void history_done(struct history *history);

void history_appeared(struct history *history, const char *id, unsigned slots, int64_t now_ms);
void history_ready(struct history *history, const char *id, int64_t now_ms);
void history_removing(struct history *history, const char *id, const char *reason, int64_t now_ms);
void history_gone(struct history *history, const char *id, int64_t now_ms);
void history_decided(struct history *history, const char *text, int64_t now_ms);

/* `instance` NULL = none is known. */
void history_assigned(struct history *history, const struct pipeline *pipeline, int64_t job_id,
                      const char *instance, unsigned slot, int64_t now_ms);
void history_started(struct history *history, int64_t job_id, int64_t now_ms);
/* `job` is as pipeline_finished() left it, which may be ready for the next try. */
void history_ended(struct history *history, int64_t job_id, const struct pipeline_job *job,
                   int exit_code, const char *reason, int64_t now_ms);

/* The try that is on this slot now; NULL = it is free. */
const struct history_try *history_on_slot(const struct history *history, const char *instance,
                                          unsigned slot);
