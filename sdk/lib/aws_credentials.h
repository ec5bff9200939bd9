/* sdk/lib/aws_credentials.h - where the keys for AWS come from, in the order of its own SDKs: environment, web identity,
 * shared files (keys, roles, web identity, credential_process, SSO), container, instance metadata; and the region.
 * Used by plugins/aws; by whoever signs for S3.
 */
#ifndef FLOTILLA_LIB_AWS_CREDENTIALS_H
#define FLOTILLA_LIB_AWS_CREDENTIALS_H

#include "sdk/lib/http.h"

struct flt_aws_keys {
    char *access_key, *secret_key;
    char *session_token; /* NULL = none */
    int64_t expires_s;   /* since 1970; 0 = never */
    char *source;        /* for people: "profile 'ci' of /home/user/.aws/credentials" */
};
void flt_aws_keys_done(struct flt_aws_keys *keys); /* wiped */

struct flt_aws_settings {
    /* NULL = AWS_PROFILE, AWS_DEFAULT_PROFILE, else "default". One that is set is meant: then the environment has no say. */
    const char *profile;
    const char *config_file;      /* NULL = AWS_CONFIG_FILE, else ~/.aws/config */
    const char *credentials_file; /* NULL = AWS_SHARED_CREDENTIALS_FILE, else ~/.aws/credentials */
    const char *region;           /* NULL = looked for */
    const char *sts_endpoint;     /* NULL = AWS's own, by region */
    int dual_stack, fips;         /* which of AWS's own endpoints */
    const char *imds_endpoint;    /* NULL = the environment's, else http://169.254.169.254 */
    int imds_v1;                  /* 1 = version 1 may be asked where version 2 is not there */
    const char *user_agent;
    /* Runs `credential_process`; NULL = refused with a sentence. As flt_host.run. */
    int32_t (*run)(void *arg, const char *const *argv, flt_output_sink sink, void *sink_arg);
    /* A line for each source that was looked at and why it did or did not serve; NULL = nobody asks. */
    void (*trace)(void *arg, const char *text);
    void *arg;                   /* of both */
    int64_t (*now_s)(void *arg); /* NULL = the wall clock */
};

struct flt_aws_chain; /* keeps what it found and renews it early */

/* `settings` and what it points to are copied, but for functions and arg. */
struct flt_aws_chain *flt_aws_chain_new(const struct flt_aws_settings *settings);
void flt_aws_chain_free(struct flt_aws_chain *chain);

/* Borrowed until the next call on the chain. FLT_E_AUTH when nobody has any, FLT_E_INVALID when a file or variable
 * is wrong, FLT_E_UNAVAILABLE... with a sentence of at most FLT_ERROR_MAX bytes in `error`. Keys that still hold
 * are given when renewing them fails. */
int32_t flt_aws_chain_keys(struct flt_aws_chain *chain, struct flt_http *http,
                           const struct flt_watch *watch, const struct flt_aws_keys **ret,
                           char *error);
/* The cloud has refused them: the next call asks the source anew. */
void flt_aws_chain_forget(struct flt_aws_chain *chain);
/* The region and who said so ("AWS_REGION", "plugin_config"...); both borrowed from the chain. */
int32_t flt_aws_chain_region(struct flt_aws_chain *chain, struct flt_http *http,
                             const struct flt_watch *watch, const char **ret_region,
                             const char **ret_source, char *error);

#endif
