/* core/supervisor/internal.h - the objects of the supervisor, for its own files only.
 *
 *   struct supervisor  owns everything
 *   struct group       one [[runners]] entry: provider and fleet (group*.c), requests (scheduler.c);
 *                      groups.c keeps their set
 *   struct job         one job from its ledger row to its closing (job.c, worker_link.c, reporter.c)
 *
 * Times named _ms are those of the timeline (store/timeline.h) unless they say mono.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <uv.h>

#include "core/base/channel.h"
#include "core/base/clock.h"
#include "core/base/fault.h"
#include "core/base/random.h"
#include "core/base/secret.h"
#include "core/config/config.h"
#include "core/coordinator/client.h"
#include "core/fleet/fleet.h"
#include "core/fleet/policy.h"
#include "core/fleet/scaler.h"
#include "core/fleet/settings.h"
#include "core/provider/client.h"
#include "core/store/journal.h"
#include "core/store/ledger.h"
#include "core/store/timeline.h"
#include "core/supervisor/report_plan.h"
#include "core/supervisor/spawner.h"
#include "core/supervisor/supervisor.h"
#include "core/web/session.h"

/* What the cloud does to a job's instance; the later, the surer. */
enum job_going { GOING_NOT, GOING_INTERRUPTED, GOING_DELETING };

struct job {
    struct supervisor *supervisor;
    struct group *group;
    struct job *next;

    /* As in the ledger. */
    int64_t seq, job_id, project_id, timeout_s;
    char *name;
    struct secret *token, *payload; /* payload: until the worker has it */
    enum job_state state;
    char worker_key[33], instance_id[256];
    int64_t worker_pid; /* 0 = not known; may be used only while the spool is locked */
    uint32_t slot;
    int64_t concurrent_id, concurrent_project_id;
    char result_state[16], failure_reason[64];
    char vm[256];                 /* that it runs in; "" = none that is known */
    char stage[32];               /* that its worker is in; "" = it has told none */
    int64_t stage_since_mono;     /* 0 = that was not seen */
    char *vm_address, *directory; /* as its worker told: for `flotilla ssh`; NULL = not known */
    int64_t exit_code, log_size;
    int64_t received_ms, assigned_ms, started_ms, finished_ms; /* 0 = not yet */
    uint32_t log_crc;
    bool debug_trace; /* GitLab shows the log to fewer people */
    bool had_reservation;
    bool awaits_settling; /* settle.c calls job_settled() */
    bool result_untold;   /* its worker is to hear that its result is stored */
    bool to_begin;        /* it has its slot, and no worker yet */

    int64_t acknowledge_at_mono;      /* again; 0 = an answer is awaited, or came */
    int64_t acknowledging_since_mono; /* 0 = not yet */
    int64_t waiting_since_mono; /* for an instance; 0 = it has no place under `concurrent` yet */

    /* The worker (worker_link.c). */
    struct channel *worker;
    int64_t worker_tag; /* its process at the spawner; 0 = not one of ours */
    int lock_fd;        /* the spool's descriptor with the lock until the worker has it, else -1 */
    int starts;         /* workers started that never began */
    bool spawned, start_sent, spawned_here;
    bool connected;          /* it told of a stage that needs the instance */
    bool going_told;         /* its worker knows that its instance goes */
    bool connecting;         /* connect_info is under way, or asked again: */
    int64_t connect_at_mono; /* then; 0 = an answer is awaited */
    int64_t assigned_mono;
    int64_t connect_since_mono; /* the connector's timeout runs */
    enum job_going going;       /* its instance is about to go: */
    int64_t going_at_ms;        /* then, by the wall clock; 0 = not said */
    char lost_reason[96];       /* the instance went; told to the worker when it is there */
    char end_reason[96];        /* what ended the worker, when we know */
    int64_t end_due_mono;       /* a worker that still lives then is killed */
    int64_t exit_word_due_mono; /* until then the spawner may still say how it ended */

