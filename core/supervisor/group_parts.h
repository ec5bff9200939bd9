/* core/supervisor/group_parts.h - what the files of a group share: group.c (the cycle) and group_*.c. What
 * the rest of the supervisor calls is in internal.h. */
#pragma once

#include <flotilla/provider.h>

#include "core/base/str.h"
#include "core/supervisor/internal.h"

#define GROUP_BACKOFF_MIN_MS 1000
#define GROUP_BACKOFF_MAX_MS (5 * 60 * 1000)

/* The next pause of calls that keep failing. */
static inline int64_t group_back_off(int64_t backoff_ms)
{
    return fault_limit_ms("back_off", backoff_ms
                                          ? MIN(backoff_ms * 2, (int64_t) GROUP_BACKOFF_MAX_MS)
                                          : GROUP_BACKOFF_MIN_MS);
}

/* With these answers somebody has to change something first. */
static inline bool group_needs_a_person(int code)
{
    return code == FLT_E_INVALID || code == FLT_E_AUTH || code == FLT_E_STALE || code == FLT_E_ABI;
}

static inline const struct config_autoscaler *group_settings(const struct group *group)
{
    return &group->runner->autoscaler;
}

/* group.c */
/* Rows that are written between the two become one transaction. */
void group_begin_rows(struct group *group);
void group_end_rows(struct group *group);
void group_add_row(struct group *group, const struct fleet_instance *instance); /* it appeared */
void group_persist(struct group *group, const struct fleet_instance *instance,
                   enum ledger_life life);
/* Takes the request; a failure is logged and `fn` never called. */
int group_call(struct group *group, json_t *request, int64_t deadline_ms, provider_reply_fn fn,
               void *arg);

/* A call was answered with FLT_E_STALE. */
void group_became_stale(struct group *group, const char *message);
/* A list was, or was not: what a person has put right is seen by the next. */
void group_note_holder(struct group *group, int code, const char *message);

/* group_policy.c */
/* Of the configuration, at the start and after a reload, with how long jobs may queue; those before it
 * are forgotten. */
int group_load_policies(struct group *group, struct error *err);
/* What holds now by the wall clock; lives until the next call. */
const struct fleet_policy *group_policy(struct group *group);
/* At each evaluation: the fleet follows what holds, and a change is logged. */
void group_apply_policy(struct group *group);

/* group_connect.c */
/* A question about an instance. Negative when it cannot be asked: `fn` is not called then. */
int group_ask(struct group *group, const char *type, const char *instance, provider_reply_fn fn,
              void *arg);
enum connect_kind {
    CONNECT_KNOWN,
    CONNECT_NOT_YET, /* there is nothing to connect to yet */
    CONNECT_BAD,     /* the instance is to blame */
    CONNECT_REFUSED, /* somebody has to change something first; no instance is to blame */
    CONNECT_FAILED,  /* it could not be asked */
};
/* An answer to connect_info. */
struct connect_answer {
    enum connect_kind kind;
    json_t *connect;  /* when known, for its worker or probe; json_object_put() it */
    int64_t pause_ms; /* else: before it is asked again */
    char why[400];
};
/* Reads the answer; what is refused is told once. */
void group_read_connect(struct group *group, int code, const char *message, int64_t retry_after_ms,
                        json_t *reply, struct connect_answer *ret);
/* With other settings it may go well: all who wait ask at once. */
void group_connect_anew(struct group *group);

/* group_probes.c */
/* Whether an instance that runs must prove itself before jobs are put on it. */
bool group_is_gated(const struct group *group);
/* Starts the gates and heartbeats that are due, and ends those of instances that go. */
void group_run_probes(struct group *group);
void group_end_probes(struct group *group); /* and those that wait for a job */
/* Gates that began under other settings end, and begin anew at the next evaluation. */
void group_restart_gates(struct group *group);
/* Running is ready where nothing is asked for, and where jobs run already. */
void group_pass_ungated(struct group *group);

/* Of one instance. */
void group_restart_gate(struct group *group, const char *instance);

