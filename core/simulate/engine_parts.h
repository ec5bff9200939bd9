/* core/simulate/engine_parts.h - what the files of the engine share: engine.c (time and events) and
 * cycle.c (what the daemon does at each). */
#pragma once

#include "core/simulate/account.h"
#include "core/simulate/agenda.h"
#include "core/simulate/engine.h"

enum event_kind {
    EVENT_REQUEST_ANSWERED, /* GitLab gives the job; or has none */
    EVENT_JOB_ENDS,
    EVENT_JOB_GIVEN_UP, /* it waited for an instance for too long */
    EVENT_LISTED,
    EVENT_INCREASED,
    EVENT_DECREASED,
    EVENT_GATE,   /* an instance passes the ready gate, or does not */
    EVENT_NOTICE, /* the cloud says that it will take it back */
    EVENT_TAKEN,
    EVENT_GONE,
    EVENT_LIST_DIFFERS, /* lists say something else from now on */
    EVENT_POLICY,
    EVENT_WAKE
};

enum job_place { JOB_COMING, JOB_AT_GITLAB, JOB_GIVEN, JOB_WAITS, JOB_RUNS, JOB_DOOMED, JOB_OVER };

struct job_course {
    enum job_place place;
    struct machine *machine; /* while it runs */
};

#define REMOVED_AT_ONCE 100
#define NO_JOB SIZE_MAX

struct engine {
    const struct engine_settings *settings;
    const struct workload *workload;
    struct result *result;
    struct account account;
    struct agenda agenda;
    struct cloud cloud;
    struct fleet *fleet;
    struct fleet_config config; /* the fleet's, with the policy that holds */
    struct policies *policies;
    int64_t now_ms, wake_ms; /* wake: when time alone may change something */
    int error;               /* memory ran out: the run ends */

    struct job_course *jobs;
    size_t n_arrived, n_asked; /* at GitLab are those from n_asked on */
    int64_t in_hand;           /* given to us, not over */

    /* The request for a job. */
    bool asking, parked; /* parked: GitLab has none and keeps it open */
    size_t asked_job;    /* NO_JOB = the answer will be that there is none */
    uint64_t request;    /* its number: a late answer is not the next one's */
    int64_t request_since_ms, next_request_ms;

    /* Calls of the cloud. */
    bool list_busy, increase_busy, decrease_busy, list_differs, listed_once;
    unsigned lists; /* read, up to 2 */
    int64_t next_list_ms, list_interval_ms;
    uint32_t increase_n;
    size_t removing[REMOVED_AT_ONCE]; /* numbers of machines */
    size_t n_removing;
};

/* Sticky: the first failure ends the run. */
void engine_schedule(struct engine *engine, int64_t at_ms, enum event_kind kind, size_t which);
void engine_wake_at(struct engine *engine, int64_t at_ms);

/* cycle.c; what is bool tells whether the daemon would look what there is to do. */
void cycle_turn(struct engine *engine);
/* The lists that would have said nothing new were read at their times until now. */
void cycle_skip_lists(struct engine *engine);
void cycle_on_listed(struct engine *engine);
void cycle_on_increased(struct engine *engine);
void cycle_on_decreased(struct engine *engine);
bool cycle_on_answer(struct engine *engine, uint64_t request);
bool cycle_on_arrival(struct engine *engine);
bool cycle_job_over(struct engine *engine, size_t job);
bool cycle_give_up(struct engine *engine, size_t job);
/* It was taken: its jobs will be lost. */
void cycle_doom_jobs(struct engine *engine, struct machine *machine);
void cycle_mark_removing(struct engine *engine, struct machine *machine, enum fleet_reason reason);
/* The machine's use changed, or may have. */
void cycle_show_use(struct engine *engine, struct machine *machine);
