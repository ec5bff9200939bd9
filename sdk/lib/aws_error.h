/* sdk/lib/aws_error.h - what an error of AWS says, in each of the forms in which its services write it, and what
 * follows from it. Pure. Used by aws_client.c and whoever calls a service without it.
 */
#ifndef FLOTILLA_LIB_AWS_ERROR_H
#define FLOTILLA_LIB_AWS_ERROR_H

#include "sdk/lib/http.h"
#include "sdk/lib/verdict.h"

#define FLT_AWS_CODE_MAX 128
#define FLT_AWS_MESSAGE_MAX 2048

struct flt_aws_fault {
    long status;
    char code[FLT_AWS_CODE_MAX];       /* "ValidationError"; "" = the answer names none */
    char message[FLT_AWS_MESSAGE_MAX]; /* one line of it, "" = none */
};
/* Of an answer whose status is not 2xx, or that broke off. */
void flt_aws_fault_read(const struct flt_http_answer *answer, struct flt_aws_fault *ret);

struct flt_verdict flt_aws_judge(const struct flt_aws_fault *fault);

#endif
