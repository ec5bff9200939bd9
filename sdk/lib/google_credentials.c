/* sdk/lib/google_credentials.c - the chain of sources: who is asked first, what is kept, when it is renewed. The source
 * that served once is the only one that renews, or another identity would go on with the work.
 */
#include "sdk/lib/google_credentials.h"

#include <stdio.h>

#include "sdk/lib/google_sources.h"
#include "sdk/lib/renewal.h"
#include "sdk/lib/wipe.h"

#define PATH_BYTES 4096

static int32_t from_settings(struct flt_google_ask *ask, struct flt_google_token *ret);
static int32_t from_environment(struct flt_google_ask *ask, struct flt_google_token *ret);
static int32_t from_gcloud(struct flt_google_ask *ask, struct flt_google_token *ret);

static const struct source {
    const char *name;
    int32_t (*ask)(struct flt_google_ask *ask, struct flt_google_token *ret);
} sources[] = {
    { "credentials_file", from_settings },
    { "GOOGLE_APPLICATION_CREDENTIALS", from_environment },
    { "gcloud's default file", from_gcloud },
    { "metadata server", flt_google_from_metadata },
};
#define N_SOURCES (sizeof(sources) / sizeof(sources[0]))

struct flt_google_chain {
    struct flt_google_settings settings;
    char *texts[4]; /* its strings */
    size_t n_texts;
    const struct source *winner; /* NULL = none yet */
    struct flt_google_token token;
    int64_t renew_s; /* 0 = now */
};

/* 0 without memory. */
static int keep(struct flt_google_chain *chain, const char **text)
{
    if (!*text)
        return 1;
    chain->texts[chain->n_texts] = strdup(*text);
    *text = chain->texts[chain->n_texts];
    return chain->texts[chain->n_texts++] != NULL;
}

struct flt_google_chain *flt_google_chain_new(const struct flt_google_settings *settings)
{
    struct flt_google_chain *chain = calloc(1, sizeof(*chain));

    if (!chain)
        return NULL;
    chain->settings = *settings;
    if (keep(chain, &chain->settings.credentials_file) &&
        keep(chain, &chain->settings.metadata_endpoint) && keep(chain, &chain->settings.ca_file) &&
        keep(chain, &chain->settings.user_agent))
        return chain;
    flt_google_chain_free(chain);
    return NULL;
}

void flt_google_chain_free(struct flt_google_chain *chain)
{
    if (!chain)
        return;
    flt_google_token_done(&chain->token);
    for (size_t i = 0; i < chain->n_texts; i++)
        free(chain->texts[i]);
    free(chain);
}

void flt_google_chain_forget(struct flt_google_chain *chain)
{
    flt_google_token_done(&chain->token);
}

__attribute__((format(printf, 2, 3))) static void trace(const struct flt_google_chain *chain,
                                                        const char *format, ...)
{
    char text[FLT_ERROR_MAX + 128];
    va_list args;

    if (!chain->settings.trace)
        return;
    va_start(args, format);
    (void) vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    chain->settings.trace(chain->settings.arg, text);
}

/* A file that is named is meant. */
static int32_t from_named(struct flt_google_ask *ask, const char *path,
                          struct flt_google_token *ret)
{
    int32_t code = flt_google_from_file(ask, path, ret);

    return code == FLT_E_NOT_FOUND ? FLT_E_INVALID : code;
}

static int32_t from_settings(struct flt_google_ask *ask, struct flt_google_token *ret)
{
    const char *path = ask->settings->credentials_file;

    return path ? from_named(ask, path, ret) : flt_because(ask->why, FLT_E_NOT_FOUND, "not set");
}

static int32_t from_environment(struct flt_google_ask *ask, struct flt_google_token *ret)
{
    const char *path = flt_variable("GOOGLE_APPLICATION_CREDENTIALS");

    return path ? from_named(ask, path, ret) : flt_because(ask->why, FLT_E_NOT_FOUND, "not set");
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

static int32_t ask_source(struct flt_google_chain *chain, const struct source *source,
                          struct flt_google_ask *ask, struct flt_google_token *ret)
{
    int32_t code = source->ask(ask, ret);

    if (code == FLT_OK)
        code = complete(ask, ret);
    if (code == FLT_OK)
        trace(chain, "%s: serves: %s", source->name, ret->source);
    else
        trace(chain, "%s: %s%s", source->name, code == FLT_E_NOT_FOUND ? "" : "fails: ", ask->why);
    if (code != FLT_OK)
        flt_google_token_done(ret);
    return code;
}

/* Why nobody serves, one after the other. */
struct reasons {
    char text[FLT_ERROR_MAX];
    size_t len;
};

static void add_reason(struct reasons *reasons, const char *name, const char *why)
{
    size_t room = sizeof(reasons->text) - reasons->len;
    int len =
        snprintf(reasons->text + reasons->len, room, "%s%s: %s",
                 reasons->len > 0 ? "; " : "nobody has a token for Google Cloud: ", name, why);

    reasons->len += len < 0 ? 0 : (size_t) len < room ? (size_t) len : room - 1;
}

static int32_t search(struct flt_google_chain *chain, struct flt_google_ask *ask,
                      struct flt_google_token *ret)
{
    struct reasons reasons = { 0 };

    for (size_t i = 0; i < N_SOURCES; i++) {
        int32_t code = ask_source(chain, &sources[i], ask, ret);

        if (code == FLT_OK)
            chain->winner = &sources[i];
        if (code != FLT_E_NOT_FOUND)
            return code;
        add_reason(&reasons, sources[i].name, ask->why);
    }
    return flt_because(ask->why, FLT_E_AUTH, "%s", reasons.text);
}

static int32_t renew(struct flt_google_chain *chain, struct flt_google_ask *ask,
                     struct flt_google_token *ret)
{
    int32_t code = ask_source(chain, chain->winner, ask, ret);

    return code == FLT_E_NOT_FOUND ? FLT_E_AUTH : code;
}

static int still_holds(const struct flt_google_token *token, int64_t now_s)
{
    return token->token && now_s < token->expires_s;
}

static int32_t refresh(struct flt_google_chain *chain, struct flt_google_ask *ask, int64_t now_s)
{
    struct flt_google_token fresh = { 0 };
    int32_t code = chain->winner ? renew(chain, ask, &fresh) : search(chain, ask, &fresh);

    if (code == FLT_OK) {
        flt_google_token_done(&chain->token);
        chain->token = fresh;
        chain->renew_s = flt_renewal_s(now_s, fresh.expires_s);
    } else if (still_holds(&chain->token, now_s)) {
        trace(chain, "%s: the token at hand is good for another %lld s", chain->winner->name,
              (long long) (chain->token.expires_s - now_s));
        chain->renew_s = flt_renewal_after_failure_s(now_s);
        code = FLT_OK;
    }
    return code;
}

int32_t flt_google_chain_token(struct flt_google_chain *chain, struct flt_http *http,
                               const struct flt_watch *watch, const struct flt_google_token **ret,
                               char *error)
{
    struct flt_google_ask ask = { .settings = &chain->settings, .http = http, .watch = watch };
    int64_t now_s = flt_clock_s(chain->settings.now_s, chain->settings.arg);
    int32_t code = FLT_OK;

    if (!chain->token.token || now_s >= chain->renew_s)
        code = refresh(chain, &ask, now_s);
    if (code == FLT_OK)
        *ret = &chain->token;
    else
        (void) snprintf(error, FLT_ERROR_MAX, "%s", ask.why);
    return code;
}