    struct terminal *terminal; /* terminals.c; NULL = GitLab was offered none with it */

    /* What its worker asks for (supplier.c). */
    unsigned requests;
    char *artifact_url; /* where GitLab wants uploads since it moved one; NULL = its own */

    /* Reporting (reporter.c). */
    int spool_fd; /* for reading; -1 = not open */
    struct report_plan report;
    int64_t crc_offset, noted_offset;
    uint32_t crc; /* of [0, crc_offset) */
    bool acknowledged, abort_told, cancel_told;
    char report_error[128]; /* why GitLab does not take what it is told; "" = it does */
    struct coordinator_call *call;
    size_t patch_bytes; /* in `call` */
    uv_timer_t timer;
};

struct group_isolation { /* its jobs run in VMs (group_isolation.c) */
    char *file;          /* the plugin that makes them; NULL = it has not been found */
    struct secret *key;  /* to log in to them, or NULL */
    char error[256];     /* why none can be made; "" = they can */
    int64_t backoff_ms, again_mono;
};

struct group {
    struct supervisor *supervisor;
    struct config *config; /* what `runner` is a piece of: an older one when the entry left */
    const struct config_runner *runner;
    char short_token[10];
    char *ledger_key;  /* who it is, whatever its entry says otherwise */
    int64_t id, epoch; /* in the ledger */
    struct coordinator_host host;
    json_t *info;
    struct secret *key;        /* connector_config.key_path's content, or NULL */
    struct cache_store *store; /* of its entry's settings; NULL: it has none */

    /* Provider and fleet (group*.c). */
    struct provider_client *provider; /* NULL = could not be started, or is closed */
    struct fleet *fleet;
    int64_t next_start_mono, start_backoff_ms;
    struct fleet_provider told; /* what the plugin says of it */
    bool usable, listed_once, refused, host_keys_warned;
    bool ids_return; /* FLT_CAP_IDS_RETURN */
    bool drained;    /* by an operator (operator.c) */
    bool stale;      /* another manager or a newer epoch holds the group: nothing is changed (R9) */
    bool list_stale; /* lists say so, which they do as long as it is true */
    bool retired;    /* its entry left while no manager ran: it ends its jobs (adopt.c) */
    bool leaving;    /* its entry left: it goes with its last job and instance (groups.c) */
    bool closing;    /* nothing of it is left but its provider, which is being closed */
    bool intents_settled; /* those of former runs */
    bool places_restored; /* of instances that went in former runs */
    bool policy_told;     /* the one that holds was logged (group_policy.c) */
    bool list_busy, increase_busy, decrease_busy;
    int64_t next_list_mono, next_decrease_mono;
    int64_t removal_backoff_ms, list_backoff_ms; /* 0 = the last one went well */
    char increase_id[UUID_SIZE]; /* an increase without an answer is repeated under its own id */
    uint32_t increase_n;
    struct {
        bool supported, busy;
        bool after_list; /* not before the next one was answered */
        int64_t next_mono, backoff_ms;
        int64_t growth_at_ms;         /* the latest failure of growth that was told with its time */
        char error[256], growth[256]; /* why they cannot be asked for; why the cloud cannot grow */
    } signals;
    char growth_error[256], removal_error[256], list_error[256], provider_error[640];
    struct scaler_plan last_plan;
    size_t
        recorded; /* bytes of its journal behind the beginning (journals.c); 0 = it is to begin */

    /* Which policy holds (group_policy.c); wall clock. */
    struct policies *policies;
    struct fleet_policy policy;
    size_t policy_index, told_policy; /* POLICY_DEFAULT: none does */
    int64_t policy_from_ms, policy_until_ms;
    struct queuing *queuing; /* how long jobs may queue, at times, too */
    bool queuing_told;       /* that it cannot say of a job */

    struct hold *holds; /* instances that somebody looks at (hold.c) */

