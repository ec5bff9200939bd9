/* sdk/lib/google_impersonate.c - see google_impersonate.h. */
#include "sdk/lib/google_impersonate.h"

#include <stdio.h>
#include <string.h>

#include "sdk/lib/google_token.h"
#include "sdk/lib/json.h"
#include "sdk/lib/wipe.h"

#define URL_MEMBER "service_account_impersonation_url"
#define LIFE_MEMBER "service_account_impersonation.token_lifetime_seconds"
#define ACTION ":generateAccessToken"
#define EMAIL_SIZE 256
#define LIFE_S 3600
#define LIFE_MIN_S 600
#define LIFE_MAX_S 43200

int32_t flt_google_role_read(struct flt_google_ask *ask, const struct flt_google_file *file,
                             const char *scope, struct flt_google_role *ret)
{
    char why[FLT_ERROR_MAX];
    int32_t code = flt_google_need(ask, file, URL_MEMBER, &ret->url);

    if (code != FLT_OK)
        return code;
    ret->scope = scope;
    ret->life_s = LIFE_S;
    ret->delegates = flt_json_find(file->json, "delegates");
    if (flt_json_opt_i64(file->json, LIFE_MEMBER, LIFE_MIN_S, LIFE_MAX_S, &ret->life_s, why) < 0)
        return flt_because(ask->why, FLT_E_INVALID, "%.300s: %.180s", file->shown, why);
    if (ret->delegates && !json_object_is_type(ret->delegates, json_type_array))
        return flt_because(ask->why, FLT_E_INVALID,
                           "%.300s: delegates must be a list of service accounts", file->shown);
    if (strrchr(ret->url, '/') && strstr(strrchr(ret->url, '/'), ACTION))
        return FLT_OK;
    return flt_because(ask->why, FLT_E_INVALID,
                       "%.300s: " URL_MEMBER " must end with /ACCOUNT" ACTION, file->shown);
}

static struct json_object *make_body(const struct flt_google_role *role)
{
    struct json_object *body = json_object_new_object(), *scopes = json_object_new_array();
    char life[32];

    (void) snprintf(life, sizeof(life), "%llds", (long long) role->life_s);
    (void) json_object_array_add(scopes, json_object_new_string(role->scope));
    if (role->delegates)
        (void) json_object_object_add(body, "delegates", json_object_get(role->delegates));
    (void) json_object_object_add(body, "scope", scopes);
    (void) json_object_object_add(body, "lifetime", json_object_new_string(life));
    return body;
}

static int32_t take_token(struct flt_google_ask *ask, const struct flt_google_role *role,
                          struct json_object *answer, struct flt_google_token *ret)
{
    const char *token = flt_json_text(answer, "accessToken");
    const char *expires = flt_json_text(answer, "expireTime");
    int64_t expires_s;

    if (!token || !expires || flt_utc_parse(expires, &expires_s) < 0)
        return flt_because(ask->why, FLT_E_UNAVAILABLE, "the answer of %.300s has no %s", role->url,
                           token ? "expireTime" : "accessToken");
    return flt_google_token_set(ask, role->url, token, expires_s, ret);
}

static int32_t post(struct flt_google_ask *ask, const struct flt_google_file *file,
                    const struct flt_google_role *role, const char *token,
                    struct flt_google_token *ret)
{
    struct json_object *body = make_body(role), *answer = NULL;
    FLT_WIPED char *header = NULL;
    struct flt_google_post post = { .shown = file->shown,
                                    .url = role->url,
                                    .type = "application/json",
                                    .body = json_object_to_json_string_ext(
                                        body,
                                        JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE) };
    int32_t code;

    if (asprintf(&header, "Authorization: Bearer %s", token) < 0)
        header = NULL;
    post.header = header;
    code = header ? flt_google_send(ask, &post, &answer, NULL)
                  : flt_because(ask->why, FLT_E_INTERNAL, "out of memory");
    if (code == FLT_OK)
        code = take_token(ask, role, answer, ret);
    flt_google_json_done(answer);
    json_object_put(body);
    return code;
}

int32_t flt_google_impersonate(struct flt_google_ask *ask, const struct flt_google_file *file,
                               const struct flt_google_role *role, struct flt_google_token *who,
                               struct flt_google_token *ret)
{
    const char *name = strrchr(role->url, '/') + 1;
    char account[EMAIL_SIZE];
    int32_t code = post(ask, file, role, who->token, ret);

    (void) snprintf(account, sizeof(account), "%.*s", (int) (strstr(name, ACTION) - name), name);
    if (code == FLT_OK)
        code = flt_google_token_name(ask, ret, account, "service account %s, as %s may act as it",
                                     account, who->source);
    flt_google_token_done(who);
    return code;
}

int32_t flt_google_impersonated(struct flt_google_ask *ask, const struct flt_google_file *file,
                                const char *scope, struct flt_google_token *ret)
{
    const struct flt_google_file source = {
        .shown = file->shown,
        .json = flt_json_find(file->json, "source_credentials"),
    };
    struct flt_google_role role = { 0 };
    struct flt_google_token who = { 0 };
    const char *type = flt_json_text(source.json, "type");
    int32_t code = flt_google_role_read(ask, file, scope, &role);

    if (code != FLT_OK)
        return code;
    /* A file can be as deep as JSON may be. */
    if (!type || strcmp(type, "impersonated_service_account") == 0)
        return flt_because(ask->why, FLT_E_INVALID,
                           "%.300s: source_credentials must be credentials of another type",
                           file->shown);
    code = flt_google_by_type(ask, &source, FLT_GOOGLE_IAM_SCOPE, &who);
    return code == FLT_OK ? flt_google_impersonate(ask, file, &role, &who, ret) : code;
}
