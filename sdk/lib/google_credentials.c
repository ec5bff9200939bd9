/* sdk/lib/google_credentials.c - the chain of sources (chain.h) of tokens for Google Cloud: who is asked first, and what is
 * kept. */
#include "sdk/lib/google_credentials.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "sdk/lib/chain.h"
#include "sdk/lib/google_sources.h"

#define PATH_BYTES 4096
#define N_SOURCES 4

struct flt_google_chain {
    struct flt_google_settings settings;
    struct flt_copies copies; /* its strings */
    struct flt_chain chain;
    struct flt_google_token token;
};

static const char *const names[N_SOURCES] = { "credentials_file", "GOOGLE_APPLICATION_CREDENTIALS",
                                              "gcloud's default file", "metadata server" };

/* A file that is named is meant. Where it is not there, the name of the setting says where to look. */
static int32_t from_named(struct flt_google_ask *ask, const char *path, const char *setting,
                          struct flt_google_token *ret)
{
    int32_t code = flt_google_from_file(ask, path, ret);
    size_t len = strlen(ask->why);

    if (code != FLT_E_NOT_FOUND)
        return code;
    (void) snprintf(ask->why + len, FLT_ERROR_MAX - len, " (%s names it)", setting);
    return FLT_E_INVALID;
}

static int32_t from_settings(struct flt_google_ask *ask, struct flt_google_token *ret)
{
    const char *path = ask->settings->credentials_file;

    return path ? from_named(ask, path, names[0], ret)
                : flt_because(ask->why, FLT_E_NOT_FOUND, "not set");
}

static int32_t from_environment(struct flt_google_ask *ask, struct flt_google_token *ret)
{
    const char *path = flt_variable(names[1]);

    return path ? from_named(ask, path, names[1], ret)
                : flt_because(ask->why, FLT_E_NOT_FOUND, "not set");
}

static int32_t from_gcloud(struct flt_google_ask *ask, struct flt_google_token *ret)
{
    const char *folder = flt_variable("CLOUDSDK_CONFIG"), *home = flt_variable("HOME");
    char path[PATH_BYTES];

    if (!folder && !home)
        return flt_because(ask->why, FLT_E_NOT_FOUND, "neither CLOUDSDK_CONFIG nor HOME is set");
    if (snprintf(path, sizeof(path), "%s%s/application_default_credentials.json",
                 folder ? folder : home, folder ? "" : "/.config/gcloud") >= PATH_BYTES)
        return flt_because(ask->why, FLT_E_INVALID, "%s is too long",
                           folder ? "CLOUDSDK_CONFIG" : "HOME");
    return flt_google_from_file(ask, path, ret);
}

/* What is the same whoever serves: the variable goes before what a file says. */
static int32_t complete(struct flt_google_ask *ask, struct flt_google_token *ret)
{
    const char *project = flt_variable("GOOGLE_CLOUD_QUOTA_PROJECT");

    if (project) {
        free(ret->quota_project);
        ret->quota_project = strdup(project);
    }
    if (!ret->universe)
        ret->universe = strdup(FLT_GOOGLE_UNIVERSE);
    if (!ret->universe || (project && !ret->quota_project))
        return flt_because(ask->why, FLT_E_INTERNAL, "out of memory");
    if (ret->quota_project && !flt_is_printable(ret->quota_project))
        return flt_because(ask->why, FLT_E_INVALID,
                           "the quota project holds a control byte or a letter beyond ASCII");
    return FLT_OK;
}

/* One search. */
struct asker {
    struct flt_google_chain *chain;
    struct flt_google_ask *ask;
};

static int32_t ask_source(void *arg, size_t i, struct flt_served *ret)
{
    static int32_t (*const sources[N_SOURCES])(struct flt_google_ask *,
                                               struct flt_google_token *) = {
        from_settings, from_environment, from_gcloud, flt_google_from_metadata
    };
    const struct asker *asker = arg;
    struct flt_google_chain *chain = asker->chain;
    struct flt_google_token fresh = { 0 };
    int32_t code = sources[i](asker->ask, &fresh);

    if (code == FLT_OK)
        code = complete(asker->ask, &fresh);
    if (code != FLT_OK) {
        flt_google_token_done(&fresh);
        return code;
    }
    flt_google_token_done(&chain->token);
    chain->token = fresh;
    *ret = (struct flt_served) { .source = fresh.source, .expires_s = fresh.expires_s };
    return FLT_OK;
}

static const struct flt_chain_kind kind = { .nobody = "nobody has a token for Google Cloud",
                                            .at_hand = "the token at hand is",
                                            .sources = names,
                                            .n_sources = N_SOURCES,
                                            .ask = ask_source };

struct flt_google_chain *flt_google_chain_new(const struct flt_google_settings *settings)
{
    struct flt_google_chain *chain = calloc(1, sizeof(*chain));

    if (!chain)
        return NULL;
    chain->settings = *settings;
    chain->chain =
        (struct flt_chain) { .kind = &kind, .trace = settings->trace, .arg = settings->arg };
    if (flt_copies_add(&chain->copies, &chain->settings.credentials_file) &&
        flt_copies_add(&chain->copies, &chain->settings.metadata_endpoint) &&
        flt_copies_add(&chain->copies, &chain->settings.ca_file) &&
        flt_copies_add(&chain->copies, &chain->settings.user_agent))
        return chain;
    flt_google_chain_free(chain);
    return NULL;
}

void flt_google_chain_free(struct flt_google_chain *chain)
{
    if (!chain)
        return;
    flt_google_token_done(&chain->token);
    flt_copies_done(&chain->copies);
    free(chain);
}

void flt_google_chain_forget(struct flt_google_chain *chain)
{
    flt_google_token_done(&chain->token);
    chain->chain.has = 0;
}

int32_t flt_google_chain_token(struct flt_google_chain *chain, struct flt_http *http,
                               const struct flt_watch *watch, const struct flt_google_token **ret,
                               char *error)
{
    struct flt_google_ask ask = { .settings = &chain->settings, .http = http, .watch = watch };
    struct asker asker = { chain, &ask };
    int32_t code = flt_chain_need(&chain->chain, &asker,
                                  flt_clock_s(chain->settings.now_s, chain->settings.arg), ask.why);

    if (code == FLT_OK)
        *ret = &chain->token;
    else
        (void) snprintf(error, FLT_ERROR_MAX, "%s", ask.why);
    return code;
}
