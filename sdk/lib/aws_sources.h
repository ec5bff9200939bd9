/* sdk/lib/aws_sources.h - between aws_credentials.c, which asks in order, and the places where keys for AWS come from:
 * one file each, aws_source_*.c.
 */
#ifndef FLOTILLA_LIB_AWS_SOURCES_H
#define FLOTILLA_LIB_AWS_SOURCES_H

#include "sdk/lib/ask.h"
#include "sdk/lib/aws_credentials.h"

/* One search. */
struct flt_aws_ask {
    const struct flt_aws_settings *settings;
    struct flt_http *http;
    const struct flt_watch *watch;
    char why[FLT_ERROR_MAX]; /* it does not serve, or what is wrong */
};

/* FLT_OK with keys; FLT_E_NOT_FOUND when nobody meant this source to serve; else what ends the search. The last two
 * leave a sentence in ask->why. */
typedef int32_t flt_aws_source(struct flt_aws_ask *ask, struct flt_aws_keys *ret);
flt_aws_source flt_aws_from_environment;  /* AWS_ACCESS_KEY_ID */
flt_aws_source flt_aws_from_web_identity; /* AWS_WEB_IDENTITY_TOKEN_FILE */
flt_aws_source flt_aws_from_profile;      /* the shared files; asks others as these say */
flt_aws_source flt_aws_from_container;    /* AWS_CONTAINER_CREDENTIALS_... */
flt_aws_source flt_aws_from_imds;         /* the instance's role */

/* Copies, without a source; `token` may be NULL. */
int32_t flt_aws_keys_set(struct flt_aws_ask *ask, struct flt_aws_keys *ret, const char *access_key,
                         const char *secret_key, const char *token);
/* The source, as printf() writes it; without memory for it the keys are done. */
int32_t flt_aws_keys_name(struct flt_aws_ask *ask, struct flt_aws_keys *keys, const char *format,
                          ...) __attribute__((format(printf, 3, 4)));

/* The region of settings, environment or profile, with who says so: "" when none of them does. */
struct flt_aws_region {
    char name[64];
    char source[FLT_ERROR_MAX];
};
int32_t flt_aws_region_take(struct flt_aws_ask *ask, const char *region, const char *source,
                            struct flt_aws_region *ret); /* when it has the form of one */
int32_t flt_aws_region_configured(struct flt_aws_ask *ask, struct flt_aws_region *ret);
/* That of the instance this runs on; FLT_E_NOT_FOUND when it is none. */
int32_t flt_aws_region_of_instance(struct flt_aws_ask *ask, struct flt_aws_region *ret);

#endif
