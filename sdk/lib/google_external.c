/* sdk/lib/google_external.c - workload and workforce identity federation (google_sources.h): the token of another identity
 * provider is changed for one of Google's, which may then act as a service account. */

#include "sdk/lib/google_impersonate.h"
#include "sdk/lib/google_subject.h"
#include "sdk/lib/google_token.h"
#include "sdk/lib/json.h"
#include "sdk/lib/wipe.h"

#define GRANT "urn:ietf:params:oauth:grant-type:token-exchange"
#define WANTED "urn:ietf:params:oauth:token-type:access_token"

struct account {
    const char *audience, *type, *url, *client, *project;
};

static int32_t read_account(struct flt_google_ask *ask, const struct flt_google_file *file,
                            struct account *ret)
{
    int32_t code = flt_google_need(ask, file, "audience", &ret->audience);

    if (code == FLT_OK)
        code = flt_google_need(ask, file, "subject_token_type", &ret->type);
    if (code == FLT_OK)
        code = flt_google_need(ask, file, "token_url", &ret->url);
    if (code == FLT_OK)
        code = flt_google_may(ask, file, "client_id", &ret->client);
    if (code == FLT_OK)
        code = flt_google_may(ask, file, "workforce_pool_user_project", &ret->project);
    return code;
}

/* A person of a workforce pool belongs to no project, so the file names the one that pays: in JSON, in a form, encoded
 * once more. */
static char *make_options(const char *project)
{
    struct json_object *options = json_object_new_object();
    struct flt_text text;

    (void) json_object_object_add(options, "userProject", json_object_new_string(project));
    flt_text_open(&text);
    flt_text_add_encoded(&text, json_object_to_json_string_ext(options, JSON_C_TO_STRING_PLAIN), 0);
    json_object_put(options);
    return flt_text_take(&text);
}

static int32_t change(struct flt_google_ask *ask, const struct flt_google_file *file,
                      const struct account *account, const char *scope, const char *subject,
                      struct flt_google_token *ret)
{
    char *options = account->project && !account->client ? make_options(account->project) : NULL;
    struct flt_google_form form;

    flt_google_form_open(&form, ask, file, account->url);
    flt_google_form_sign(&form);
    flt_google_form_add(&form, "grant_type", GRANT);
    flt_google_form_add(&form, "audience", account->audience);
    flt_google_form_add(&form, "scope", scope);
    flt_google_form_add(&form, "requested_token_type", WANTED);
    flt_google_form_add_secret(&form, "subject_token", subject);
    flt_google_form_add(&form, "subject_token_type", account->type);
    flt_google_form_add(&form, "options", options);
    free(options);
    return flt_google_form_send(&form, ret, NULL);
}

static int32_t take_own(struct flt_google_ask *ask, const struct flt_google_file *file,
                        const char *scope, struct flt_google_token *ret)
{
    struct account account = { 0 };
    FLT_WIPED char *subject = NULL;
    int32_t code = read_account(ask, file, &account);

    if (code == FLT_OK)
        code = flt_google_subject_token(ask, file, &subject);
    if (code == FLT_OK)
        code = change(ask, file, &account, scope, subject, ret);
    return code == FLT_OK ? flt_google_token_name(ask, ret, NULL, "external account of %s, %s",
                                                  file->shown, account.audience)
                          : code;
}

int32_t flt_google_external_account(struct flt_google_ask *ask, const struct flt_google_file *file,
                                    const char *scope, struct flt_google_token *ret)
{
    struct flt_google_role role = { 0 };
    struct flt_google_token who = { 0 };
    int32_t code;

    if (!flt_json_find(file->json, "service_account_impersonation_url"))
        return take_own(ask, file, scope, ret);
    code = flt_google_role_read(ask, file, scope, &role);
    if (code == FLT_OK)
        code = take_own(ask, file, FLT_GOOGLE_IAM_SCOPE, &who);
    return code == FLT_OK ? flt_google_impersonate(ask, file, &role, &who, ret) : code;
}
