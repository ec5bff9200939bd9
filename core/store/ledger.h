/* core/store/ledger.h - the ledger: what flotilla must still know after a crash
 * (docs/design/processes.md, hardening.md §10).
 *
 * Only the supervisor opens it. Every function is one transaction, on disk when it returns 0, unless
 * it is marked as late (ledger_settle() below) or is called between ledger_begin() and ledger_end().
 * Illegal transitions give -EPERM with a sentence. Strings in rows that are handed out belong to the
 * row; free a row with its _done().
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/base/clock.h"
#include "core/base/error.h"
#include "core/base/secret.h"

struct ledger;

/* Opens DIR/ledger.db, creates or migrates it forward (a newer schema is refused), runs
 * quick_check: a damaged one is -EUCLEAN, as later from any call. `dir` is an absolute path. */
int ledger_open(const char *dir, const struct clock *clock, struct ledger **ret, struct error *err);
void ledger_close(struct ledger *ledger); /* accepts NULL */
int ledger_checkpoint(
    struct ledger *ledger,
    struct error *err); /* WAL truncated, so that nulled tokens are gone from disk */

/* A damaged ledger is never repaired nor overwritten: it is renamed with its WAL, to `ret_name`. */
bool ledger_is_there(int dir_fd);
int ledger_set_aside(int dir_fd, const struct clock *clock, char *ret_name, size_t size,
                     struct error *err);
/* Rows of jobs get numbers above this one. Before the first of a new ledger. */
int ledger_skip_seq(struct ledger *ledger, int64_t seq, struct error *err);

/* A full disk: 4 MiB are kept for what runs (reserve.c). Once they were touched, or while less than
 * another 4 MiB are free, nothing new should begin; reserve_refill() makes good again what it can. */
bool reserve_is_short(void);
void reserve_refill(void);
/* A sentence of the supervisor's own in a spool may be written into the reserve. 0 or negative errno. */
int reserve_write_all(int fd, const void *data, size_t len);

/* Many changes of instances as one transaction, on disk when ledger_end() returns 0: each costs a sync else. What begins
 * a transaction itself (groups, closing a job, pruning) is refused between the two.
 * With r < 0 it is undone; returns r, or the failure of the commit. */
int ledger_begin(struct ledger *ledger, struct error *err);
int ledger_end(struct ledger *ledger, int r, struct error *err);

/* Steps that hundreds of jobs may take at a time would cost a sync each. Those that are marked as late share a transaction,
 * which the first of them begins: we read what they changed at once, but it is on disk only when this, or any change that
 * is not late, returns 0. Whoever tells others of such a step settles first (core/supervisor/settle.h).
 *
 * A failure of the disk is for good: it takes along late steps that were answered with 0. So nothing is changed any more,
 * and whoever opened the ledger must begin anew with what the disk has. */
int ledger_settle(struct ledger *ledger, struct error *err);
bool ledger_is_late(const struct ledger *ledger); /* something waits for that, or is lost */

/* Does it take a change? Makes none. */
int ledger_check(struct ledger *ledger, struct error *err);

/* Finds or makes the group and raises its epoch. */
int ledger_open_group(struct ledger *ledger, const char *key, int64_t *ret_id, int64_t *ret_epoch,
                      struct error *err);

/* Instances. */
enum ledger_life { LIFE_PRESENT, LIFE_REMOVING, LIFE_GONE };
struct ledger_instance {
    int64_t group_id;
    char id[256];
    enum ledger_life life;
    int state;                                                     /* enum instance_state */
    int cause;                                                     /* enum instance_cause */
    int64_t uses, first_seen_ms, ready_ms, idle_since_ms, gone_ms; /* wall; 0 = not yet */
    char remove_reason[128];
    bool anew; /* when it appears: a new use of an id that is gone */
};
/* An instance that appeared. One of that id that is gone makes way and leaves its uses, unless this
 * is a new use; one that lives is -EPERM. */
int ledger_add_instance(struct ledger *ledger, const struct ledger_instance *row,
                        struct error *err);
/* What changed about it; forward only. */
int ledger_put_instance(struct ledger *ledger, const struct ledger_instance *row,
                        struct error *err);
/* What is known of an id that the group does not hold: 1 and the row of another group that holds
 * it, else the group's own that is gone; 0 when there is none. */
