/* gcp.h - what the parts of the Google Cloud provider share: the group, its options, what one look at it shows.
 *
 * Read provider.c first (the slots), then group.c and member.c (one look at the managed instance group), names.c (what
 * the names of instances tell), grow.c and change.c (the changes), connect.c (how an instance is reached).
 *
 * A managed instance group makes machines under names, and makes another one under the same name when it repairs one.
 * So the host's id of an instance is "NAME/NUMBER": its name and the number that Google gives to each machine anew.
 * A member that has no machine yet is not listed: the host's order stands for it. When making it fails, it is listed
 * under its name alone, and the signals say that it is unhealthy, so that the host removes it. FLT_STATE_TIMEOUT would
 * not do: the host takes such an instance for gone, and Google would go on trying, and make it one day.
 *
 * Calls come one at a time; the slot that is running keeps its flt_call in the group.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <flotilla/provider.h>
#include <json-c/json.h>

#include "sdk/lib/google_client.h"
#include "sdk/lib/plugin_options.h"
#include "sdk/lib/signal_list.h"
#include "sdk/lib/state_file.h"

#define GCP_NAME_MAX 63    /* of names in Compute Engine */
#define GCP_PROJECT_MAX 99 /* "example.com:project" */
#define GCP_ID_SIZE 96     /* "NAME/NUMBER" */
#define GCP_PATH_SIZE 512
#define GCP_UUID_SIZE 37

enum gcp_addresses { GCP_ADDRESSES_IPV4, GCP_ADDRESSES_IPV6 };

/* plugin_config and what of connector_config matters here. Texts are those of the parsed configuration; NULL where
 * nothing is said. */
struct gcp_options {
    const char *name, *project, *zone, *region; /* either zone or region */
    const char *credentials_file, *endpoint, *metadata_endpoint;
    bool push_keys, host_keys, take_over;
    unsigned addresses; /* enum gcp_addresses */
    int64_t price_micros_hour, minimum_billed_ms, minimum_life_ms, recycle_ms;

    struct flt_connector connector;
    struct json_object *plugin;
};

struct gcp_member {
    char name[GCP_NAME_MAX + 1],
        zone[GCP_NAME_MAX + 1]; /* of a regional group, the zone may be "" */
    char number[24];            /* of the machine; "" = there is none */
    char id[GCP_ID_SIZE];
    int32_t state;     /* FLT_STATE_* */
    bool listed;       /* the host hears of it */
    bool going;        /* the group removes it already */
    bool recreating;   /* the group makes a machine anew under this name, */
    bool replaced;     /* and it is this one that goes */
    int64_t since_ms;  /* monotonic: seen without a machine for the first time; 0 = it has one */
    int64_t ends_ms;   /* wall clock: when Google ends it; 0 = not known to */
    char trouble[300]; /* why it is of no use, or about to be; "" = it is not */
};

/* One look at the group: its members, in order of their ids. */
struct gcp_view {
    struct gcp_member *members;
    size_t n;
};

/* What credentials may lack without harm: said once, not tried again. */
enum gcp_right {
    GCP_RIGHT_CREATE,    /* compute.instances.create */
    GCP_RIGHT_INSTANCES, /* compute.instances.list */
    GCP_RIGHT_OPERATIONS,
    GCP_RIGHT_HOST_KEYS, /* compute.instances.getGuestAttributes */
    GCP_RIGHT_PROJECT,   /* compute.projects.get */
    GCP_RIGHT_KEYS,      /* compute.instances.setMetadata */
    GCP_RIGHTS
};

/* A change that Google has accepted and is working on. */
struct gcp_operation {
    char name[128];
    char verb[32]; /* "createInstances" */
    uint32_t n;    /* instances that it is about */
};
#define GCP_OPERATIONS_MAX 64

/* The handle of an opened group. */
struct flt_group {
    const struct flt_host *host;
    flt_call *call; /* the running one */
    struct flt_call_watch call_watch;
    struct flt_watch watch;
    struct gcp_options options;
    struct flt_http *http;
    struct flt_google_chain *chain;
    struct flt_google_client *client;
    bool opening;
    char place[GCP_PATH_SIZE / 2]; /* "/compute/v1/projects/P/zones/Z" or ".../regions/R" */
    char base[GCP_NAME_MAX + 1];   /* what the names of its instances begin with */
    bool denied[GCP_RIGHTS];       /* the right is missing */
    struct gcp_view seen;          /* of the last complete look */
    int64_t seen_at_ms;            /* monotonic; 0 = never */
    struct gcp_operation operations[GCP_OPERATIONS_MAX];
    size_t n_operations;
    struct flt_signal_list signals; /* found by the last look of signals.c */
    bool signals_lack;              /* something could not be heard then */
    int64_t signals_at_ms;          /* monotonic; 0 = never */
    struct reaches *reaches;        /* of reach.c: what is remembered of the ways to instances */
};

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

