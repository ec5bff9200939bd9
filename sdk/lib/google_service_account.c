/* sdk/lib/google_service_account.c - a service account's key file (google_sources.h): a statement signed by the key is
 * changed for a token. In a universe that is not Google's own the signed statement is the token.
 */
#include <errno.h>
#include <string.h>

#include "sdk/lib/google_jwt.h"
#include "sdk/lib/google_token.h"
#include "sdk/lib/wipe.h"

#define LIFE_S 3600
#define GRANT "urn:ietf:params:oauth:grant-type:jwt-bearer"

struct account {
    const char *email, *key, *key_id, *token_url, *universe;
};

static int32_t read_account(struct flt_google_ask *ask, const struct flt_google_file *file,
                            struct account *ret)
{
    int32_t code = flt_google_need(ask, file, "client_email", &ret->email);

    if (code == FLT_OK)
        code = flt_google_need(ask, file, "private_key", &ret->key);
    if (code == FLT_OK)
        code = flt_google_may(ask, file, "private_key_id", &ret->key_id);
    if (code == FLT_OK)
        code = flt_google_may(ask, file, "token_uri", &ret->token_url);
    if (code == FLT_OK)
        code = flt_google_universe(ask, file, &ret->universe);
    if (code == FLT_OK && !ret->token_url)
        ret->token_url = FLT_GOOGLE_TOKEN_URL;
    return code;
}

static int32_t sign(struct flt_google_ask *ask, const struct flt_google_file *file,
                    const struct flt_google_jwt *jwt, char **ret)
{
    int r = flt_google_jwt_sign(jwt, ret);

    if (r == -EINVAL)
        return flt_because(ask->why, FLT_E_INVALID,
                           "%.300s: private_key is no RSA key in PEM without a passphrase",
                           file->shown);
    return r == 0 ? FLT_OK : flt_because(ask->why, FLT_E_INTERNAL, "out of memory");
}

/* Of the statement as of `now_s`. The audience is Google's, whatever the way to it. */
static int32_t change(struct flt_google_ask *ask, const struct flt_google_file *file,
                      const struct account *account, const char *scope, int64_t now_s,
                      struct flt_google_token *ret, int64_t *date_s)
{
    const struct flt_google_jwt jwt = { .key = account->key,
                                        .key_id = account->key_id,
                                        .issuer = account->email,
                                        .audience = FLT_GOOGLE_TOKEN_URL,
                                        .scope = scope,
                                        .now_s = now_s,
                                        .life_s = LIFE_S };
    struct flt_google_form form;
    FLT_WIPED char *signed_text = NULL;
    int32_t code = sign(ask, file, &jwt, &signed_text);

    if (code != FLT_OK)
        return code;
    flt_google_form_open(&form, ask, file, account->token_url);
    flt_google_form_add_secret(&form, "assertion", signed_text);
    flt_google_form_add(&form, "grant_type", GRANT);
    return flt_google_form_send(&form, ret, date_s);
}

/* A statement by a clock that is wrong is refused; the answer says what time it is. */
static int32_t change_in_time(struct flt_google_ask *ask, const struct flt_google_file *file,
                              const struct account *account, const char *scope,
                              struct flt_google_token *ret)
{
    int64_t now_s = flt_clock_s(ask->settings->now_s, ask->settings->arg), date_s = 0;
    int32_t code = change(ask, file, account, scope, now_s, ret, &date_s);

    if (code != FLT_OK && date_s != 0)
        code = change(ask, file, account, scope, date_s, ret, NULL);
    return code;
}

static int32_t sign_alone(struct flt_google_ask *ask, const struct flt_google_file *file,
                          const struct account *account, const char *scope,
                          struct flt_google_token *ret)
{
    const struct flt_google_jwt jwt = { .key = account->key,
                                        .key_id = account->key_id,
                                        .issuer = account->email,
                                        .subject = account->email,
                                        .scope = scope,
                                        .now_s =
                                            flt_clock_s(ask->settings->now_s, ask->settings->arg),
                                        .life_s = LIFE_S };
    FLT_WIPED char *signed_text = NULL;
    int32_t code = sign(ask, file, &jwt, &signed_text);

    return code == FLT_OK
               ? flt_google_token_set(ask, file->shown, signed_text, jwt.now_s + LIFE_S, ret)
               : code;
}

int32_t flt_google_service_account(struct flt_google_ask *ask, const struct flt_google_file *file,
                                   const char *scope, struct flt_google_token *ret)
{
    struct account account = { 0 };
    int32_t code = read_account(ask, file, &account);

    if (code == FLT_OK && strcmp(account.universe, FLT_GOOGLE_UNIVERSE) == 0)
        code = change_in_time(ask, file, &account, scope, ret);
    else if (code == FLT_OK)
        code = sign_alone(ask, file, &account, scope, ret);
    return code == FLT_OK
               ? flt_google_token_name(ask, ret, account.email, "service account %s of %s",
                                       account.email, file->shown)
               : code;
}
