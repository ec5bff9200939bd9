/* sdk/check/kit.h - inside the conformance kit's child: the plugin under test, its calls and what
 * is found.
 *
 * host.c gives the plugin its services, calls.c takes what it emits; watch.c keeps the time;
 * contract*.c and transports.c are the checks; child.c runs them and reports to check.c in the
 * parent.
 */
#pragma once

#include <flotilla/isolation.h>
#include <flotilla/provider.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>

#include "core/base/json.h"
#include "sdk/check/check.h"

#define KIT_IDS_MAX 10000
#define KIT_CALL_MS 30000 /* the most a call gets, and the least, by the operator's patience */
#define KIT_CALL_MIN_MS 5000
#define KIT_MADE_MAX 16
#define KIT_UNKNOWN_ID "flotilla-check-unknown"
#define KIT_UNKNOWN_KEY "flotilla_check_unknown_key"

struct kit_instance {
    char *id;
    int32_t state;
};

struct kit_listing {
    struct kit_instance *items;
    size_t n, room;
};

/* What was lent to the plugin, to be scribbled over when the call has returned. */
struct kit_loan {
    struct kit_loan *next;
    char *data;
    size_t len;
};

/* Never freed: a plugin that uses one after its end must be noticed, not crash us. */
struct kit_call {
    struct kit *kit;
    const char *verb;
    pthread_t thread;
    _Atomic bool ended;
    bool stop, stopped; /* its sink is to say stop at the first record; has said so */
    int64_t began_mono_ms, deadline_mono_ms, cancel_mono_ms, epoch;
    const char *request_id, *state_dir;
    struct kit_loan *loans;

    /* What came back. */
    int32_t code;
    int64_t retry_after_ms;
    char message[1024];
    int32_t worst_level; /* of its log lines; smaller is worse */
    char log[4096];
    bool described;
    struct kit_listing emitted;
    unsigned n_connects, n_signals;
    char *stomped; /* of an isolation's create */
    bool dialled;
};

/* How the next call is to be made. */
struct kit_how {
    int64_t deadline_ms;     /* 0 = as long as calls get */
    bool cancelled;          /* before it begins */
    int64_t cancel_after_ms; /* in its middle; 0 = not */
    bool stop;               /* its sink says stop at the first record */
    const char *request_id;
    int64_t epoch;
};

struct kit {
    const struct check_options *options;
    int link; /* to the parent */
    struct flt_provider provider;
    const struct flt_host *host;
    flt_group *group;
    struct flt_isolation isolation; /* instead of the provider, see isolation.h */
    const struct flt_isolation_host *isolation_host;
    flt_vms *vms;
    json_t *keys; /* its config_keys, or NULL */
    char *state_dir;
    struct kit_listing before; /* the group's instances, or the VMs, when we came */
    char *made[KIT_MADE_MAX];  /* those that came since: all are removed again */
    size_t n_made;
    char *made_request;
    int cancel_fd, stdout_fd;
    struct kit_process *process; /* what the process was like before the plugin */

    const char *check; /* that runs now */
    pthread_mutex_t lock;
    char finding[1024], skip[512];
};

/* host.c */
extern const struct flt_host kit_host;
void *kit_alloc(size_t size); /* zeroed, never freed, none of malloc's */
char *kit_copy(const char *text);
struct kit_call *kit_begin(struct kit *kit, const char *verb, struct kit_how how);
/* Ends the call, scribbles over what was lent, judges code and time; returns the code. */
int32_t kit_end(struct kit_call *call, int32_t code);
char *kit_lend(struct kit_call *call, const char *text); /* NULL gives NULL */
flt_call *kit_call_ptr(struct kit_call *call);
/* False when the call is over or on another thread, which is a finding. */
bool kit_host_usable(struct kit_call *call, const char *what);
/* What the hosts of both kinds have. */
void kit_host_log(flt_call *opaque, int32_t level, const char *text);
int32_t kit_host_fail(flt_call *opaque, int32_t code, int64_t retry_after_ms, const char *text);
int64_t kit_host_time_left_ms(flt_call *opaque);
int32_t kit_host_cancelled(flt_call *opaque);
int32_t kit_host_cancel_fd(flt_call *opaque);

