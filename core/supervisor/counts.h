/* core/supervisor/counts.h - what is counted while the manager runs, for metrics (metrics*.c): plain integers, so that
 * counting costs nothing and needs no memory.
 *
 *   struct counts        of the manager
 *   struct group_counts  of one runner and its group of instances
 */
#pragma once

#include "core/supervisor/internal.h"
#include "core/web/metrics.h"

enum count_endpoint {
    ENDPOINT_REQUEST_JOB,
    ENDPOINT_UPDATE_JOB,
    ENDPOINT_PATCH_TRACE,
    ENDPOINT_RESET_TOKEN,
    COUNT_ENDPOINTS
};
#define COUNT_STATUSES 24 /* different answers of an endpoint that are told apart */
#define COUNT_CLASSES 6   /* "unknown", 1xx to 5xx */
struct api_counts {       /* of one endpoint */
    struct {
        int status;
        uint64_t n;
    } statuses[COUNT_STATUSES];
    struct metrics_histogram seconds[COUNT_CLASSES];
};
const char *count_endpoint_name(enum count_endpoint endpoint);
const char *count_endpoint_method(enum count_endpoint endpoint); /* lower case */
const char *count_class_name(size_t class);

#define COUNT_REASONS 32 /* of jobs that failed; GitLab knows about twenty */
struct reason_count {
    char reason[64];
    uint64_t n;
};

/* How many jobs of its project run, as GitLab tells with a job: "0", "1", ..., "+Inf". */
#define COUNT_QUEUES 12
struct queue_counts {
    char running[16];
    struct metrics_histogram seconds;
};

/* What a job waits for, in the order of its life. */
enum count_phase {
    PHASE_SLOT,   /* from its arrival until it has one */
    PHASE_WORKER, /* then until its worker has begun */
    PHASE_REPORT, /* from its end until GitLab has its end */
    COUNT_PHASES
};
const char *count_phase_name(enum count_phase phase);

/* Stages of jobs, as GitLab Runner calls them; there are about a dozen. */
#define COUNT_STAGES 20
struct stage_counts {
    char stage[32];
    struct metrics_histogram seconds;
};

/* Why an input could not be put where a job refers to it. */
enum count_input_error { INPUT_PARSE, INPUT_EVALUATION, COUNT_INPUT_ERRORS };
const char *count_input_error_name(enum count_input_error error);

/* Kinds of answers of a provider that failed, as sdk-abi.md numbers them. */
#define COUNT_ERRORS 16
const char *count_error_name(size_t error);

struct group_counts {
    struct config *config; /* whose buckets these are */
    uint64_t jobs, polls, polls_refused;
    uint64_t jobs_failed, jobs_broken; /* by their scripts; by anything else */
    struct reason_count failed[COUNT_REASONS];
    struct queue_counts queues[COUNT_QUEUES];
    struct stage_counts stages[COUNT_STAGES];
    uint64_t queued_too_long;        /* jobs (queuing.h) */
    int64_t queue_size, queue_depth; /* as GitLab told last; -1 = it never did */
    struct metrics_histogram job_seconds, wait_seconds[COUNT_PHASES];
    struct api_counts api[COUNT_ENDPOINTS];

    uint64_t created, deleted, lists, removals, orders, missed_updates, scaled_up, scaled_down;
    uint64_t removed[FLEET_REASONS], errors[COUNT_ERRORS], opens, slot_failures;
    struct metrics_histogram creation_seconds, running_seconds, deletion_seconds, readiness_seconds,
        life_seconds;
    int64_t idle_ms, busy_ms; /* of all instances together */
};

struct counts {
    uint64_t config_loaded, config_failed, config_saved, config_unsaved;
    uint64_t inputs_used, inputs_failed[COUNT_INPUT_ERRORS];
    uint64_t jobs_adopted, api_attempts[COUNT_ENDPOINTS];
    int64_t started_wall_ms, summed_mono; /* summed: of idle_ms and busy_ms */
};
