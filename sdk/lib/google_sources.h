/* sdk/lib/google_sources.h - between google_credentials.c, which asks in order, and where tokens for Google Cloud come
 * from: a file of credentials, whose `type` says what is asked for with it, or the metadata server.
 */
#ifndef FLOTILLA_LIB_GOOGLE_SOURCES_H
#define FLOTILLA_LIB_GOOGLE_SOURCES_H

#include <json-c/json.h>

#include "sdk/lib/ask.h"
#include "sdk/lib/google_credentials.h"

#define FLT_GOOGLE_UNIVERSE "googleapis.com"
#define FLT_GOOGLE_TOKEN_URL "https://oauth2.googleapis.com/token"
#define FLT_GOOGLE_IAM_SCOPE "https://www.googleapis.com/auth/iam"

/* One search. */
struct flt_google_ask {
    const struct flt_google_settings *settings;
    struct flt_http *http;
    const struct flt_watch *watch;
    char why[FLT_ERROR_MAX]; /* it does not serve, or what is wrong */
};

/* FLT_OK with a token; FLT_E_NOT_FOUND when nobody meant this source to serve; else what ends the search. The last two
 * leave a sentence in ask->why. */
int32_t flt_google_from_file(struct flt_google_ask *ask, const char *path,
                             struct flt_google_token *ret);
int32_t flt_google_from_metadata(struct flt_google_ask *ask, struct flt_google_token *ret);

/* Credentials in JSON: a file, or a part of one. */
struct flt_google_file {
    const char *shown; /* for people: "/home/user/key.json" */
    struct json_object *json;
};
/* The kinds of them, by `type`. Each leaves token, end and source. */
typedef int32_t flt_google_kind(struct flt_google_ask *ask, const struct flt_google_file *file,
                                const char *scope, struct flt_google_token *ret);
flt_google_kind flt_google_by_type; /* whatever it is */
flt_google_kind flt_google_service_account, flt_google_authorized_user, flt_google_external_account,
    flt_google_external_user, flt_google_impersonated;

#endif
