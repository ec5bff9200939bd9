/* sdk/lib/google_subject.h - the token of another identity provider that is changed for one of Google's: where an external
 * account's `credential_source` says. Used by google_external.c.
 */
#ifndef FLOTILLA_LIB_GOOGLE_SUBJECT_H
#define FLOTILLA_LIB_GOOGLE_SUBJECT_H

#include "sdk/lib/google_sources.h"

/* Each leaves the token, which is wiped by the caller, in *ret. */
typedef int32_t flt_google_subject(struct flt_google_ask *ask, const struct flt_google_file *file,
                                   char **ret);
flt_google_subject flt_google_subject_token; /* by whichever of them the file names */
flt_google_subject flt_google_subject_of_program, flt_google_subject_of_aws;

/* A copy of a text in an answer. FLT_E_AUTH when it is empty. */
int32_t flt_google_subject_set(struct flt_google_ask *ask, const char *shown, const char *token,
                               char **ret);

#endif
