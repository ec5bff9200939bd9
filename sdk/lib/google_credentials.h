/* sdk/lib/google_credentials.h - where a token for Google Cloud comes from, in the order of Google's own libraries: a
 * file that is named, GOOGLE_APPLICATION_CREDENTIALS, gcloud's default file, the metadata server.
 * Used by plugins/gcp.
 */
#ifndef FLOTILLA_LIB_GOOGLE_CREDENTIALS_H
#define FLOTILLA_LIB_GOOGLE_CREDENTIALS_H

#include "sdk/lib/http.h"

#define FLT_GOOGLE_SCOPE "https://www.googleapis.com/auth/cloud-platform"

struct flt_google_token {
    char *token;         /* without "Bearer " */
    int64_t expires_s;   /* since 1970 */
    char *quota_project; /* the project that requests are counted for; NULL = the one they go to */
    char *universe;      /* "googleapis.com" */
    char *account;       /* whose it is, an e-mail; NULL = the source does not tell */
    char *source;        /* for people: "service account ci@x.example of /home/user/key.json" */
};
void flt_google_token_done(struct flt_google_token *token); /* wiped */

struct flt_google_settings {
    /* NULL = looked for. One that is named is meant: nothing else is tried. */
    const char *credentials_file;
    /* NULL = GCE_METADATA_HOST, else http://metadata.google.internal. */
    const char *metadata_endpoint;
    const char *ca_file; /* NULL = the system's */
    const char *user_agent;
    /* Runs the program of an external account that has one (GOOGLE_EXTERNAL_ACCOUNT_ALLOW_EXECUTABLES=1); NULL =
     * refused with a sentence. As flt_host.run. */
    int32_t (*run)(void *arg, const char *const *argv, flt_output_sink sink, void *sink_arg);
    /* A line for each source that was looked at and why it did or did not serve; NULL = nobody asks. */
    void (*trace)(void *arg, const char *text);
    void *arg;                   /* of both */
    int64_t (*now_s)(void *arg); /* NULL = the wall clock */
};

struct flt_google_chain; /* keeps what it found and renews it early */

/* `settings` and what it points to are copied, but for functions and arg. */
struct flt_google_chain *flt_google_chain_new(const struct flt_google_settings *settings);
void flt_google_chain_free(struct flt_google_chain *chain);

/* Borrowed until the next call on the chain. FLT_E_AUTH when nobody has any or they are refused, FLT_E_INVALID when a
 * file is wrong, FLT_E_UNAVAILABLE... with a sentence of at most FLT_ERROR_MAX bytes in `error`. A token that still
 * holds is given when renewing it fails. */
int32_t flt_google_chain_token(struct flt_google_chain *chain, struct flt_http *http,
                               const struct flt_watch *watch, const struct flt_google_token **ret,
                               char *error);
/* The cloud has refused it: the next call asks the source anew. */
void flt_google_chain_forget(struct flt_google_chain *chain);

#endif
