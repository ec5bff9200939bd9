/* sdk/lib/aws_keys.h - keys in the JSON in which programs and metadata services hand them out. Used by aws_source_*.c.
 */
#ifndef FLOTILLA_LIB_AWS_KEYS_H
#define FLOTILLA_LIB_AWS_KEYS_H

#include <json-c/json.h>

#include "sdk/lib/aws_sources.h"

/* The paths in json.h's form; the token and the expiry, a time as text or in milliseconds, may be missing. */
struct flt_aws_key_names {
    const char *access_key, *secret_key, *token, *expires;
    int64_t version; /* what "Version" must be; 0 = there is none */
};
/* `who` handed out `text`; FLT_E_UNAVAILABLE when that holds no keys. Sets all but the source. */
int32_t flt_aws_keys_parse(struct flt_aws_ask *ask, const char *who, const char *text, size_t len,
                           const struct flt_aws_key_names *names, struct flt_aws_keys *ret);
/* Zeros in place of a secret, before the document goes. */
void flt_aws_json_wipe(struct json_object *object, const char *path);

#endif
