/* sdk/lib/aws_source_env.c - keys in the environment, and the token of a web identity that it names (Kubernetes). */
#include "sdk/lib/aws_sources.h"
#include "sdk/lib/aws_sts.h"

#define ID "AWS_ACCESS_KEY_ID"
#define SECRET "AWS_SECRET_ACCESS_KEY"
#define TOKEN_FILE "AWS_WEB_IDENTITY_TOKEN_FILE"

int32_t flt_aws_from_environment(struct flt_aws_ask *ask, struct flt_aws_keys *ret)
{
    const char *id = flt_variable(ID), *secret = flt_variable(SECRET);
    int32_t code;

    if (!id && !secret)
        return flt_because(ask->why, FLT_E_NOT_FOUND, ID " is not set");
    if (!id || !secret)
        return flt_because(ask->why, FLT_E_INVALID, "%s is set and %s is not", id ? ID : SECRET,
                           id ? SECRET : ID);
    code = flt_aws_keys_set(ask, ret, id, secret, flt_variable("AWS_SESSION_TOKEN"));
    return code == FLT_OK ? flt_aws_keys_name(ask, ret, "the environment's " ID) : code;
}

int32_t flt_aws_from_web_identity(struct flt_aws_ask *ask, struct flt_aws_keys *ret)
{
    const char *token_file = flt_variable(TOKEN_FILE);
    const struct flt_aws_role role = {
        .arn = flt_variable("AWS_ROLE_ARN"),
        .session_name = flt_variable("AWS_ROLE_SESSION_NAME"),
    };
    int32_t code;

    if (!token_file)
        return flt_because(ask->why, FLT_E_NOT_FOUND, TOKEN_FILE " is not set");
    if (!role.arn)
        return flt_because(ask->why, FLT_E_INVALID, TOKEN_FILE " is set and AWS_ROLE_ARN is not");
    code = flt_aws_assume_with_token(ask, &role, token_file, ret);
    return code == FLT_OK
               ? flt_aws_keys_name(ask, ret, "role %s with the token in %s", role.arn, token_file)
               : code;
}
