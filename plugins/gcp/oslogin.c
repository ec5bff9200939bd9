/* oslogin.c - the login where instances use OS Login: keys belong to the account whose credentials these are, and hold
 * on every instance that lets it in; keys in metadata mean nothing there. Google names the user.
 *
 * One key serves all instances. The account's room for keys is small, so ours that have ended are removed.
 */

#include "reach.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "sdk/lib/json.h"
#include "sdk/lib/ssh_key.h"
#include "sdk/lib/text.h"

#define REMOVED_MAX 8 /* in one call */

/* "/v1/users/ACCOUNT", and more. */
static char *user_path(const char *account, const char *more, const char *name)
{
    struct flt_text text;

    flt_text_open(&text);
    flt_text_add(&text, "/v1/users/");
    flt_text_add_encoded(&text, account, 0);
    flt_text_add(&text, "%s", more);
    flt_text_add_encoded(&text, name, 0);
    return flt_text_take(&text);
}

static int32_t ask(struct flt_group *g, struct gcp_ask *ask, struct json_object **ret,
                   struct flt_google_error *error)
{
    *error = (struct flt_google_error) { 0 };
    ask->service = "oslogin";
    ask->repeatable = true;
    return gcp_ask(g, ask, ret, error);
}

static int32_t find_account(struct flt_group *g, struct way *way, const char **ret)
{
    const struct flt_google_token *token = NULL;
    char error[FLT_ERROR_MAX];
    int32_t code = flt_google_chain_token(g->chain, g->http, &g->watch, &token, error);

    if (code != FLT_OK)
        return gcp_fail(g, code, 0, "%s", error);
    *ret = token->account;
    if (token->account)
        return FLT_OK;
    return gcp_fail(g, FLT_E_INVALID, 0,
                    "instance %s uses OS Login, and the credentials (%s) do not say whose they "
                    "are: use a service account, or metadata enable-oslogin=FALSE in the "
                    "instance template",
                    way->id, token->source);
}

static void remove_key(struct flt_group *g, const char *account, const char *fingerprint)
{
    char *path = user_path(account, "/sshPublicKeys/", fingerprint);
    struct gcp_ask request = { .method = "DELETE",
                               .path = path,
                               .shown = "users.sshPublicKeys.delete" };
    struct json_object *answer = NULL;
    struct flt_google_error error;

    if (path && ask(g, &request, &answer, &error) != FLT_OK)
        gcp_log(g, FLT_LOG_DEBUG, "a key that has ended stays with the account: %s", error.text);
    json_object_put(answer);
    free(path);
}

static void remove_ended(struct flt_group *g, const char *account, struct json_object *profile)
{
    struct json_object *keys = flt_json_find(profile, "sshPublicKeys");
    size_t left = REMOVED_MAX;

    if (!json_object_is_type(keys, json_type_object))
        return;
    json_object_object_foreach(keys, fingerprint, key)
    {
        if (left == 0 || !oslogin_has_ended(key, (int64_t) time(NULL)))
            continue;
        remove_key(g, account, fingerprint);
        left--;
    }
}

static int32_t refused(struct flt_group *g, int32_t code, const struct flt_google_error *error)
{
    if (!gcp_is_denied(code, error))
        return gcp_refused(g, code, error);
    return gcp_fail(g, code, 0,
                    "%s; instances use OS Login: the account needs the role "
                    "compute.osAdminLogin on them and the OS Login API in its project "
                    "(" FLOTILLA_DOCS
                    "/gcp.md), or the instance template metadata enable-oslogin=FALSE",
                    error->text);
}

/* The profile of the account, which has the key now. */
static int32_t import_key(struct flt_group *g, const char *account, int64_t until_s,
                          struct json_object **ret)
{
    struct flt_google_param params[] = { { "projectId", g->options.project } };
    char *path = user_path(account, ":importSshPublicKey", "");
    struct gcp_ask request = { .method = "POST",
                               .path = path,
                               .shown = "users.importSshPublicKey",
                               .params = params,
                               .n_params = COUNT(params),
                               .body = oslogin_key(g->reaches->account.public_line, until_s) };
    struct flt_google_error error;
    int32_t code = path ? ask(g, &request, ret, &error) : FLT_E_INTERNAL;

    json_object_put(request.body);
    free(path);
    if (!path)
        return gcp_fail(g, code, 0, "out of memory");
    return code == FLT_OK ? FLT_OK : refused(g, code, &error);
}

static int32_t take_user(struct flt_group *g, const char *account, struct json_object *profile)
{
    struct account_login *login = &g->reaches->account;
    const char *user = oslogin_user(profile);

    if (!user || strlen(user) >= sizeof(login->user))
        return gcp_fail(g, FLT_E_INVALID, 0,
                        "OS Login gives %.100s no name on Linux, so nobody can log in", account);
    (void) snprintf(login->user, sizeof(login->user), "%s", user);
    return FLT_OK;
}

static int32_t make_key(struct flt_group *g)
{
    struct account_login *login = &g->reaches->account;
    const char *given = g->options.connector.key;

    if (login->public_line)
        return FLT_OK;
    if (given && (login->public_line = flt_key_public_line(given)))
        return FLT_OK;
    if (given)
        return gcp_fail(g, FLT_E_INVALID, 0,
                        "instances use OS Login, which has to be told the public half of "
                        "connector_config.key_path: only that of an RSA or Ed25519 key can be "
                        "read");
    return flt_key_generate(&login->key, &login->public_line) == 0
               ? FLT_OK
               : gcp_fail(g, FLT_E_INTERNAL, 0, "no key could be made");
}

static int32_t renew(struct flt_group *g, struct way *way)
{
    int64_t until_s = (int64_t) time(NULL) + KEY_LIFE_S;
    struct json_object *answer = NULL, *profile;
    const char *account = NULL;
    int32_t code;

    if ((code = make_key(g)) != FLT_OK || (code = find_account(g, way, &account)) != FLT_OK ||
        (code = import_key(g, account, until_s, &answer)) != FLT_OK)
        return code;
    profile = flt_json_find(answer, "loginProfile");
    code = take_user(g, account, profile);
    if (code == FLT_OK) {
        g->reaches->account.until_s = until_s;
        remove_ended(g, account, profile);
    }
    json_object_put(answer);
    return code;
}

int32_t oslogin_login(struct flt_group *g, struct way *way)
{
    const struct account_login *login = &g->reaches->account;
    int32_t code = FLT_OK;

    if (login->until_s - (int64_t) time(NULL) < KEY_LIFE_S / 2)
        code = renew(g, way);
    way->info.username = *login->user ? login->user : NULL;
    way->info.key = login->key;
    way->info.expires_ms = login->until_s * 1000;
    return code;
}
