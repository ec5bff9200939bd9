/* sdk/lib/google_user.c - a person who has signed in (google_sources.h): with 'gcloud auth application-default login', by
 * Google or by the identity provider of a workforce pool. The scopes are those of the sign-in: a request for another is
 * refused. */
#include <string.h>

#include "sdk/lib/google_token.h"

struct user {
    const char *id, *secret, *refresh, *url, *account;
};

static int32_t read_user(struct flt_google_ask *ask, const struct flt_google_file *file,
                         struct user *ret)
{
    const char *universe;
    int32_t code = flt_google_need(ask, file, "client_id", &ret->id);

    if (code == FLT_OK)
        code = flt_google_need(ask, file, "client_secret", &ret->secret);
    if (code == FLT_OK)
        code = flt_google_need(ask, file, "refresh_token", &ret->refresh);
    if (code == FLT_OK)
        code = flt_google_may(ask, file, "token_uri", &ret->url);
    if (code == FLT_OK)
        code = flt_google_may(ask, file, "account", &ret->account);
    if (code == FLT_OK)
        code = flt_google_universe(ask, file, &universe);
    if (code != FLT_OK || strcmp(universe, FLT_GOOGLE_UNIVERSE) == 0)
        return code;
    return flt_because(
        ask->why, FLT_E_INVALID,
        "%.300s: people sign in with Google only in the universe " FLT_GOOGLE_UNIVERSE
        ", use a service account",
        file->shown);
}

int32_t flt_google_authorized_user(struct flt_google_ask *ask, const struct flt_google_file *file,
                                   const char *scope, struct flt_google_token *ret)
{
    struct user user = { 0 };
    struct flt_google_form form;
    int32_t code = read_user(ask, file, &user);

    (void) scope;
    if (code != FLT_OK)
        return code;
    flt_google_form_open(&form, ask, file, user.url ? user.url : FLT_GOOGLE_TOKEN_URL);
    flt_google_form_add(&form, "grant_type", "refresh_token");
    flt_google_form_add(&form, "client_id", user.id);
    flt_google_form_add_secret(&form, "client_secret", user.secret);
    flt_google_form_add_secret(&form, "refresh_token", user.refresh);
    code = flt_google_form_send(&form, ret, NULL);
    if (code != FLT_OK)
        return code;
    return flt_google_token_name(ask, ret, user.account, "user %s of %s",
                                 user.account   ? user.account
                                 : ret->account ? ret->account
                                                : "who signed in",
                                 file->shown);
}

int32_t flt_google_external_user(struct flt_google_ask *ask, const struct flt_google_file *file,
                                 const char *scope, struct flt_google_token *ret)
{
    const char *refresh, *url, *audience;
    struct flt_google_form form;
    int32_t code = flt_google_need(ask, file, "refresh_token", &refresh);

    (void) scope;
    if (code == FLT_OK)
        code = flt_google_need(ask, file, "token_url", &url);
    if (code == FLT_OK)
        code = flt_google_may(ask, file, "audience", &audience);
    if (code != FLT_OK)
        return code;
    flt_google_form_open(&form, ask, file, url);
    flt_google_form_sign(&form);
    flt_google_form_add(&form, "grant_type", "refresh_token");
    flt_google_form_add_secret(&form, "refresh_token", refresh);
    code = flt_google_form_send(&form, ret, NULL);
    return code == FLT_OK
               ? flt_google_token_name(ask, ret, NULL, "user of %s of %s",
                                       audience ? audience : "a workforce pool", file->shown)
               : code;
}
