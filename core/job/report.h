/* core/job/report.h - the worker's line to its supervisor: what it says, what it is told, and how
 * it finds the next supervisor when this one is gone (docs/design/processes.md "Job worker").
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "core/base/error.h"
#include "core/base/json.h"

struct report;

/* Takes the control descriptor; the spool's stays the caller's. A probe has none (-1): nobody takes
 * it back, so that it is stopped when its supervisor goes. */
int report_new(int control_fd, int spool_fd, struct report **ret, struct error *err);
void report_free(struct report *report);

/* Waits for the start frame; 0 = the supervisor went before it sent one, and there is nothing to
 * do. */
int report_wait_start(struct report *report, json_t **ret, struct error *err);
/* Before that, in a process that waits for a job: the spool comes along, which is the caller's; 0 as above. */
int report_wait_job(struct report *report, int *ret_spool_fd, struct error *err);
/* What a supervisor is told that has lost the job's row; takes it, before report_started(). */
void report_identity(struct report *report, json_t *identity);
/* How many texts inputs were put into, and of what kind the failure was; before it, too. */
void report_inputs(struct report *report, unsigned used, const char *error /* NULL = none */);
/* Who we are, for a reconnect; sends `started`. With `debug_trace` the log is a debug trace. */
int report_started(struct report *report, int64_t seq, const char *key, const char *control_socket,
                   bool debug_trace);

/* The job's VM was made: a `vm` frame, which is taken, and told again to each supervisor that comes. */
void report_vm(struct report *report, json_t *frame);

/* What the cloud does to the instance; the later, the surer. */
enum report_going { REPORT_STAYS, REPORT_INTERRUPTED, REPORT_DELETING };

/* What was told so far. */
struct report_orders {
    bool cancel, abort, instance_lost;
    bool hold;         /* somebody wants to look at the instance when the job has ended */
    char message[256]; /* why the instance is lost */
    char signal[32]; /* for which the manager stops its jobs, with an abort; "" = GitLab wants it */
    enum report_going going;
    int64_t going_left_ms; /* when that was told; negative = not said */
};
/* Reads what is there without blocking, reconnects when it is time. Cheap; call it often. */
const struct report_orders *report_poll(struct report *report);
/* A person's terminal, which came with a `terminal` frame and is the caller's from now on; -1 = nobody asks for one. */
int report_take_terminal(struct report *report);
/* Why what runs now must stop: -EINTR for an abort, -ENETRESET for a lost instance, -ECANCELED for a
 * cancel, or 0. */
int report_stopped(const struct report_orders *orders);
/* Nobody waits for this job any more, or whoever does has refused us: its end is no longer ours to write. */
bool report_is_dismissed(const struct report *report);
int report_fd(const struct report *report); /* to poll beside a socket; -1 = none now */

/* Who says, instead of report_stopped(), why a wait of this file or supply.c must end: a negative code, or
 * 0; it calls report_poll(). */
void report_stop_rule(struct report *report, int (*stopped)(void *arg), void *arg);

void report_stage(struct report *report, const char *name);
/* Where the job works (borrowed), told with each stage and to each supervisor that comes. */
void report_directory(struct report *report, const char *path);
void report_tell(struct report *report, json_t *frame); /* lost when nobody is there */

struct shown_key {
    const char *type, *key;
};
/* Whether the instance may show this key. Where that is a question, asks the supervisor and waits for
 * the verdict: 0, -EKEYREJECTED with its sentence, -ETIMEDOUT at the deadline, or the code of
 * report_stopped(). `connect` is the start frame's. */
int report_host_key(struct report *report, json_t *connect, const struct shown_key *shown,
                    int64_t deadline_mono_ms, struct error *err);

/* What logs in has expired: asks for another. 0 and a `connect` as the start frame's, the caller's; or 0 and NULL where
 * the provider has none yet, with when to ask again. -ENOENT with its sentence where it will have none, or as
 * report_ask(). */
int report_login(struct report *report, int64_t deadline_mono_ms, json_t **ret_connect,
                 int64_t *ret_wait_ms, struct error *err);

/* What the supervisor answers by a frame of another type (supply.c). */
struct report_question {
    json_t *frame;       /* told to each supervisor that comes meanwhile; NULL = only waits */
    const char *answer;  /* its type, */
    int64_t id;          /* and its "id", where there is one */
    unsigned connection; /* 0, or the only one over which it can come */
    const char *what;    /* "…while asking for WHAT" */
};
/* 0 and the answer, to be put; -ETIMEDOUT at the deadline; -ENETUNREACH when that connection is gone; or why
 * it was stopped. */
int report_ask(struct report *report, const struct report_question *question,
               int64_t deadline_mono_ms, json_t **ret, struct error *err);
/* The descriptor that came with the last answer, which is the caller's from now on; -1 = none. */
int report_take_descriptor(struct report *report);

/* The counts of supply.c, one set for each line. */
struct report_supply {
    int64_t last_id, transfer;    /* the transfer that runs, */
    unsigned transfer_connection; /* and over which connection it was opened */
};
struct report_supply *report_supply(struct report *report);
unsigned report_connection(const struct report *report); /* the present one; 0 = none */

/* Tells the result until it is stored, over however many supervisors that takes; gives up when
 * nobody knows the job any more. */
void report_result(struct report *report, json_t *result);
