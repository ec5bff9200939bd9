/* aws.h - what the parts of the AWS provider share: the group, its options, what one look at it shows.
 *
 * Read provider.c first (the slots), then group.c (one look at the Auto Scaling group), orders.c (how much
 * capacity to ask for, pure) and grow.c, shrink.c (the two changes), connect.c (how an instance is reached).
 *
 * Calls come one at a time; the slot that is running keeps its flt_call in the group.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <flotilla/provider.h>
#include <openssl/types.h>

#include "sdk/lib/aws_client.h"
#include "sdk/lib/host_key_store.h"
#include "sdk/lib/plugin_options.h"
#include "sdk/lib/signal_list.h"
#include "sdk/lib/state_file.h"

#define AWS_NAME_MAX 255
#define AWS_ID_MAX 64
#define AWS_REQUEST_MAX 64
#define AWS_HOLDER_MAX 160
#define AWS_EPOCH_TAG "flotilla:epoch"

enum aws_addresses { AWS_ADDRESSES_IPV4, AWS_ADDRESSES_IPV6, AWS_ADDRESSES_DNS };

/* plugin_config and what of connector_config matters here. Texts are those of the parsed configuration; NULL where
 * nothing is said. */
struct aws_options {
    const char *name, *profile, *config_file, *credentials_file, *region;
    const char *endpoint, *sts_endpoint, *imds_endpoint;
    bool dual_stack, fips, imds_v1, instance_connect, host_keys, take_over;
    unsigned addresses; /* enum aws_addresses */
    int64_t price_micros_hour;
    int64_t minimum_billed_ms, minimum_life_ms, recycle_ms; /* -1 = as the kind of instance is */

    struct flt_connector connector;
    struct json_object *plugin;
};

/* An order that was made: so many more, by raising the desired capacity to `target`. */
struct aws_order {
    char request_id[AWS_REQUEST_MAX];
    int64_t target;
    uint32_t accepted; /* how many were promised, */
    uint32_t left;     /* and how many of them have not appeared yet */
    int64_t made_ms;   /* monotonic */
    bool answered;     /* and the host knows; false: whether AWS has heard of it may not be known */
};

#define AWS_ORDERS_MAX 64
struct aws_orders {
    struct aws_order items[AWS_ORDERS_MAX]; /* oldest first */
    size_t n;
    int64_t epoch;
};

struct aws_member {
    char id[AWS_ID_MAX], type[32];
    int32_t state; /* FLT_STATE_* */
    bool counts;   /* in the group's desired capacity */
    bool protected;
    const char *trouble; /* static: why it is of no use, which signals.c tells; NULL = it is */
    bool released;       /* flotilla takes it out, or it went before this provider looked */
};

/* One look at the group. */
struct aws_view {
    xmlDocPtr doc;
    xmlNodePtr group; /* part of doc: everything but the members of later pages */
    char arn[512];
    int64_t min, max, desired;
    int64_t counted;             /* members that count */
    int64_t epoch;               /* of the tag; 0 = there is none */
    char holder[AWS_HOLDER_MAX]; /* the manager of the tag, "ID@MACHINE"; "" = none is named */
    struct aws_member *members;  /* in order of their ids */
    size_t n;
};

/* An instance that was asked about (machines.c). Times are monotonic, 0 = never. */
struct aws_machine {
    char id[AWS_ID_MAX];
    xmlDocPtr doc; /* what EC2 says of it: the root is the instance; NULL = it knows none such */
    int64_t described_ms;
    bool reached;       /* how to reach it was told: it boots no more */
    unsigned consoles;  /* how often its console was asked for host keys, */
    int64_t console_ms; /* and when last */
};

/* Why a call of ours ended as it did. */
struct aws_failure {
    int64_t retry_after_ms; /* 0 = no advice */
    char text[1024];
};

/* How long AWS is left alone after a failure. */
struct aws_pause {
    int64_t until_ms, length_ms; /* 0 = none */
    struct aws_failure failure;
};

/* What credentials may lack without harm: said once, not tried again. */
enum aws_right {
    AWS_RIGHT_TAG,
    AWS_RIGHT_PROTECT,
    AWS_RIGHT_ACTIVITIES,
    AWS_RIGHT_POLICIES,
    AWS_RIGHT_STATUS,
    AWS_RIGHT_SPOT,
    AWS_RIGHT_CONSOLE,
    AWS_RIGHT_CONNECT,
    AWS_RIGHT_TEMPLATE,
    AWS_RIGHT_CONFIGURATION,
    AWS_RIGHT_REFRESH,
    AWS_RIGHTS
};