    /* Ready gate and heartbeats (group_probes.c). */
    struct probe *probes;
    unsigned boots_failed; /* in a row */
    char boot_error[400];  /* of the last one */

    /* How instances are reached (group_connect.c). */
    int connect_refused; /* the code with which nobody is told; 0 = they are */
    char connect_error[256];
    int64_t connect_backoff_ms, connect_again_mono;

    struct group_isolation isolation;

    struct group_counts *counts; /* for metrics (counts.h); NULL of a retired one */

    /* Job requests (scheduler.c). */
    struct poll *polls; /* requests that wait for their answers, each with a place in the fleet */
    unsigned n_polls;
    double request_pace; /* how many there may be (coordinator-protocol.md 3.1) */
    char last_update[256];
    int64_t next_poll_mono;
    int64_t unhealthy;        /* refusals of its token in a row */
    char refusal[256];        /* why no job is asked for now; "" = one is */
    char request_error[256];  /* why the last request for a job failed; "" = it did not */
    unsigned requests_failed; /* in a row */
    int failed_status;        /* of the last one that was told, */
    int64_t tell_again_mono;  /* and when others like it are told again */

    /* Its token (rotation.c). */
    int64_t rotate_again_mono;  /* not before */
    int64_t rotation_kept_back; /* the token_expires_at of which it was told that nothing is done */
};

/* The configuration file, looked at from time to time (reload.c). */
struct config_watch {
    struct config_stamp read, seen; /* when it was read last; when it was looked at last */
    int64_t next_look_mono;
};

struct journals { /* lines of journals that are not written yet (journals.c) */
    struct journal_line *lines;
    size_t n, cap;
    int64_t write_at_mono;
    bool incomplete;
};

/* A token that GitLab gave for another (rotation.c), from its answer on until the configuration has it. */
struct rotation {
    struct coordinator_call *call; /* that asks for one; NULL = none does */
    char *url;                     /* of the runner whose token it is */
    struct secret *former, *token; /* token: NULL until it came */
    int64_t obtained_ms, expires_ms;
    bool written; /* into the configuration, which is to be read yet */
    int64_t again_mono,
        tell_again_mono; /* when it is written next, and when a failure is told again */
};

struct supervisor {
    uv_loop_t *loop;
    struct supervisor_options options;
    struct config *config;
    struct config_watch watch;
    struct rotation rotation;
    struct timeline timeline;
    const struct clock *clock; /* the timeline's */
    const struct rng *rng;
    char *state_dir, *control_path;
    int state_fd, spool_dir_fd, lock_fd;
    char system_id[15];
    char manager[128]; /* what the clouds are told of who holds a group; "" when that passes */
    struct ledger *ledger;
    struct coordinator_client *coordinator;
    struct spawner *spawner;
    struct group **groups;
    size_t n_groups;
    struct retired_group *retired;
    struct stranger *strangers;  /* jobs whose rows are lost (strangers.c) */
    char ledger_problem[512];    /* it was moved aside at this start */
    struct kept_logs *kept_logs; /* of jobs that have ended (kept_logs.c) */
    bool disk_short;             /* no job is asked for until there is room again */
    struct job *jobs;
    struct transfer *transfers; /* those that run, and those that wait (transfers.c) */
    size_t patch_bytes;         /* pieces of logs on their way to GitLab */
    int64_t last_probe;         /* probes are numbered */
    struct standby *standbys;   /* the newest first (standby.c) */
    unsigned standby_round;     /* one that began in another is not kept */
    struct control *control;
    struct counts *counts; /* for metrics (counts.h) */
    struct web *web;       /* what is served on listen_address (web.c) */
    struct web_page *page; /* the status page (web_page.h) */
    struct audit *audit;   /* under way */
    struct enter *enters;  /* operators who are about to log in somewhere (enter.c) */
    struct turns *turns;
    struct settle *settle;
    struct session_server *sessions; /* of web terminals; NULL = none is configured */
    uv_timer_t tick;
    struct journals journals;
    bool closing; /* no turn comes any more: late answers of providers change nothing */
    bool evaluate_wanted;
    bool descriptors_short;     /* no job is asked for */
    int64_t checkpoint_at_mono; /* 0 = none wanted */
    int64_t prune_at_mono;
    int64_t trim_at_mono; /* 0 = done */
    bool started, draining, stopping;
    const char *interrupt;     /* the signal for which jobs are stopped; NULL = none is */
    enum supervisor_stop stop; /* while stopping */
    void (*on_drained)(void *arg);
    void *drained_arg;
    void (*on_stopped)(void *arg);
    void *stopped_arg;
    int64_t stop_since_mono;
    size_t providers_closing;
};

