/* sdk/lib/aws_sign.h - Amazon's Signature Version 4 of a request to any service but S3 (signed_url.h), in its
 * headers or in its URL. Used by aws_client.c; by who makes a URL that another may call.
 *
 * Pure. Functions return 0 or a negative errno: -EINVAL for a URL or key that cannot be.
 */
#ifndef FLOTILLA_LIB_AWS_SIGN_H
#define FLOTILLA_LIB_AWS_SIGN_H

#include "sdk/lib/signed_url.h"

struct flt_aws_signer {
    const char *service, *region;
    const char *access_key, *secret_key, *session_token; /* the last may be NULL */
    int64_t now_s;
};

struct flt_aws_request {
    const char *method;
    const char *url;            /* as it is sent: encoded */
    const char *const *headers; /* "Name: value", to be signed; Host is always */
    size_t n_headers;
    const char *body;
    size_t body_len;
};

/* ret->headers have to be sent beside those of the request; ret->url is its own. */
int flt_aws_sign(const struct flt_aws_signer *signer, const struct flt_aws_request *request,
                 struct flt_signed_url *ret);
/* ret->url may be used for `lifetime_s`, at most a week. */
int flt_aws_presign(const struct flt_aws_signer *signer, const struct flt_aws_request *request,
                    int64_t lifetime_s, struct flt_signed_url *ret);

#endif
