/* sdk/lib/google_error.h - what an error of Google Cloud says, in each of the forms in which its services write it (the
 * APIs' `error` with `errors` and `details`, OAuth's `error` and `error_description`), and what follows from it. Pure. Used
 * by google_client.c and the sources of tokens.
 */
#ifndef FLOTILLA_LIB_GOOGLE_ERROR_H
#define FLOTILLA_LIB_GOOGLE_ERROR_H

#include "sdk/lib/http.h"
#include "sdk/lib/verdict.h"

#define FLT_GOOGLE_REASON_MAX 128
#define FLT_GOOGLE_MESSAGE_MAX 2048

struct flt_google_fault {
    long status;
    char reason[FLT_GOOGLE_REASON_MAX];   /* "rateLimitExceeded"; "" = the answer names none */
    char detail[FLT_GOOGLE_REASON_MAX];   /* finer: "ACCESS_TOKEN_SCOPE_INSUFFICIENT"; "" = none */
    char right[FLT_GOOGLE_REASON_MAX];    /* missing: "compute.instances.get"; "" = unknown */
    char message[FLT_GOOGLE_MESSAGE_MAX]; /* one line of it, "" = none */
    int64_t retry_after_ms;               /* -1 = it advises nothing; at most 10 minutes */
};
/* Of an answer whose status is not 2xx, or that broke off. */
void flt_google_fault_read(const struct flt_http_answer *answer, struct flt_google_fault *ret);

struct flt_verdict flt_google_judge(const struct flt_google_fault *fault);

#endif