int ledger_find_former(struct ledger *ledger, int64_t group_id, const char *id,
                       struct ledger_instance *ret, struct error *err);
/* Calls back with when instances that were ordered appeared since then, in order, gone ones too. */
int ledger_each_ordered(struct ledger *ledger, int64_t group_id, int64_t since_ms,
                        void (*on_row)(void *arg, int64_t first_seen_ms), void *arg,
                        struct error *err);
/* The same of when instances went. */
int ledger_each_gone(struct ledger *ledger, int64_t group_id, int64_t since_ms,
                     void (*on_row)(void *arg, int64_t gone_ms), void *arg, struct error *err);
/* Calls back for every instance of the group that is not gone. */
int ledger_each_instance(struct ledger *ledger, int64_t group_id,
                         void (*on_row)(void *arg, const struct ledger_instance *row), void *arg,
                         struct error *err);

/* The same for the instances of all groups, those that no entry of the configuration has, too. */
int ledger_each_living_instance(struct ledger *ledger,
                                void (*on_row)(void *arg, const struct ledger_instance *row),
                                void *arg, struct error *err);

/* What an operator drains (drains.c): an instance, or with "" for its id the whole group. Drained
 * again it keeps its time. */
int ledger_add_drain(struct ledger *ledger, int64_t group_id, const char *instance_id,
                     struct error *err);
int ledger_drop_drain(struct ledger *ledger, int64_t group_id, const char *instance_id,
                      struct error *err);
/* 1 and since when, 0 when it is not drained. */
int ledger_find_drain(struct ledger *ledger, int64_t group_id, const char *instance_id,
                      int64_t *ret_since_ms, struct error *err);

/* Instances that are held (holds.c). Texts are borrowed; "" = not known, job_id 0 = of none. */
struct ledger_hold {
    const char *instance_id, *who, *directory, *vm, *vm_address;
    int64_t until_ms, since_ms, job_id;
    bool by_rule;
};
int ledger_put_hold(struct ledger *ledger, int64_t group_id, const struct ledger_hold *hold,
                    struct error *err); /* instead of an earlier one */
int ledger_drop_hold(struct ledger *ledger, int64_t group_id, const char *instance_id,
                     struct error *err);
int ledger_each_hold(struct ledger *ledger, int64_t group_id,
                     void (*on_row)(void *arg, const struct ledger_hold *hold), void *arg,
                     struct error *err);

/* Jobs. */
enum job_state {
    JOB_RECEIVED,
    JOB_ACKNOWLEDGED,
    JOB_ASSIGNED,
    JOB_RUNNING,
    JOB_FINISHED,
    JOB_CLOSED
};
const char *job_state_name(enum job_state state);
struct ledger_job {
    int64_t seq; /* 0 = set by ledger_add_job */
    int64_t group_id, job_id, project_id;
    const char *coordinator_url, *runner, *name;
    struct secret *token, *payload; /* NULL once nulled */
    struct secret *session;         /* of its web terminal; NULL = none, or it has ended */
    enum job_state state;
    char worker_key[33];
    int64_t worker_pid;    /* 0 = not known */
    char instance_id[256]; /* "" = none */
    int64_t slot, concurrent_id, concurrent_project_id, sent_offset, timeout_s;
    char result_state[16]; /* "success", "failed", "" */
    char failure_reason[64];
    int64_t exit_code, log_size;
    uint32_t log_crc;
    int64_t received_ms, assigned_ms, started_ms, finished_ms, closed_ms;
    char message[256];
    bool debug_trace; /* known from `running` on */
    char vm[256];     /* the last one that was made for it; "" = none that is known */
};
void ledger_job_done(struct ledger_job *row);

int ledger_add_job(struct ledger *ledger, struct ledger_job *row,
                   struct error *err); /* → received; late */
int ledger_acknowledge_job(struct ledger *ledger, int64_t seq,
                           struct error *err); /* → acknowledged; late */
struct ledger_assignment {
    const char *instance_id, *worker_key;
    int64_t slot;
    int64_t concurrent_id, concurrent_project_id; /* the job's directory; nobody else's while it has
                                                     a slot */
};
/* → assigned: job, slot row and the instance's use count, all or none. Late. Repeated for the same
 * slot (a start that never began) it changes the key only. */
int ledger_assign_job(struct ledger *ledger, int64_t seq, const struct ledger_assignment *to,
                      struct error *err);