/* options.c */
int32_t options_parse(struct flt_group *g, const char *plugin_config, const char *connector_config);
void options_done(struct gcp_options *options);
int32_t options_describe(flt_key_sink sink, void *arg);

/* ask.c */
/* Why the running call ends as it does; the code. */
#define gcp_fail(g, code, retry_after_ms, ...)                                                     \
    flt_failf((g)->host, (g)->call, code, retry_after_ms, __VA_ARGS__)
#define gcp_log(g, level, ...) flt_logf((g)->host, (g)->call, level, __VA_ARGS__)
struct gcp_ask {
    const char *service; /* NULL = "compute" */
    const char *method;  /* NULL = "GET" */
    const char *path;    /* "/compute/v1/projects/..." */
    const char *shown;   /* for people: "instances.get of ci-1" */
    const struct flt_google_param *params;
    size_t n_params;
    struct json_object *body; /* borrowed; NULL = none */
    bool repeatable;          /* of a POST: it reads, or carries a requestId */
};
/* The answer is the caller's (json_object_put), NULL after a failure. */
int32_t gcp_ask(struct flt_group *g, const struct gcp_ask *ask, struct json_object **ret,
                struct flt_google_error *error);
/* Ends the call with what Google said. */
int32_t gcp_refused(struct flt_group *g, int32_t code, const struct flt_google_error *error);
/* The credentials are good, but this is not allowed. */
bool gcp_is_denied(int32_t code, const struct flt_google_error *error);
/* Notes, the first time, that a right is missing and what does without it. */
void gcp_note_denied(struct flt_group *g, enum gcp_right right,
                     const struct flt_google_error *error);
int32_t gcp_unreadable(struct flt_group *g, const char *error);

/* answer.c - pure */
/* "" when it is not there. */
const char *gcp_text(struct json_object *object, const char *path);
/* "2026-11-26T00:30:00.123-08:00" in milliseconds since 1970; 0 when it is no such time. */
int64_t gcp_time(const char *text);
/* `names` ends with NULL. */
bool gcp_is_one_of(const char *text, const char *const *names);
/* What is behind the last slash of a URL: "ci-1" of ".../instances/ci-1". */
const char *gcp_last_part(const char *url);

/* state.c - pure */
struct gcp_state {
    int32_t state; /* FLT_STATE_* */
    bool going;    /* the group removes it */
};
struct gcp_state state_read(const char *action, const char *status);
/* Stopped, or about to be. */
bool state_has_stopped(const char *status);

/* member.c - pure */
/* Among members in order, as a look leaves them. */
const struct gcp_member *find_member(const struct gcp_view *view, const char *id);
/* `zone_of_group` is NULL for a regional one; `seen` is the look before, `now_ms` monotonic. False when the item is in an
 * unknown form: one that is guessed would be another's, or nobody's. */
bool member_read(struct json_object *item, const char *zone_of_group, const struct gcp_view *seen,
                 int64_t now_ms, struct gcp_member *ret);
/* In order, each once: pages may overlap when the group changes between them. */
void members_settle(struct gcp_view *view);

/* group.c */
/* FLT_E_PARTIAL: the members are right, but not all. Release with gcp_view_done() in any case. */
int32_t group_look(struct flt_group *g, struct gcp_view *view);
void gcp_view_done(struct gcp_view *view);
/* The machine of that id by the last look, or by a new one; FLT_E_NOT_FOUND with a sentence when it is gone. Borrowed
 * until the next look. */
int32_t group_find(struct flt_group *g, const char *id, const struct gcp_member **ret);
/* For what is asked often: a look of the last seconds in g->seen, or a new one. */
bool group_is_fresh(const struct flt_group *g);
int32_t group_refresh(struct flt_group *g);
/* Of a call about the group, as "resize"; "" = it itself. */
void group_path(const struct flt_group *g, const char *verb, char path[GCP_PATH_SIZE],
                char shown[GCP_PATH_SIZE]);
/* The group itself; json_object_put() it. */
int32_t group_get(struct flt_group *g, struct json_object **ret);
/* Of what is kept for the group in the host's state directory, as flt_state_path() has it. */
int32_t group_state_path(struct flt_group *g, const char *ending, char ret[FLT_STATE_PATH_MAX],
                         char *error);