static inline int64_t now_mono(const struct supervisor *supervisor)
{
    return clock_mono_ms(supervisor->clock);
}
static inline int64_t now_wall(const struct supervisor *supervisor)
{
    return clock_wall_ms(supervisor->clock);
}

/* supervisor.c */
void supervisor_emit(struct supervisor *supervisor, enum supervisor_event_kind kind,
                     const struct group *group, const char *instance, const struct job *job,
                     const char *detail);
/* The ledger failed: nothing may happen that it does not know, so the process ends (crash-only). */
void supervisor_fatal(struct supervisor *supervisor, const char *what, const struct error *err);
/* Asks for one evaluation of all groups at the end of this loop turn. */
void supervisor_evaluate_soon(struct supervisor *supervisor);
/* What was needed for a moment is given back to the system. */
void supervisor_trim_soon(struct supervisor *supervisor);
struct group *supervisor_find_group(struct supervisor *supervisor, int64_t group_id);
/* The last provider of a supervisor that is closing is closed. */
void supervisor_finish_stopping(struct supervisor *supervisor);
unsigned supervisor_running_jobs(const struct supervisor *supervisor, const struct group *group);

/* group_policy.c */
/* Periods mean what people's clocks show, so this alone follows the steps of the system's clock. */
int64_t group_clock_on_the_wall_ms(const struct group *group);
int64_t group_policy_due_ms(const struct group *group); /* from now; INT64_MAX = never */
/* "policy[1] (* 8-15 * * mon-fri in Europe/Berlin) holds until …: idle_count 1, …". */
void group_explain_policy(const struct group *group, struct buf *out);

/* groups.c */
int groups_add(struct supervisor *supervisor, const struct config_runner *runner,
               struct error *err);
/* The one for this entry, whatever its settings, that can go on with it; or NULL. */
struct group *groups_find(const struct supervisor *supervisor, const struct config_runner *runner);
/* Groups that leave and have nothing to see to any more go. */
void groups_reap(struct supervisor *supervisor);
/* Closes all providers, for good. */
void groups_close(struct supervisor *supervisor);
void groups_free(struct supervisor *supervisor);

/* group_setup.c */
int group_init(struct group *group, struct supervisor *supervisor,
               const struct config_runner *runner, struct error *err);
void group_done(struct group *group);

/* group_connect.c */
/* Asks how to reach the job's instance; its worker starts with the answer. */
void group_connect_info(struct group *group, struct job *job);
void group_renew_login(struct group *group, struct job *job); /* its worker's has expired */
/* No instance can be connected to, by no fault of its own, and that was just seen: jobs would wait in vain. */
bool group_cannot_connect(const struct group *group);

/* group_log.c */
void group_log_left(const struct group *group); /* what is there at a stop when its time is over */
void group_log_stopping(const struct group *group);
void group_log_stopped(const struct group *group);

/* group_growth.c */
/* True while growth waits after a failure (V20), and for how long. */
bool group_growth_waits(const struct group *group, int64_t *ret_ms);

