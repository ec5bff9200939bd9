/* core/exec/exec_internal.h - a run of `flotilla exec` or `flotilla coordinator`, for exec.c, which lets it
 * happen, exec_begin.c, which finds out what is run and where, and exec_events.c, which follows its jobs.
 */
#pragma once

#include <uv.h>

#include "core/exec/coordinator.h"
#include "core/exec/exec.h"
#include "core/exec/history.h"
#include "core/exec/payload.h"
#include "core/exec/show.h"
#include "core/exec/snapshot.h"
#include "core/exec/vm_daemon.h"
#include "core/exec/vm_image.h"
#include "core/supervisor/supervisor.h"

#define EXEC_STOP_SIGNALS 3
#define EXEC_DISK_FULL                                                                             \
    "the disk of %s is full; make room there or name another place, as in TMPDIR=/var/tmp"

struct exec {
    const struct exec_options *options;
    uv_loop_t loop;
    uv_signal_t signals[EXEC_STOP_SIGNALS];
    struct buf text; /* of the file */
    struct ci_config *ci;
    struct pipeline *pipeline;
    struct history history;
    struct show *show;
    struct snapshot snapshot;
    struct payload_pipeline shared;
    struct config *config;
    struct embedded_coordinator *coordinator;
    struct artifact_store *artifacts;
    struct supervisor *supervisor;
    struct vm_image vm_image;
    struct vm_daemon *vm_daemon; /* NULL = none */
    char *file, *work_dir, *state_dir, *bare, *project_path, *title, *cache_dir, *sources_url;
    char created_at[32];
    char runner_token[PAYLOAD_TOKEN_SIZE];
    unsigned instances; /* that appeared and are not gone */
    size_t refused;     /* runners that take no jobs any more */
    int64_t told_job;   /* whose upload was said to be refused: it is tried again */
    bool ending, interrupted, failed;
};

/* There is no supervisor: other runners take the jobs. */
bool exec_is_alone(const struct exec *exec);
const char *exec_command_name(const struct exec *exec); /* "exec" */

/* exec_begin.c, in this order. Findings are printed; an error without a sentence has been told by them. */
int exec_read_file(struct exec *exec, struct error *err);
int exec_check_options(struct exec *exec, struct error *err);
int exec_load_config(struct exec *exec, struct error *err); /* once the daemon of VMs listens */
int exec_make_work_dir(struct exec *exec, struct error *err);
int exec_take_snapshot(struct exec *exec, struct error *err);
int exec_make_pipeline(struct exec *exec, struct error *err); /* rules look at the snapshot */
int exec_make_store(struct exec *exec, struct error *err);    /* of artifacts, and of caches */
/* Jobs in VMs fetch from the coordinator at `url`, by the address that this machine has in there. */
int exec_lead_sources(struct exec *exec, const char *url, struct error *err);

/* What failed says little when there was no room for it. */
void exec_explain_full_disk(const struct exec *exec, struct error *err);
/* A directory whose instances are still there is kept: it is the only way to them. */
void exec_remove_work_dir(const struct exec *exec);

/* exec_events.c */
struct embedded_options exec_coordinator_options(struct exec *exec);
void exec_on_event(void *arg, const struct supervisor_event *event); /* `arg` is the run */

/* exec.c */
void exec_complain(const struct exec *exec, const struct error *err);
void exec_end(struct exec *exec); /* once; what runs is ended in its order */
/* No further job starts, those that run are ended, instances are removed. Other runners hear of it
 * when they next tell of their job, so the coordinator stays for that. */
void exec_abandon(struct exec *exec);
/* Runners may be refused while the supervisor still starts. */
void exec_abandon_when_nobody_can_run(struct exec *exec);
