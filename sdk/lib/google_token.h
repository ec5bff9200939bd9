/* sdk/lib/google_token.h - what the kinds of credentials for Google Cloud (google_sources.h) have in common: members that
 * they need, services that hand out tokens, and the tokens themselves.
 */
#ifndef FLOTILLA_LIB_GOOGLE_TOKEN_H
#define FLOTILLA_LIB_GOOGLE_TOKEN_H

#include "sdk/lib/google_sources.h"

/* A member that has to be a string that is not empty; FLT_E_INVALID. */
int32_t flt_google_need(struct flt_google_ask *ask, const struct flt_google_file *file,
                        const char *path, const char **ret);
/* NULL where there is none. */
int32_t flt_google_may(struct flt_google_ask *ask, const struct flt_google_file *file,
                       const char *path, const char **ret);
/* The universe that the file is for; FLT_GOOGLE_UNIVERSE when it says nothing. */
int32_t flt_google_universe(struct flt_google_ask *ask, const struct flt_google_file *file,
                            const char **ret);
/* FLT_E_INVALID for what is no name of a host. */
int32_t flt_google_check_universe(struct flt_google_ask *ask, const char *shown,
                                  const char *universe);

#define FLT_GOOGLE_SECRETS_MAX 2

/* A form of OAuth on its way. */
struct flt_google_form {
    struct flt_google_ask *ask;
    const struct flt_google_file *file;
    const char *url;
    char *header; /* "Authorization: ..."; NULL = none; wiped */
    struct flt_text body;
    int is_begun;
    const char *secrets[FLT_GOOGLE_SECRETS_MAX];
    size_t n_secrets;
    int32_t code; /* what was wrong with it, told when it is sent */
};
void flt_google_form_open(struct flt_google_form *form, struct flt_google_ask *ask,
                          const struct flt_google_file *file, const char *url);
void flt_google_form_add(struct flt_google_form *form, const char *name, const char *value);
/* The same of what is told to nobody, should the service repeat it; borrowed. Twice at most. */
void flt_google_form_add_secret(struct flt_google_form *form, const char *name, const char *value);
/* client_id and client_secret in the header, as RFC 6749 2.3.1 has them; none where the file has no client_id. */
void flt_google_form_sign(struct flt_google_form *form);
/* Sends and ends it. `date_s` is what the service's clock says when it refuses, 0 = it says nothing, or our clock has
 * nothing to do with it; may be NULL. */
int32_t flt_google_form_send(struct flt_google_form *form, struct flt_google_token *ret,
                             int64_t *date_s);

/* A call to a service that hands out tokens. */
struct flt_google_post {
    const char *shown; /* who asks, for people: the file */
    const char *url;
    const char *type;   /* "application/json" */
    const char *header; /* NULL = none */
    const char *body;
    const char *secrets[FLT_GOOGLE_SECRETS_MAX]; /* in it; NULL = none */
};
/* FLT_OK and the answer, wiped by flt_google_json_done(). */
int32_t flt_google_send(struct flt_google_ask *ask, const struct flt_google_post *post,
                        struct json_object **ret, int64_t *date_s);
/* Wipes each text in it, and gives it back. */
void flt_google_json_done(struct json_object *json);

/* When it ends, of "expires_in" or the like, which some write as a text. -1 when it is no number of seconds. */
int64_t flt_google_read_seconds(struct json_object *answer, const char *path);
int32_t flt_google_token_set(struct flt_google_ask *ask, const char *shown, const char *token,
                             int64_t expires_s, struct flt_google_token *ret);
/* Whose it is, NULL = what is known of that already, and the source, as printf() writes it; without memory for them the
 * token is done. */
int32_t flt_google_token_name(struct flt_google_ask *ask, struct flt_google_token *token,
                              const char *account, const char *format, ...)
    __attribute__((format(printf, 4, 5)));

#endif
