/* sdk/lib/aws_sts.h - keys of a role, from AWS's token service. Used by the sources of keys.
 */
#ifndef FLOTILLA_LIB_AWS_STS_H
#define FLOTILLA_LIB_AWS_STS_H

#include "sdk/lib/aws_sources.h"

struct flt_aws_role {
    const char *arn;
    const char *session_name; /* NULL = one of ours */
    const char *external_id;  /* NULL = none */
    const char *duration_s;   /* NULL = the service's own, an hour */
};

/* Asks with `source`, or with the token in a file, which is read anew each time. Without a source in `ret`. */
int32_t flt_aws_assume_role(struct flt_aws_ask *ask, const struct flt_aws_role *role,
                            const struct flt_aws_keys *source, struct flt_aws_keys *ret);
int32_t flt_aws_assume_with_token(struct flt_aws_ask *ask, const struct flt_aws_role *role,
                                  const char *token_file, struct flt_aws_keys *ret);

#endif