/* The handle of an opened group. */
struct flt_group {
    const struct flt_host *host;
    flt_call *call; /* the running one */
    struct flt_call_watch call_watch;
    struct flt_watch watch;
    struct aws_options options;
    struct flt_http *http;
    struct flt_aws_chain *chain;
    struct flt_aws_client *client;
    char region[64];
    bool opening;
    char file[FLT_STATE_PATH_MAX];
    struct aws_orders orders;
    char answer_sent[AWS_REQUEST_MAX]; /* to this order; the host has it when it calls again */
    bool denied[AWS_RIGHTS];           /* the right is missing */
    struct aws_failure failure;        /* the last one that was told */
    struct aws_pause signals_pause, look_pause, protect_pause, refresh_pause;
    struct flt_retry_budget budget; /* its own, where that of the account cannot be had: */
    int budget_fd;                  /* -1 = none */
    char refresh_told[AWS_ID_MAX];  /* the instance refresh that was warned of */
    struct aws_member *members;     /* of the last complete look */
    size_t n_members;
    int64_t members_at_ms;               /* monotonic; 0 = never */
    struct flt_signal_list signals;      /* found by the last look of signals.c */
    int64_t signals_at_ms;               /* monotonic; 0 = never */
    struct flt_host_key_store host_keys; /* of an empty list: it has none */
    struct aws_machine *machines;
    size_t n_machines;
};

/* How a person changes the group of that name. */
#define AWS_UPDATE_GROUP "aws autoscaling update-auto-scaling-group --auto-scaling-group-name '%s' "

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

/* provider.c */
__attribute__((format(printf, 4, 5))) int32_t aws_fail(struct flt_group *g, int32_t code,
                                                       int64_t retry_after_ms, const char *format,
                                                       ...);
__attribute__((format(printf, 3, 4))) void aws_log(struct flt_group *g, int32_t level,
                                                   const char *format, ...);

/* options.c */
int32_t options_parse(struct flt_group *g, const char *plugin_config, const char *connector_config);
void options_done(struct aws_options *options);
int32_t options_describe(flt_key_sink sink, void *arg);

/* budget.c */
/* In the folder of the file `beside`; -1 = there is none. */
int budget_open(const char *beside, const char *region, const char *arn);
/* Whether an attempt is made once more, which is paid then. */
int budget_take(int fd, struct flt_retry_budget *own, enum flt_retry_why why, int attempt,
                int64_t now_ms);

/* pause.c - pure */
bool pause_lasts(const struct aws_pause *pause, int64_t now_ms);
/* Twice as long as the one before, and never shorter than AWS advises. */
void pause_begin(struct aws_pause *pause, const struct aws_failure *failure, int64_t now_ms);
void pause_end(struct aws_pause *pause);

/* lifecycle.c - pure */
/* Fills in state and counts; false when the instance is none of the fleet's: it waits in the warm pool. */
bool lifecycle_read(const char *state, bool healthy, struct aws_member *member);

/* orders.c - pure */
struct aws_growth {
    int64_t target;    /* the desired capacity to ask for, when `ask` */
    uint32_t accepted; /* of those asked for */
    bool ask;
};
/* What has to be asked for that `n` more come, by the order of that name. */
struct aws_growth orders_plan(const struct aws_orders *orders, const struct aws_view *view,
                              const char *request_id, uint32_t n, int64_t now_ms);
const struct aws_order *orders_find(const struct aws_orders *orders, const char *request_id);
/* Notes that the order is about to be made, with no answer yet; the oldest makes room. */
void orders_begin(struct aws_orders *orders, const char *request_id,
                  const struct aws_growth *growth, int64_t now_ms);
/* The host has heard that it was accepted; true when the order has changed by that. */
bool orders_answered(struct aws_orders *orders, const char *request_id);
void orders_forget(struct aws_orders *orders, const char *request_id);
/* `n` members were not there before; true when an order has changed by that. */
bool orders_appeared(struct aws_orders *orders, uint32_t n, int64_t now_ms);
/* An instance is about to be taken out of the desired capacity; true when an order has changed by that. */
bool orders_lower(struct aws_orders *orders);
void orders_raise(struct aws_orders *orders); /* it was not */

/* orders_file.c */
/* Reads the orders, and the members that were there when they were written. */
int32_t orders_open(struct flt_group *g, const char *arn);
int32_t orders_store(struct flt_group *g);

/* ask.c */
struct aws_ask {
    const char *service, *action;
    const struct flt_aws_param *params;
    size_t n_params;
    bool repeatable;
    const char *final;             /* as flt_aws_call.final */
    const struct flt_watch *watch; /* NULL = as long as the running call lasts */
};
/* A call by all of the array `p`, which may be asked for again when its answer is lost, or may not. */
#define AWS_REPEATABLE(s, a, p)                                                                    \
    {                                                                                              \
        .service = s, .action = a, .params = p, .n_params = COUNT(p), .repeatable = true           \
    }