/* group.c */
void group_evaluate(struct group *group);
/* At a stop: are the instances to be deleted, and are some of them still there? */
bool group_is_deleting(const struct group *group);
void group_mark_removing(struct group *group, const char *id, enum fleet_reason reason);
/* A worker lost its connection: the next list tells whether the instance is there. */
void group_connection_lost(struct group *group, const char *id);
/* A worker died without a result: an instance that does that to its workers is replaced (X6). */
void group_worker_crashed(struct group *group, const char *id);

/* probe_process.c */
/* The spawner's word about a process of ours: workers have positive tags, probes negative ones. */
void probe_on_spawned(struct supervisor *supervisor, int64_t tag, int64_t pid, const char *failure);
void probe_on_exited(struct supervisor *supervisor, int64_t tag, int status, int signal);

/* group_probes.c */
/* After a restart, once the jobs that go on have their slots: idle instances prove themselves anew. */
void group_recheck(struct group *group);
/* Of an instance that is not ready yet: what its gate met last, or NULL. */
const char *group_gate_trouble(const struct group *group, const char *instance);

/* group_boots.c */
/* Why instances that were made are of no use, and when the next is ordered; "" when they are. */
void group_describe_boots(const struct group *group, struct buf *out);
/* A job could not connect: an instance that nobody has reached so far is as good as not booted. */
void group_not_reached(struct group *group, const char *id);

/* group_isolation.c */
bool group_is_isolated(const struct group *group);
const char *group_isolation_file(const struct group *group); /* NULL: its jobs run in no VMs */
json_t *group_isolation_for_job(const struct group *group);  /* `isolation` of a worker's start */
json_t *group_vm_connect(const struct group *group); /* its `connect`: how to log in to a VM */
/* An instance may hold a VM that nobody has: it gets no jobs until a gate has seen that it does not. */
void group_doubt(struct group *group, const char *id, const char *why);

/* group_reload.c */
/* Another version of its entry holds from now on. Running jobs keep what they began with. */
void group_reconfigure(struct group *group, const struct config_runner *runner);
/* Its entry is not in the configuration any more: no new jobs, and nothing is kept idle. */
void group_leave(struct group *group);

/* reload.c */
void reload_begin(struct supervisor *supervisor);
void reload_tick(struct supervisor *supervisor); /* was the file changed? */
/* An operator asks; the answer tells the difference. */
json_t *reload_request(struct supervisor *supervisor, json_t *request);

/* rotation.c */
/* What a former run could not write into the configuration. */
void rotation_load(struct supervisor *supervisor);
void rotation_tick(struct supervisor *supervisor);
/* GitLab may be answering: whoever stops now waits a moment for it. */
bool rotation_is_asking(const struct supervisor *supervisor);
void rotation_done(struct supervisor *supervisor);
/* The entry's token, or the one that GitLab gave for it since. */
const char *rotation_token(const struct supervisor *supervisor, const struct config_runner *runner);

/* scheduler.c */
/* At each turn: are there descriptors for the jobs that may come? */
void scheduler_check_descriptors(struct supervisor *supervisor);
void scheduler_poll(struct group *group);
void scheduler_stop(struct group *group);
/* Whoever asked is not who asks now. */
void scheduler_token_changed(struct group *group);

/* job.c */
/* `session` was offered to GitLab with the request; NULL = none was. */
int job_from_payload(struct group *group, const struct session *session, const char *body,
                     size_t len, struct error *err);
/* Id, project, timeout, name (borrowed) and token of a payload; the worker validates the rest before it
 * runs anything. */
int job_read_payload(json_t *payload, struct ledger_job *ret, const char **ret_token,
                     struct error *err);
struct job *job_adopt_row(struct group *group, const struct ledger_job *row);
void job_free(struct job *job);
struct job *job_find(struct supervisor *supervisor, int64_t seq);
void job_acknowledge(struct job *job);
void job_settled(struct job *job); /* what it changed is on the disk (settle.h) */
/* In line for a place under `concurrent`, then for a slot; its reservation, if it has one, becomes
 * its place there. */
