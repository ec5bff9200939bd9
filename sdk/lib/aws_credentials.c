/* sdk/lib/aws_credentials.c - the chain of sources: who is asked first, what is kept, when it is renewed. The source
 * that served once is the only one that renews, or another identity would go on with the work.
 */
#include "sdk/lib/aws_credentials.h"

#include <stdio.h>

#include "sdk/lib/aws_sources.h"
#include "sdk/lib/renewal.h"
#include "sdk/lib/wipe.h"

static const struct source {
    const char *name;
    flt_aws_source *ask;
    int of_environment; /* passed over where the settings name a profile */
} sources[] = {
    { "environment", flt_aws_from_environment, 1 },
    { "web identity", flt_aws_from_web_identity, 1 },
    { "profile", flt_aws_from_profile, 0 },
    { "container", flt_aws_from_container, 0 },
    { "instance metadata", flt_aws_from_imds, 0 },
};
#define N_SOURCES (sizeof(sources) / sizeof(sources[0]))

struct flt_aws_chain {
    struct flt_aws_settings settings;
    char *texts[7]; /* its strings */
    size_t n_texts;
    const struct source *winner; /* NULL = none yet */
    struct flt_aws_keys keys;
    int64_t renew_s; /* 0 = now */
    struct flt_aws_region region;
};

/* 0 without memory. */
static int keep(struct flt_aws_chain *chain, const char **text)
{
    if (!*text)
        return 1;
    chain->texts[chain->n_texts] = strdup(*text);
    *text = chain->texts[chain->n_texts];
    return chain->texts[chain->n_texts++] != NULL;
}

struct flt_aws_chain *flt_aws_chain_new(const struct flt_aws_settings *settings)
{
    struct flt_aws_chain *chain = calloc(1, sizeof(*chain));

    if (!chain)
        return NULL;
    chain->settings = *settings;
    if (keep(chain, &chain->settings.profile) && keep(chain, &chain->settings.config_file) &&
        keep(chain, &chain->settings.credentials_file) && keep(chain, &chain->settings.region) &&
        keep(chain, &chain->settings.sts_endpoint) && keep(chain, &chain->settings.imds_endpoint) &&
        keep(chain, &chain->settings.user_agent))
        return chain;
    flt_aws_chain_free(chain);
    return NULL;
}

void flt_aws_chain_free(struct flt_aws_chain *chain)
{
    if (!chain)
        return;
    flt_aws_keys_done(&chain->keys);
    for (size_t i = 0; i < chain->n_texts; i++)
        free(chain->texts[i]);
    free(chain);
}

void flt_aws_chain_forget(struct flt_aws_chain *chain)
{
    flt_aws_keys_done(&chain->keys);
}

__attribute__((format(printf, 2, 3))) static void trace(const struct flt_aws_chain *chain,
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

static int32_t ask_source(struct flt_aws_chain *chain, const struct source *source,
                          struct flt_aws_ask *ask, struct flt_aws_keys *ret)
{
    int32_t code;

    if (source->of_environment && chain->settings.profile)
        code = flt_because(ask->why, FLT_E_NOT_FOUND,
                           "not asked, because the settings name a profile");
    else
        code = source->ask(ask, ret);
    if (code == FLT_OK)
        trace(chain, "%s: serves: %s", source->name, ret->source);
    else
        trace(chain, "%s: %s%s", source->name, code == FLT_E_NOT_FOUND ? "" : "fails: ", ask->why);
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
    int len = snprintf(reasons->text + reasons->len, room, "%s%s: %s",
                       reasons->len > 0 ? "; " : "nobody has keys for AWS: ", name, why);

    reasons->len += len < 0 ? 0 : (size_t) len < room ? (size_t) len : room - 1;
}

static int32_t search(struct flt_aws_chain *chain, struct flt_aws_ask *ask,
                      struct flt_aws_keys *ret)
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

static int32_t renew(struct flt_aws_chain *chain, struct flt_aws_ask *ask, struct flt_aws_keys *ret)
{
    int32_t code = ask_source(chain, chain->winner, ask, ret);

    return code == FLT_E_NOT_FOUND ? FLT_E_AUTH : code;
}

static int still_hold(const struct flt_aws_keys *keys, int64_t now_s)
{
    return keys->access_key && (keys->expires_s == 0 || now_s < keys->expires_s);
}

static int32_t refresh(struct flt_aws_chain *chain, struct flt_aws_ask *ask, int64_t now_s)
{
    struct flt_aws_keys fresh = { 0 };
    int32_t code = chain->winner ? renew(chain, ask, &fresh) : search(chain, ask, &fresh);

    if (code == FLT_OK) {
        flt_aws_keys_done(&chain->keys);
        chain->keys = fresh;
        chain->renew_s = flt_renewal_s(now_s, fresh.expires_s);
    } else if (still_hold(&chain->keys, now_s)) {
        trace(chain, "%s: the keys at hand are good for another %lld s", chain->winner->name,
              (long long) (chain->keys.expires_s - now_s));
        chain->renew_s = flt_renewal_after_failure_s(now_s);
        code = FLT_OK;
    }
    return code;
}

int32_t flt_aws_chain_keys(struct flt_aws_chain *chain, struct flt_http *http,
                           const struct flt_watch *watch, const struct flt_aws_keys **ret,
                           char *error)
{
    struct flt_aws_ask ask = { .settings = &chain->settings, .http = http, .watch = watch };
    int64_t now_s = flt_clock_s(chain->settings.now_s, chain->settings.arg);
    int32_t code = FLT_OK;

    if (!chain->keys.access_key || now_s >= chain->renew_s)
        code = refresh(chain, &ask, now_s);
    if (code == FLT_OK)
        *ret = &chain->keys;
    else
        (void) snprintf(error, FLT_ERROR_MAX, "%s", ask.why);
    return code;
}

static int32_t find_region(struct flt_aws_chain *chain, struct flt_aws_ask *ask)
{
    int32_t code = flt_aws_region_configured(ask, &chain->region);
    char why[FLT_ERROR_MAX];

    if (code != FLT_OK || *chain->region.name)
        return code;
    code = flt_aws_region_of_instance(ask, &chain->region);
    if (code != FLT_E_NOT_FOUND)
        return code;
    (void) snprintf(why, sizeof(why), "%s", ask->why);
    return flt_because(ask->why, FLT_E_INVALID,
                       "no region is set: not in plugin_config, AWS_REGION, AWS_DEFAULT_REGION "
                       "or the profile, and there is no instance metadata: %.300s",
                       why);
}

int32_t flt_aws_chain_region(struct flt_aws_chain *chain, struct flt_http *http,
                             const struct flt_watch *watch, const char **ret_region,
                             const char **ret_source, char *error)
{
    struct flt_aws_ask ask = { .settings = &chain->settings, .http = http, .watch = watch };
    int32_t code = *chain->region.name ? FLT_OK : find_region(chain, &ask);

    if (code == FLT_OK) {
        *ret_region = chain->region.name;
        *ret_source = chain->region.source;
    } else {
        chain->region = (struct flt_aws_region) { 0 };
        (void) snprintf(error, FLT_ERROR_MAX, "%s", ask.why);
    }
    return code;
}