#define AWS_ONCE(s, a, p)                                                                          \
    {                                                                                              \
        .service = s, .action = a, .params = p, .n_params = COUNT(p)                               \
    }
int32_t aws_ask(struct flt_group *g, const struct aws_ask *ask, xmlDocPtr *ret,
                struct flt_aws_error *error);
/* Ends the call with what AWS said. */
int32_t aws_refused(struct flt_group *g, int32_t code, const struct flt_aws_error *error);
bool aws_is_denied(int32_t code, const struct flt_aws_error *error);
/* Notes, the first time, that a right is missing and what does without it. */
void aws_note_denied(struct flt_group *g, enum aws_right right, const struct flt_aws_error *error);
/* "" when it is not there. */
const char *text_at(xmlNodePtr node, const char *path);

/* group.c */
int compare_members(const void *a, const void *b);
/* Takes the members of a complete look for those that are known. */
void group_note_members(struct flt_group *g, const struct aws_view *view);
/* flotilla takes the member out. */
void group_release(struct flt_group *g, const char *id);
/* FLT_E_PARTIAL: the members are right, but not all. Release with aws_view_done() in any case. */
int32_t group_look(struct flt_group *g, struct aws_view *view);
void aws_view_done(struct aws_view *view);
/* Among members in order, as a look leaves them. */
const struct aws_member *find_member(const struct aws_member *members, size_t n, const char *id);

/* epoch.c */
void epoch_read(xmlNodePtr group, struct aws_view *view);
/* FLT_E_STALE when another manager holds the group, unless it is to be taken over. */
int32_t epoch_check_holder(struct flt_group *g, const struct aws_view *view);
/* So ends a changing call; so does one of an older epoch. A newer one is noted here and at the group. */
int32_t group_admit(struct flt_group *g, const struct aws_view *view);

/* checks.c */
int32_t checks_at_open(struct flt_group *g, const struct aws_view *view);

/* launch.c */
bool launch_is_mac(struct flt_group *g, const struct aws_view *view);

/* grow.c, shrink.c */
int32_t grow(struct flt_group *g, uint32_t n, uint32_t *ret_accepted);
int32_t shrink(struct flt_group *g, const char *const *ids, uint32_t n, flt_id_sink accepted,
               void *arg);

/* protect.c */
/* Members that AWS may take of its own accord are protected, where the rights allow it. */
void protect_members(struct flt_group *g, const struct aws_view *view);

/* signals.c */
int32_t signals_emit(struct flt_group *g, flt_signal_sink sink, void *arg);
/* Asks for all of them once, so that rights that are missing are told when the group is opened. */
int32_t signals_try(struct flt_group *g);

/* refresh.c */
int32_t refresh_look(struct flt_group *g);

/* activities.c */
/* "2026-11-26T08:30:00.000Z", by AWS's clock, in milliseconds since 1970 by that of this machine; 0 when it is no such
 * time. */
int64_t time_here(const struct flt_group *g, const char *text);
int32_t activities_read(struct flt_group *g, struct flt_signal_list *ret);

/* connect.c */
int32_t connect_emit(struct flt_group *g, const char *id, flt_connect_sink sink, void *arg);

/* instance_connect.c */
int32_t instance_connect_push(struct flt_group *g, const char *id, const char *zone,
                              const char *username, const char *public_line,
                              struct flt_aws_error *error);

/* password.c */
/* What GetPasswordData brought, base64, in clear; NULL with a sentence in `error`. To be wiped. */
char *password_decrypt(const char *data, const char *key, char error[256]);
/* While there is none it is asked for again after the pause. */
int32_t password_ask(struct flt_group *g, const char *id, int64_t pause_ms, char **ret);

/* console.c - pure */
/* The lines "type key" that cloud-init printed; an array. */
struct json_object *console_host_keys(const char *console, size_t len);

/* host_keys.c */
/* Borrowed from the group; NULL when AWS has none yet, and an empty array when it will have none. `age_ms`: since the
 * instance was launched. */
int32_t host_keys_ask(struct flt_group *g, struct aws_machine *machine, int64_t age_ms,
                      struct json_object **ret);

/* machines.c */
/* With what EC2 says of it now, or said a moment ago; it lives until the next question. */
int32_t machines_ask(struct flt_group *g, const char *id, struct aws_machine **ret);
void machines_free(struct flt_group *g);
