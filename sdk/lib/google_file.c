/* sdk/lib/google_file.c - a file of credentials for Google Cloud (google_sources.h): read, and given to its kind. */
#include <stdio.h>
#include <string.h>

#include "sdk/lib/file.h"
#include "sdk/lib/google_token.h"
#include "sdk/lib/json.h"
#include "sdk/lib/wipe.h"

#define FILE_MAX ((size_t) 256 * 1024)

int32_t flt_google_by_type(struct flt_google_ask *ask, const struct flt_google_file *file,
                           const char *scope, struct flt_google_token *ret)
{
    static const struct {
        const char *type;
        flt_google_kind *take;
    } kinds[] = {
        { "service_account", flt_google_service_account },
        { "authorized_user", flt_google_authorized_user },
        { "external_account", flt_google_external_account },
        { "external_account_authorized_user", flt_google_external_user },
        { "impersonated_service_account", flt_google_impersonated },
    };
    const char *type;
    int32_t code;

    if (flt_json_find(file->json, "installed") || flt_json_find(file->json, "web"))
        return flt_because(ask->why, FLT_E_INVALID,
                           "%.300s: it is an OAuth client, and no credentials: make a service "
                           "account's key, or sign in with gcloud",
                           file->shown);
    code = flt_google_need(ask, file, "type", &type);
    if (code != FLT_OK)
        return code;
    for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
        if (strcmp(type, kinds[i].type) == 0)
            return kinds[i].take(ask, file, scope, ret);
    return flt_because(ask->why, FLT_E_INVALID,
                       "%.300s: its type is '%.64s', which is none of service_account, "
                       "authorized_user, external_account, external_account_authorized_user and "
                       "impersonated_service_account",
                       file->shown, type);
}

static int32_t keep(struct flt_google_ask *ask, const char *text, char **ret)
{
    *ret = text ? strdup(text) : NULL;
    return *ret || !text ? FLT_OK : flt_because(ask->why, FLT_E_INTERNAL, "out of memory");
}

/* What the file says besides who asks. */
static int32_t add_places(struct flt_google_ask *ask, const struct flt_google_file *file,
                          struct flt_google_token *ret)
{
    const char *universe = NULL, *project = NULL;
    int32_t code = flt_google_universe(ask, file, &universe);

    if (code == FLT_OK)
        code = flt_google_may(ask, file, "quota_project_id", &project);
    if (code == FLT_OK)
        code = keep(ask, universe, &ret->universe);
    return code == FLT_OK ? keep(ask, project, &ret->quota_project) : code;
}

static int32_t take(struct flt_google_ask *ask, const struct flt_google_file *file,
                    struct flt_google_token *ret)
{
    int32_t code;

    if (!json_object_is_type(file->json, json_type_object))
        return flt_because(ask->why, FLT_E_INVALID, "%.300s: it is no object of JSON", file->shown);
    code = flt_google_by_type(ask, file, FLT_GOOGLE_SCOPE, ret);
    if (code == FLT_OK)
        code = add_places(ask, file, ret);
    if (code != FLT_OK)
        flt_google_token_done(ret);
    return code;
}

/* Whoever may write it decides where secrets are sent; whoever may read it has them. */
static int32_t check_access(struct flt_google_ask *ask, const char *path)
{
    const struct flt_google_settings *settings = ask->settings;
    char warning[FLT_ERROR_MAX];
    int is_readable;
    int32_t code = flt_file_check_private(path, &is_readable, ask->why);

    if (code == FLT_OK && is_readable && settings->trace) {
        (void) snprintf(warning, sizeof(warning), "%.400s can be read by others: chmod go-r it",
                        path);
        settings->trace(settings->arg, warning);
    }
    return code;
}

int32_t flt_google_from_file(struct flt_google_ask *ask, const char *path,
                             struct flt_google_token *ret)
{
    struct flt_google_file file = { .shown = path };
    FLT_WIPED char *text = NULL;
    char why[FLT_ERROR_MAX];
    int32_t code = check_access(ask, path);

    if (code == FLT_OK)
        code = flt_file_read(path, FILE_MAX, &text, ask->why);
    if (code != FLT_OK)
        return code;
    if (flt_json_parse(text, strlen(text), &file.json, why) < 0)
        return flt_because(ask->why, FLT_E_INVALID, "%.300s: %.180s", path, why);
    code = take(ask, &file, ret);
    flt_google_json_done(file.json);
    return code;
}
