/* sdk/lib/aws_source_sso.c - keys of a person who has signed in (IAM Identity Center): `aws sso login` leaves a token
 * in ~/.aws/sso/cache, which is good for keys of the profile's account and role.
 */
#include <openssl/evp.h>
#include <stdio.h>

#include "sdk/lib/aws_endpoint.h"
#include "sdk/lib/aws_keys.h"
#include "sdk/lib/aws_profiles.h"
#include "sdk/lib/json.h"
#include "sdk/lib/wipe.h"

#define CACHE_MAX ((size_t) 64 * 1024)
#define ANSWER_MAX ((size_t) 64 * 1024)
#define TIMEOUT_MS 20000

struct sign_in {
    const char *cached_as; /* what the cache's file is named by */
    const char *region, *account, *role;
};

static int32_t need(struct flt_aws_ask *ask, const char *profile, const char *key,
                    struct flt_aws_setting found, const char **ret)
{
    *ret = found.value;
    return found.value ? FLT_OK
                       : flt_because(ask->why, FLT_E_INVALID, "profile '%.64s' signs in without %s",
                                     profile, key);
}

/* With sso_session the region is that of its own section, and the token is named by the session. */
static int32_t find_session(struct flt_aws_ask *ask, const struct flt_aws_profiles *profiles,
                            const char *profile, struct sign_in *ret)
{
    struct flt_aws_setting session = flt_aws_profile_get(profiles, profile, "sso_session");

    if (!session.value) {
        ret->cached_as = flt_aws_profile_get(profiles, profile, "sso_start_url").value;
        return need(ask, profile, "sso_region",
                    flt_aws_profile_get(profiles, profile, "sso_region"), &ret->region);
    }
    ret->cached_as = session.value;
    if (!flt_ini_find(profiles->config, "sso-session", session.value, NULL))
        return flt_because(ask->why, FLT_E_INVALID,
                           "%.200s:%u: there is no [sso-session %.64s] in %.120s", session.path,
                           session.line, session.value, profiles->config_path);
    return need(ask, profile, "sso_region",
                flt_aws_section_get(profiles->config, "sso-session", session.value, "sso_region"),
                &ret->region);
}

static int32_t find_sign_in(struct flt_aws_ask *ask, const struct flt_aws_profiles *profiles,
                            const char *profile, struct sign_in *ret)
{
    int32_t code = find_session(ask, profiles, profile, ret);

    if (code == FLT_OK)
        code = need(ask, profile, "sso_account_id",
                    flt_aws_profile_get(profiles, profile, "sso_account_id"), &ret->account);
    if (code == FLT_OK)
        code = need(ask, profile, "sso_role_name",
                    flt_aws_profile_get(profiles, profile, "sso_role_name"), &ret->role);
    return code;
}

/* The name is no secret; that the hash is SHA-1 is AWS's choice. */
static char *cache_path(const char *cached_as)
{
    unsigned char hash[EVP_MAX_MD_SIZE];
    char below[128] = ".aws/sso/cache/";
    unsigned len = 0;
    size_t at = strlen(below);

    if (!EVP_Digest(cached_as, strlen(cached_as), hash, &len, EVP_sha1(), NULL))
        return NULL;
    for (unsigned i = 0; i < len; i++, at += 2)
        (void) snprintf(below + at, sizeof(below) - at, "%02x", hash[i]);
    (void) snprintf(below + at, sizeof(below) - at, ".json");
    return flt_aws_home_path(below);
}

static int32_t sign_in_again(struct flt_aws_ask *ask, const char *profile, const char *why)
{
    return flt_because(ask->why, FLT_E_AUTH,
                       "the sign-in of profile '%.64s' %s: run 'aws sso login --profile "
                       "%.64s' as this user",
                       profile, why, profile);
}

static int32_t take_token(struct flt_aws_ask *ask, const char *profile, struct json_object *cached,
                          char **ret_header)
{
    const char *token = flt_json_text(cached, "accessToken"),
               *expires = flt_json_text(cached, "expiresAt");
    int64_t expires_s;

    if (!token || !flt_is_printable(token) || !expires || flt_utc_parse(expires, &expires_s) < 0)
        return sign_in_again(ask, profile, "left something else than a token");
    if (expires_s <= flt_clock_s(ask->settings->now_s, ask->settings->arg))
        return sign_in_again(ask, profile, "has expired");
    if (asprintf(ret_header, "x-amz-sso_bearer_token: %s", token) >= 0)
        return FLT_OK;
    *ret_header = NULL;
    return flt_because(ask->why, FLT_E_INTERNAL, "out of memory");
}