void job_wait(struct job *job);
/* Its slot; its worker begins once that is on the disk. */
void job_put_on(struct job *job, const struct fleet_instance *instance, uint32_t slot);
void job_tick(struct job *job); /* what time alone brings about */
void job_drop_reservation(struct job *job);

/* job_end.c */
void job_instance_lost(struct job *job, const char *why); /* why: as fleet_reason_name() */
/* Cancel (after_script still runs) or abort, by GitLab's word or for the supervisor's `interrupt`; without a
 * worker the job ends at once. */
void job_stop(struct job *job, bool abort);
void job_end_stopped(struct job *job); /* one that has no worker */
/* A failure reason as this server knows it (coordinator-protocol.md 4.2): `reasons` is the payload's
 * features.failure_reasons or NULL. The result is a constant. */
const char *job_map_reason(json_t *reasons, const char *reason);
/* Ends the job in the ledger with what the spool holds; `line` (may be NULL) is added to the log.
 * Nothing masks it there, so it is a sentence of ours: what providers and libraries say goes to the
 * daemon's log alone (hardening.md M11). */
void job_finish(struct job *job, const char *result_state, const char *failure_reason,
                int64_t exit_code, const char *line);
void job_fail_system(struct job *job, const char *why); /* why: as `line` above */
void job_close(struct job *job, const char *message);

/* job_going.c */
/* The cloud is about to take the job's instance (at_ms: wall clock, 0 = not said). */
void job_instance_going(struct job *job, enum job_going going, int64_t at_ms);
void job_tell_going(struct job *job); /* once there is a worker */

/* job_vm.c */
int job_take_vm(struct job *job, json_t *frame, struct error *err);  /* its worker made it */
void job_take_directory(struct job *job, json_t *frame);             /* where its worker works */
json_t *job_vms_on(const struct group *group, const char *instance); /* of jobs that run there */
/* A worker may be making one there whose id nobody knows yet. */
bool job_may_make_vm_on(const struct group *group, const char *instance);

/* start_frame.c */
json_t *start_frame(const struct job *job, json_t *connect); /* NULL = no memory */

/* worker_start.c */
/* Its worker is the process that waits there with a connection, or one that is started once the provider
 * has said how the instance is reached. */
void worker_begin(struct job *job);
void worker_start(struct job *job, json_t *connect);
/* Nothing ran: the instance is asked for anew as long as it may take to connect to it. */
void worker_start_later(struct job *job, const char *why);

/* worker_link.c */
/* Tells it that its result is stored, and lets it go. One that does not hear that comes back with its result. */
void worker_end(struct job *job);
void worker_hear(struct job *job, struct channel *channel); /* over which it speaks from now on */
void worker_expect_end(struct job *job);                    /* it has begun: by its job's timeout */
void worker_on_spawned(void *arg, int64_t tag, int64_t pid, const char *failure);
void worker_on_exited(void *arg, int64_t tag, int status, int signal);
/* `attach` is what it came with; NULL for one that was asked who it is. */
void worker_attach(struct job *job, struct channel *channel, json_t *attach);
void worker_tell(struct job *job, const char *type, const char *message);
/* A host_key frame, of a job's worker or a probe: by what the ledger knows. */
void worker_answer_host_key(struct group *group, const char *instance, struct channel *asker,
                            json_t *frame);
/* One that does not heed it is killed. */
void worker_abort(struct job *job);
void worker_lose_instance(struct job *job); /* job->lost_reason tells why */
/* A worker of a former run, which may be alive: waits for it to attach. Else the job ends now. */
void worker_expect(struct job *job);
/* Is the worker dead, or must it be ended? */
void worker_tick(struct job *job);

/* How long the job may still take. */
int64_t worker_time_left_ms(const struct job *job);
void worker_hang_up(struct job *job);

