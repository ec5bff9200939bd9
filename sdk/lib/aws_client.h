/* sdk/lib/aws_client.h - a call to a service of AWS: signed, repeated where that helps, its answer as XML or JSON.
 * Used by plugins/aws.
 *
 * A client belongs to one thread, one region and one account.
 */
#ifndef FLOTILLA_LIB_AWS_CLIENT_H
#define FLOTILLA_LIB_AWS_CLIENT_H

#include "sdk/lib/aws_credentials.h"
#include "sdk/lib/retry.h"

#include <json-c/json.h>
#include <libxml/tree.h>

struct flt_aws_client;

struct flt_aws_client_settings {
    const char *region;
    const char *endpoint; /* NULL = by region and partition; else for every service */
    int dual_stack, fips;
    const char *ca_file; /* NULL = AWS_CA_BUNDLE, else the system's */
    const char *user_agent;
    int64_t attempt_ms;            /* an answer that takes longer is lost; 0 = 20 s */
    int64_t (*now_s)(void *arg);   /* NULL = the wall clock; before the correction of skew */
    uint64_t (*random)(void *arg); /* of the jitter; NULL = the system's */
    /* Pays for the attempt after the `attempt`th, or refuses it; NULL = from a budget of the client's own. */
    int (*may_retry)(void *arg, enum flt_retry_why why, int attempt);
    /* A line about each attempt that failed and is repeated; NULL = nobody asks. */
    void (*log)(void *arg, const char *text);
    /* What somebody has to put right, once: a clock that is wrong; NULL = log is told. */
    void (*warn)(void *arg, const char *text);
    void *arg;
};
/* Borrows the chain; copies `settings` but for functions and arg. NULL without memory. */
struct flt_aws_client *flt_aws_client_new(const struct flt_aws_client_settings *settings,
                                          struct flt_aws_chain *chain);
void flt_aws_client_free(struct flt_aws_client *client);
/* What AWS's clock is ahead of this machine's, as far as its answers have shown; a minute and less is 0. */
int64_t flt_aws_client_skew_ms(const struct flt_aws_client *client);

/* One parameter of the query protocol: "AutoScalingGroupNames.member.1". */
struct flt_aws_param {
    const char *name, *value;
};

struct flt_aws_call {
    const char *service; /* "autoscaling", "ec2", "sts" */
    const char *action;  /* "DescribeInstances" */
    const char *version; /* "2016-11-15" */
    const struct flt_aws_param *params;
    size_t n_params;
    /* Whether a lost answer may be asked for again. Throttling and refused signatures always are: there
     * the service did nothing. */
    int repeatable;
    /* The code of an error that no waiting mends, or that the caller looks into himself; NULL = none. */
    const char *final;
};

/* What a failed call says. */
struct flt_aws_error {
    long status;    /* HTTP; 0 = there was no answer */
    char code[128]; /* "ValidationError" */
    char
        text[1024]; /* a sentence: which call, what the service says, what to do; without secrets */
    int64_t retry_after_ms; /* 0 = no advice */
    int maybe_done;         /* an answer was lost: it may have happened */
};

/* FLT_OK and the document (xmlFreeDoc); else a code: FLT_E_AUTH, FLT_E_THROTTLED, FLT_E_UNAVAILABLE, FLT_E_INVALID (the
 * service's ValidationError...), FLT_E_NOT_FOUND, FLT_E_NOT_READY, FLT_E_QUOTA, FLT_E_TIMEOUT, FLT_E_CANCELLED, FLT_E_INTERNAL. */
int32_t flt_aws_query(struct flt_aws_client *client, const struct flt_aws_call *call,
                      const struct flt_watch *watch, xmlDocPtr *ret, struct flt_aws_error *error);
/* JSON 1.1: `target` is "AWSEC2InstanceConnectService.SendSSHPublicKey". */
int32_t flt_aws_json(struct flt_aws_client *client, const char *service, const char *target,
                     struct json_object *body, int repeatable, const struct flt_watch *watch,
                     struct json_object **ret, struct flt_aws_error *error);

#endif