/* Ends the call; says what to look at when there is no such group. */
int32_t group_refused(struct flt_group *g, int32_t code, const struct flt_google_error *error);
/* "/compute/v1/projects/P/zones/Z/instances/NAME" */
void member_path(const struct flt_group *g, const struct gcp_member *member,
                 char ret[GCP_PATH_SIZE]);

/* names.c - pure */
/* What names begin with, of the group's baseInstanceName, or of its own name. */
void names_base(const char *wanted, const char *group, char ret[GCP_NAME_MAX + 1]);
/* Who has ordered an instance. */
#define GCP_MANAGER_SIZE 7
#define GCP_NO_MANAGER "000000" /* a tool, or a host of 1.0 */
struct gcp_orderer {
    int64_t epoch;
    char manager[GCP_MANAGER_SIZE]; /* a short form of the manager's id */
};
/* Of "ID@MACHINE", "" = none. */
void names_manager(const char *manager, char ret[GCP_MANAGER_SIZE]);
/* The name of the `i`th instance of an order. */
void names_make(const char *base, const struct gcp_orderer *by, const char *request_id, uint32_t i,
                char ret[GCP_NAME_MAX + 1]);
/* False when nobody goes by such names. */
bool names_read(const char *base, const char *name, struct gcp_orderer *ret);
/* The order that an instance is of, "EPOCH-MANAGER-ORDER". */
#define GCP_ORDER_SIZE 32
bool names_order(const char *base, const char *name, char ret[GCP_ORDER_SIZE]);
/* The id of the `part`th call (from 0) that one request of the host's takes. */
void names_request(const char *request_id, uint32_t part, char ret[GCP_UUID_SIZE]);

/* epoch.c */
struct gcp_orderer epoch_own(struct flt_group *g);
/* Another manager's group is left alone: FLT_E_STALE. */
int32_t epoch_check_holder(struct flt_group *g, const struct gcp_view *view);
/* A changing call of another manager, or of an older epoch, ends here, with FLT_E_STALE. */
int32_t group_admit(struct flt_group *g, const struct gcp_view *view);

/* change.c */
struct gcp_change {
    const char *verb;         /* "createInstances" */
    struct json_object *body; /* borrowed; NULL = none */
    uint32_t part;            /* of the host's request, from 0 */
    uint32_t n;               /* instances that it is about */
};
/* `size` is resize's; NULL for others. */
int32_t group_change(struct flt_group *g, const struct gcp_change *change, const char *size,
                     struct flt_google_error *error);
int32_t members_delete(struct flt_group *g, const char *const *ids, uint32_t n,
                       flt_id_sink accepted, void *arg);
int32_t members_suspend(struct flt_group *g, const char *const *ids, uint32_t n,
                        flt_id_sink accepted, void *arg);
int32_t members_resume(struct flt_group *g, const char *const *ids, uint32_t n,
                       flt_id_sink accepted, void *arg);

/* owed.c - pure; `orders` is what was known before, and is changed; `own` is the order that is being made */
/* How many of its n instances are to be asked for; the others are on their way, and nobody waits for them. */
uint32_t owed_plan(struct json_object *orders, const char *base, const struct gcp_view *view,
                   const char *own, uint32_t n, int64_t now_ms);
/* Google has heard of so many of them, and the order waits for so many others. */
void owed_settle(struct json_object *orders, const char *base, const struct gcp_view *view,
                 const char *own, uint32_t created, uint32_t taken, int64_t now_ms);

/* owed_file.c */
int32_t owed_load(struct flt_group *g, struct json_object **ret);
int32_t owed_store(struct flt_group *g, struct json_object *orders);

/* grow.c */
int32_t grow(struct flt_group *g, uint32_t n, uint32_t *ret_accepted);

/* operations.c */
/* Of a change that was accepted; it is asked for later, until it is done. */
void operations_follow(struct flt_group *g, struct json_object *operation, const char *verb,
                       uint32_t n);
/* Asks for those that were not done; growth that failed is told. */
int32_t operations_read(struct flt_group *g, struct flt_signal_list *ret);

/* failures.c */
int32_t failures_read(struct flt_group *g, struct flt_signal_list *ret);

/* maintenance.c */
int32_t maintenance_read(struct flt_group *g, struct flt_signal_list *ret);

/* signals.c */
int32_t signals_emit(struct flt_group *g, flt_signal_sink sink, void *arg);

/* checks.c */
/* Of the group as Google has it. */
int32_t checks_at_open(struct flt_group *g, struct json_object *group);

/* connect.c, reach.c; see reach.h */
int32_t connect_emit(struct flt_group *g, const char *id, flt_connect_sink sink, void *arg);
void reaches_free(struct reaches *reaches);