/* supplier.c */
/* A frame of the worker's about artifacts and caches; negative: it is none of them, or broken. */
int supplier_take(struct job *job, const char *type, json_t *frame, struct error *err);
/* The start frame of a transfer process that does what was asked for. */
int supplier_transfer_start(const struct job *job, json_t *request, json_t **ret,
                            struct error *err);

/* transfers.c */
void transfers_ask(struct job *job, int64_t id, json_t *request); /* answered by transfer_open */
void transfers_commit(struct job *job, int64_t id, bool whole);
void transfers_stop(struct job *job, int64_t id);
void transfers_drop(struct job *job); /* its worker is gone, or another connection's */
void transfers_tick(struct supervisor *supervisor);
void transfers_close(struct supervisor *supervisor);

/* reporter.c */
/* 0: the coordinator has not named an interval yet. */
void reporter_start(struct job *job, int64_t interval_ms);
/* The job has its result since `ago_ms`: its log is sent to the end and its final state told. */
void reporter_finish(struct job *job, int64_t ago_ms);
void reporter_stop(struct job *job);
/* Size and CRC of the log as far as it can be read; negative when that is not to its end. */
int reporter_checksum(struct job *job, int64_t *ret_size, uint32_t *ret_crc);

/* state_dir.c */
/* Opens the directory and locks it; one that is another's is refused. */
int state_dir_open(struct supervisor *supervisor, struct error *err);
/* The system id, the clock, the ledger. */
int state_dir_load(struct supervisor *supervisor, struct error *err);

/* adopt.c */
/* A job on an instance: its slot, its log, its worker. */
void adopt_running(struct job *job);
/* An entry that is new, or came back: the jobs that went on without it are its own again. */
void adopt_return(struct group *group);
int adopt_all(struct supervisor *supervisor, struct error *err);
void adopt_done(struct supervisor *supervisor);

/* control.c */
int control_start(struct supervisor *supervisor, struct error *err);
void control_tick(struct supervisor *supervisor); /* listens again after a pause */
void control_stop(struct supervisor *supervisor);

/* counts.c: what happens is counted, for metrics. */
int counts_start(struct supervisor *supervisor, struct error *err);
void counts_stop(struct supervisor *supervisor);
void counts_tick(struct supervisor *supervisor);
int counts_open_group(struct group *group, struct error *err);
void counts_close_group(struct group *group);
void counts_on_event(struct supervisor *supervisor, enum supervisor_event_kind kind,
                     const struct group *group, const char *instance, const struct job *job);
void counts_note_payload(struct group *group, json_t *payload);
void counts_note_answer(struct group *group, int code); /* of a provider */
void counts_note_plan(struct group *group, const struct scaler_plan *plan);
void counts_note_list(struct group *group);
void counts_note_increase(struct group *group, uint32_t accepted);
void counts_note_decrease(struct group *group, size_t n);
void counts_note_poll(struct group *group, bool made); /* not made: no place could be reserved */
void counts_note_refusal(struct group *group);         /* of its token */
void counts_note_open(struct group *group);            /* of its provider */
void counts_note_adoption(struct supervisor *supervisor);
void counts_note_config(struct supervisor *supervisor, bool loaded);
void counts_note_saved(struct supervisor *supervisor, bool saved); /* the configuration */
/* What a worker tells of its job's inputs. */
void counts_note_inputs(struct supervisor *supervisor, json_t *frame);
void counts_note_stage(struct job *job); /* before another one begins */

/* web.c */
int web_start(struct supervisor *supervisor, struct error *err);
/* Another configuration holds: another address, certificate or token, perhaps. */
void web_reconfigure(struct supervisor *supervisor);
void web_tick(struct supervisor *supervisor); /* tries again where it could not listen */
void web_stop(struct supervisor *supervisor);

/* status.c */
json_t *status_report(struct supervisor *supervisor, json_t *request);
json_t *fleet_report(struct supervisor *supervisor, json_t *request); /* of all, or of "name" */
