/* sdk/lib/google_impersonate.h - the token of a service account for somebody who may act as it. Used by
 * google_impersonate.c for files that are of that kind, and by google_external.c.
 */
#ifndef FLOTILLA_LIB_GOOGLE_IMPERSONATE_H
#define FLOTILLA_LIB_GOOGLE_IMPERSONATE_H

#include "sdk/lib/google_sources.h"

struct flt_google_role {
    const char *url;               /* ".../serviceAccounts/EMAIL:generateAccessToken" */
    struct json_object *delegates; /* NULL = none */
    int64_t life_s;
    const char *scope;
};
/* The role that the file's members name. */
int32_t flt_google_role_read(struct flt_google_ask *ask, const struct flt_google_file *file,
                             const char *scope, struct flt_google_role *ret);
/* With the token of who asks, which is done then. */
int32_t flt_google_impersonate(struct flt_google_ask *ask, const struct flt_google_file *file,
                               const struct flt_google_role *role, struct flt_google_token *who,
                               struct flt_google_token *ret);

#endif