int ledger_start_job(struct ledger *ledger, int64_t seq, int64_t worker_pid, bool debug_trace,
                     struct error *err); /* → running; payload nulled; late */
/* Of a job that runs and whose row was lost: the row, its slot and the use of the instance, which is
 * known already. → running */
int ledger_restore_job(struct ledger *ledger, struct ledger_job *row, struct error *err);
/* For a job that was started before its worker's process was known. Late. */
int ledger_note_worker(struct ledger *ledger, int64_t seq, int64_t worker_pid, struct error *err);
/* While it has a slot: the VM that its worker made. Not late: nobody else knows of that VM. */
int ledger_note_vm(struct ledger *ledger, int64_t seq, const char *vm, struct error *err);
/* → finished: the final state with size and CRC of the log, and the slot row is removed (idle clock
 * of the instance starts when it was the last). Late. */
int ledger_finish_job(struct ledger *ledger, int64_t seq, const char *result_state,
                      const char *failure_reason, int64_t exit_code, int64_t log_size,
                      uint32_t log_crc, const char *message, struct error *err);
/* While the job runs: what GitLab has (may lag, never lead), and the CRC of the log's first `log_size`
 * bytes, so that they need not be read again after a restart. Late. */
int ledger_note_sent(struct ledger *ledger, int64_t seq, int64_t offset, int64_t log_size,
                     uint32_t log_crc, struct error *err);
int ledger_close_job(struct ledger *ledger, int64_t seq, const char *message,
                     struct error *err); /* → closed; token and payload nulled, slot row removed */
int ledger_each_open_job(struct ledger *ledger, void (*on_row)(void *arg, struct ledger_job *row),
                         void *arg, struct error *err);

/* The last row of that GitLab job, of each GitLab one: ended ones, too. */
int ledger_each_job_named(struct ledger *ledger, int64_t job_id,
                          void (*on_row)(void *arg, struct ledger_job *row), void *arg,
                          struct error *err);

/* The certificate of the server of web terminals, by which GitLab knows it as long as the jobs last whose sessions it was
 * told (certificate.c). 1 and the one that was made for that host between the two times, both the caller's; 0 = none. */
int ledger_find_certificate(struct ledger *ledger, const char *host, int64_t since_ms,
                            int64_t until_ms, char **ret_certificate, struct secret **ret_key,
                            struct error *err);
/* Instead of an earlier one. */
int ledger_put_certificate(struct ledger *ledger, const char *host, const char *certificate,
                           const struct secret *key, struct error *err);

/* Intents: written before the provider is called, ended after its answer. */
enum intent_state { INTENT_OPEN, INTENT_DONE, INTENT_FAILED, INTENT_RESOLVED };
struct ledger_intent {
    char request_id[37];
    int64_t group_id, epoch, count;
    char kind[16];   /* "increase", "decrease" */
    const char *ids; /* JSON array or NULL */
    enum intent_state state;
    int64_t created_ms, ended_ms;
};
int ledger_add_intent(struct ledger *ledger, const struct ledger_intent *intent, struct error *err);
int ledger_end_intent(struct ledger *ledger, const char *request_id, enum intent_state state,
                      int64_t count, const char *message, struct error *err);
/* Calls back, oldest first, for what may still come about: intents that are open, and orders that
 * the provider accepted after `since_ms`. */
int ledger_each_late_intent(struct ledger *ledger, int64_t group_id, int64_t since_ms,
                            void (*on_row)(void *arg, const struct ledger_intent *intent),
                            void *arg, struct error *err);

/* Host keys: the first is recorded, a different one later is -EKEYREJECTED with a sentence. */
int ledger_check_host_key(struct ledger *ledger, int64_t group_id, const char *instance_id,
                          const char *type, const char *key_base64, struct error *err);
struct ledger_host_key {
    char type[64], key[4096]; /* base64 */
};
/* 1 and the key that was recorded, 0 when there is none. */
int ledger_find_host_key(struct ledger *ledger, int64_t group_id, const char *instance_id,
                         struct ledger_host_key *ret, struct error *err);
/* Late. */
int ledger_note_warmth(struct ledger *ledger, int64_t group_id, const char *instance_id,
                       int64_t project_id, struct error *err);

/* Removes closed jobs, gone instances with their keys and warmth, and ended intents beyond the
 * limits of hardening.md §9. */
int ledger_prune(struct ledger *ledger, struct error *err);
