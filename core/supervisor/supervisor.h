/* core/supervisor/supervisor.h - the supervisor as its commands see it (`flotilla run`, `flotilla
 * exec`): start it on a loop, watch it, stop it.
 *
 * One thread, one loop. It runs no foreign code and parses nothing that an instance or a job wrote.
 * Stopping is a crash with a warning: workers go on and the next supervisor adopts them.
 */
#pragma once

#include <stdbool.h>
#include <uv.h>

#include "core/base/buf.h"
#include "core/base/error.h"
#include "core/config/config.h"
#include "core/fleet/fleet.h"
#include "core/store/ledger.h"

struct supervisor;

enum supervisor_event_kind {
    EVENT_INSTANCE_APPEARED,
    EVENT_INSTANCE_READY,
    EVENT_INSTANCE_REMOVING,
    EVENT_INSTANCE_GONE,
    EVENT_SCALED, /* an order, or instances to be removed; detail is the scaler's sentence */
    EVENT_RUNNER_REFUSED, /* once a runner: no job is taken until a person acts; detail says why */
    EVENT_DISK_FULL,      /* each time it becomes so: no job is taken until there is room */
    EVENT_FATAL,          /* the process ends when the call returns; the log has said why */
    EVENT_JOB_RECEIVED,
    EVENT_JOB_ASSIGNED,
    EVENT_JOB_RUNNING,
    EVENT_JOB_FINISHED,
    EVENT_JOB_CLOSED,
};
struct supervisor_event { /* borrowed; fields that do not apply are "" or 0 */
    enum supervisor_event_kind kind;
    const char *runner, *instance, *job_name, *detail;
    int64_t job_id;
    unsigned slot; /* of the job, once it is assigned */
};

struct supervisor_options {
    struct config *config; /* the supervisor takes a reference of its own */
    bool follows_config;   /* its file is read again when it changes, and on request */
    /* Another one holds from now on; may be NULL. */
    void (*on_config)(void *arg, const struct config *config);
    const char *state_dir;      /* NULL = the configuration's, else the default */
    bool passing;               /* it leaves nothing behind, so no manager need make way for it */
    const char *self_exe;       /* our own binary, for the spawner and the provider workers */
    const char *plugin_dirs;    /* --plugin-dir, colon-separated, or NULL */
    const char *listen_address; /* instead of the configuration's, or NULL; "" = nowhere */
    void (*on_event)(void *arg, const struct supervisor_event *event); /* may be NULL */
    void *arg;
};

/* Recovers what a former run left, then takes jobs. */
int supervisor_start(uv_loop_t *loop, const struct supervisor_options *options,
                     struct supervisor **ret, struct error *err);

/* Reads the configuration again, if it is followed; what is wrong with it is in the log, and then nothing
 * changes. */
void supervisor_reload(struct supervisor *supervisor);

/* No new jobs from now on. `on_drained` (may be NULL) is called once when no job is open any more.
 */
void supervisor_drain(struct supervisor *supervisor, void (*on_drained)(void *arg), void *arg);

/* Jobs are open or instances known: somebody must see to their end, whatever else fails. */
bool supervisor_is_responsible(const struct supervisor *supervisor);

/* Aborts every job that runs: they end as canceled. */
void supervisor_abort_jobs(struct supervisor *supervisor);
/* Every open job ends as "aborted: SIGNAL" (a name as GitLab Runner writes it, a constant), those to come, too. */
void supervisor_interrupt_jobs(struct supervisor *supervisor, const char *signal);

/* health.c */
/* Could it note what it does now? */
int supervisor_check(struct supervisor *supervisor, struct error *err);
/* "3 jobs, 5 instances" */
void supervisor_describe(const struct supervisor *supervisor, struct buf *out);
/* What it is at, at debug level. */
void supervisor_log_state(const struct supervisor *supervisor);

enum supervisor_stop {
    STOP_KEEPS_INSTANCES, /* for the next start */
    STOP_DELETES_AS_SET,  /* of the runners with delete_instances_on_shutdown */
    STOP_DELETES_ALL,
};

/* Leaves the loop; what is to be deleted goes first, within the time of the shutdown settings.
 * `on_stopped` is called once; the supervisor is freed before. */
void supervisor_stop(struct supervisor *supervisor, enum supervisor_stop how,
                     void (*on_stopped)(void *arg), void *arg);

/* /var/lib/flotilla for root, ~/.local/state/flotilla for others; the caller frees. */
char *supervisor_default_state_dir(void);