static int32_t read_token(struct flt_aws_ask *ask, const char *profile, const char *cached_as,
                          char **ret_header)
{
    char *path = cache_path(cached_as);
    FLT_WIPED char *text = NULL;
    struct json_object *cached = NULL;
    char error[FLT_ERROR_MAX];
    int32_t code;

    if (!path)
        return flt_because(ask->why, FLT_E_INTERNAL, "no memory or no home directory");
    code = flt_file_read(path, CACHE_MAX, &text, ask->why);
    free(path);
    if (code == FLT_E_NOT_FOUND)
        return sign_in_again(ask, profile, "is not cached");
    if (code != FLT_OK)
        return code;
    if (flt_json_parse(text, strlen(text), &cached, error) < 0)
        return sign_in_again(ask, profile, "left something else than a token");
    code = take_token(ask, profile, cached, ret_header);
    flt_aws_json_wipe(cached, "accessToken");
    json_object_put(cached);
    return code;
}

/* AWS_ENDPOINT_URL_SSO is AWS's own way to another endpoint. */
static int32_t make_url(struct flt_aws_ask *ask, const struct sign_in *sign_in, char **ret)
{
    const struct flt_aws_endpoint endpoint = { .service = "portal.sso",
                                               .region = sign_in->region,
                                               .dual_stack = ask->settings->dual_stack,
                                               .fips = ask->settings->fips };
    const char *other = flt_variable("AWS_ENDPOINT_URL_SSO");
    char base[512];
    struct flt_text url;

    if (!other && flt_aws_endpoint(&endpoint, base, sizeof(base), ask->why) < 0)
        return FLT_E_INVALID;
    flt_text_open(&url);
    flt_text_add(&url, "%s/federation/credentials?role_name=", other ? other : base);
    flt_text_add_encoded(&url, sign_in->role, 0);
    flt_text_add(&url, "&account_id=");
    flt_text_add_encoded(&url, sign_in->account, 0);
    *ret = flt_text_take(&url);
    return *ret ? FLT_OK : flt_because(ask->why, FLT_E_INTERNAL, "out of memory");
}

static int32_t ask_portal(struct flt_aws_ask *ask, const char *profile, const char *url,
                          const char *header, struct flt_aws_keys *ret)
{
    static const struct flt_aws_key_names names = { "roleCredentials.accessKeyId",
                                                    "roleCredentials.secretAccessKey",
                                                    "roleCredentials.sessionToken",
                                                    "roleCredentials.expiration", 0 };
    const struct flt_http_request request = { .method = "GET",
                                              .url = url,
                                              .headers = &header,
                                              .n_headers = 1,
                                              .ca_file = flt_variable("AWS_CA_BUNDLE"),
                                              .timeout_ms = TIMEOUT_MS,
                                              .max_bytes = ANSWER_MAX };
    struct flt_http_answer answer = { 0 };
    int32_t code = flt_fetch(ask->http, &request, ask->watch, 0, &answer, ask->why);

    if (code == FLT_OK && answer.status == 401)
        code = sign_in_again(ask, profile, "is no longer taken");
    else if (code == FLT_OK && answer.status != 200)
        code = flt_because(ask->why, answer.status >= 500 ? FLT_E_UNAVAILABLE : FLT_E_AUTH,
                           "the sign-in of profile '%.64s' gets no keys (status %ld): has it "
                           "this role in this account?",
                           profile, answer.status);
    if (code == FLT_OK)
        code =
            flt_aws_keys_parse(ask, "the sign-in's portal", answer.body, answer.len, &names, ret);
    flt_http_answer_done(&answer);
    return code;
}

int32_t flt_aws_from_sso(struct flt_aws_ask *ask, const struct flt_aws_profiles *profiles,
                         const char *profile, struct flt_aws_keys *ret)
{
    struct sign_in sign_in = { 0 };
    FLT_WIPED char *header = NULL;
    char *url = NULL;
    int32_t code = find_sign_in(ask, profiles, profile, &sign_in);

    if (code == FLT_OK)
        code = make_url(ask, &sign_in, &url);
    if (code == FLT_OK)
        code = read_token(ask, profile, sign_in.cached_as, &header);
    if (code == FLT_OK)
        code = ask_portal(ask, profile, url, header, ret);
    free(url);
    return code == FLT_OK
               ? flt_aws_keys_name(ask, ret, "role %s in account %s by the sign-in of profile '%s'",
                                   sign_in.role, sign_in.account, profile)
               : code;
}