/* calls.c: one function a slot. *ret_call is the ended call. */
int32_t kit_open(struct kit *kit, struct kit_how how, const char *plugin_config,
                 struct kit_call **ret_call);
void kit_close(struct kit *kit);
int32_t kit_list(struct kit *kit, struct kit_how how, struct kit_call **ret_call);
void kit_list_once(struct kit *kit); /* a finding unless it returns FLT_OK */
void kit_live(struct kit *kit);      /* the same of open, list and close */
int32_t kit_increase(struct kit *kit, struct kit_how how, uint32_t n, uint32_t *ret_accepted,
                     struct kit_call **ret_call);
int32_t kit_decrease(struct kit *kit, struct kit_how how, char *const *ids, size_t n,
                     struct kit_call **ret_call);
int32_t kit_connect_info(struct kit *kit, struct kit_how how, const char *id,
                         struct kit_call **ret_call);
int32_t kit_heartbeat(struct kit *kit, struct kit_how how, const char *id,
                      struct kit_call **ret_call);
int32_t kit_signals(struct kit *kit, struct kit_how how, struct kit_call **ret_call);
/* For sinks: the record may be looked at; has at least the size that 1.0 has; its id is taken; what the sink returns,
 * for after a record that is wrong there is no use in more. */
bool kit_sink_usable(struct kit_call *call, const void *record);
bool kit_has_size(struct kit_call *call, uint32_t given, uint32_t least);
void kit_take(struct kit_call *call, const char *id, int32_t state);
int32_t kit_wants_more(struct kit_call *call);
const struct kit_instance *kit_find(const struct kit_listing *listing, const char *id);
bool kit_code_known(int32_t code);       /* of the closed set */
const char *kit_code_name(int32_t code); /* "?": not of it */
const char *kit_plugin_config(const struct kit *kit);
struct kit_how kit_changing(const char *request_id);
char *kit_new_request(void);
/* Above that of any check before, which the cloud may remember; below that of any manager. */
int64_t kit_epoch(void);
void kit_fail_result(
    const struct kit_call *call); /* what the call returned is not what it should */

/* watch.c: a thread that raises the cancel at its time and ends the child when a call is overdue. */
int watch_start(struct kit *kit);
void watch_begin(struct kit *kit, const char *verb, int64_t cancel_mono_ms);
void watch_end(struct kit *kit);

/* child.c: findings. The first of a check counts; any thread. */
void kit_fail(struct kit *kit, const char *fmt, ...) PRINTF_LIKE(2, 3);
void kit_skip(struct kit *kit, const char *fmt, ...) PRINTF_LIKE(2, 3);
void kit_note(struct kit *kit, const char *fmt, ...) PRINTF_LIKE(2, 3);
bool kit_failed(struct kit *kit);
void kit_report(struct kit *kit, const char *type, const char *name, const char *text);
_Noreturn void kit_child(const struct check_options *options, int link, const char *state_dir);

/* contract_stop.c: calls that are ended before their end. */
void check_cancel_open(struct kit *kit);
void check_cancel_increase(struct kit *kit);
void check_cancel_decrease(struct kit *kit);
void check_cancel_reading(struct kit *kit);
void check_deadline(struct kit *kit);
void check_sinks_that_stop(struct kit *kit);

/* contract_process.c: a finding when `rounds` of it leave descriptors or memory behind. */
void check_leaks(struct kit *kit, const char *what, int rounds, void (*round)(struct kit *kit));

/* The checks, in their order. After a vital one that failed the rest has no ground. */
struct kit_check {
    const char *name;
    void (*run)(struct kit *kit);
    bool vital;
};
extern const struct kit_check kit_checks_open[];    /* contract_open.c; the last one has no name */
extern const struct kit_check kit_checks_change[];  /* contract_change.c */
extern const struct kit_check kit_checks_process[]; /* contract_process.c */
extern const struct kit_check kit_checks_manners[]; /* the same, of any kind */
struct kit_process *process_remember(void);         /* contract_process.c */
extern const struct kit_check kit_checks_transport[];       /* transports.c */
extern const struct kit_check kit_checks_isolation[];       /* contract_isolation.c */
void kit_check_exports(struct kit *kit, const char *entry); /* contract_open.c */