/* group_isolation.c */
/* Plugin and key, by its entry's settings; negative: nothing has changed. */
int group_take_isolation(struct group *group, struct error *err);
void group_isolation_done(struct group *group);
json_t *group_isolation_for_gate(const struct group *group, const char *instance);
void group_doubt_all(struct group *group);
/* A gate found that the plugin cannot be used, or can: gates wait meanwhile, and no job is asked for. */
void group_isolation_unable(struct group *group, const char *why);
void group_isolation_works(struct group *group);
bool group_isolation_waits(const struct group *group);

/* group_boots.c */
/* What was ordered is of no use: growth pauses. `why` is for people. */
void group_boot_failed(struct group *group, const char *why);
void group_boot_succeeded(struct group *group);
/* An instance went: before it was ready it counts as one that did not boot. */
void group_note_gone(struct group *group, const struct fleet_instance *instance,
                     enum fleet_reason reason);

/* group_setup.c */
/* The entry's settings are these from now on; its configuration is the supervisor's. */
void group_use_entry(struct group *group, const struct config_runner *runner);
/* The fleet's settings by an entry's, as far as the provider's group lets them be. */
void group_fleet_config(const struct group *group, const struct config_autoscaler *autoscaler,
                        const struct fleet_policy *policy, struct fleet_config *ret);
void group_configure(struct group *group); /* by its entry's, at once */
/* False when the cloud's group is smaller than the entry says. */
bool group_check_size(const struct group *group, const struct config_autoscaler *autoscaler,
                      struct error *err);
/* With its entry's settings; one that runs is opened anew. */
int group_open_provider(struct group *group, struct error *err);

/* Again after a pause when that failed before: one broken entry must not stop the others, and a
 * plugin file that comes back must not need a restart. */
void group_start_provider(struct group *group);

/* No job is taken, and time alone will not mend that: told once (EVENT_RUNNER_REFUSED). */
void group_refuse(struct group *group, const char *why);

/* group_lists.c */
#define GROUP_LIST_DEADLINE_MS 60000
void group_start_list(struct group *group);
/* The answer to `list`; the caller frees. */
int group_read_list(json_t *reply, struct fleet_listed **ret, size_t *ret_n, struct error *err);
void group_list_soon(struct group *group); /* something was changed in the cloud */
int64_t group_list_interval(const struct group *group);

/* group_signals.c */
void group_start_signals(struct group *group);
/* A list says so of what we did not remove (V58). */
void group_instance_deleting(struct group *group, const struct fleet_instance *instance);
/* Why an instance is gone, for its jobs and the log. */
const char *group_loss_text(const struct fleet_instance *instance, enum fleet_reason reason);

/* group_log.c: the lines that people search for (autoscaler.md 13.1). */
void group_log_initialized(const struct group *group, json_t *reply); /* to `open` */
void group_log_discovery(const struct group *group, const struct fleet_instance *instance);
void group_log_update(const struct group *group, const struct fleet_instance *instance);
void group_log_pruned(const struct group *group, const struct fleet_instance *instance,
                      enum fleet_reason reason);
void group_log_increase(const struct group *group);
void group_log_increased(const struct group *group, uint32_t accepted);
void group_log_orders(const struct group *group); /* what is on order now */
void group_log_decrease(const struct group *group, size_t amount);
void group_log_scaling(const struct group *group, const struct scaler_plan *plan,
                       const char *explained);

/* group_growth.c */
enum growth_failure group_growth_kind(int code); /* of an answer to an increase that failed */
void group_growth_failed(struct group *group, enum growth_failure kind, const char *message,
                         int64_t retry_after_ms);
void group_growth_succeeded(struct group *group);               /* an order was taken whole */
void group_orders_expired(struct group *group, uint32_t count); /* V17 */

/* group_orders.c */
void group_start_increase(struct group *group);
void group_start_decrease(struct group *group);
void group_restore_orders(struct group *group);
/* After a complete list: what former runs left open is settled by listing, not by repeating
 * (hardening.md R5), once none of their orders can show up any more. */
void group_settle_old_intents(struct group *group);
