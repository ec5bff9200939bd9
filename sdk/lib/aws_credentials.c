/* sdk/lib/aws_credentials.c - the chain of sources (chain.h) of keys for AWS: who is asked first, and what is kept. */
#include "sdk/lib/aws_credentials.h"

#include <stdio.h>
#include <stdlib.h>

#include "sdk/lib/aws_sources.h"
#include "sdk/lib/chain.h"

#define N_SOURCES 5

static const char *const names[N_SOURCES] = { "environment", "web identity", "profile", "container",
                                              "instance metadata" };
static const struct {
    flt_aws_source *ask;
    int of_environment; /* passed over where the settings name a profile */
} sources[N_SOURCES] = {
    { flt_aws_from_environment, 1 }, { flt_aws_from_web_identity, 1 }, { flt_aws_from_profile, 0 },
    { flt_aws_from_container, 0 },   { flt_aws_from_imds, 0 },
};

struct flt_aws_chain {
    struct flt_aws_settings settings;
    struct flt_copies copies; /* its strings */
    struct flt_chain chain;
    struct flt_aws_keys keys;
    struct flt_aws_region region;
};

/* One search. */
struct asker {
    struct flt_aws_chain *chain;
    struct flt_aws_ask *ask;
};

static int32_t ask_source(void *arg, size_t i, struct flt_served *ret)
{
    const struct asker *asker = arg;
    struct flt_aws_chain *chain = asker->chain;
    struct flt_aws_keys fresh = { 0 };
    int32_t code;

    if (sources[i].of_environment && chain->settings.profile)
        return flt_because(asker->ask->why, FLT_E_NOT_FOUND,
                           "not asked, because the settings name a profile");
    code = sources[i].ask(asker->ask, &fresh);
    if (code != FLT_OK)
        return code;
    flt_aws_keys_done(&chain->keys);
    chain->keys = fresh;
    *ret = (struct flt_served) { .source = fresh.source, .expires_s = fresh.expires_s };
    return FLT_OK;
}

static const struct flt_chain_kind kind = { .nobody = "nobody has keys for AWS",
                                            .at_hand = "the keys at hand are",
                                            .sources = names,
                                            .n_sources = N_SOURCES,
                                            .ask = ask_source };

static int keep_texts(struct flt_copies *copies, struct flt_aws_settings *settings)
{
    const char **const texts[] = { &settings->profile,          &settings->config_file,
                                   &settings->credentials_file, &settings->region,
                                   &settings->sts_endpoint,     &settings->imds_endpoint,
                                   &settings->user_agent };

    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
        if (!flt_copies_add(copies, texts[i]))
            return 0;
    return 1;
}

struct flt_aws_chain *flt_aws_chain_new(const struct flt_aws_settings *settings)
{
    struct flt_aws_chain *chain = calloc(1, sizeof(*chain));

    if (!chain)
        return NULL;
    chain->settings = *settings;
    chain->chain =
        (struct flt_chain) { .kind = &kind, .trace = settings->trace, .arg = settings->arg };
    if (keep_texts(&chain->copies, &chain->settings))
        return chain;
    flt_aws_chain_free(chain);
    return NULL;
}

void flt_aws_chain_free(struct flt_aws_chain *chain)
{
    if (!chain)
        return;
    flt_aws_keys_done(&chain->keys);
    flt_copies_done(&chain->copies);
    free(chain);
}

void flt_aws_chain_forget(struct flt_aws_chain *chain)
{
    flt_aws_keys_done(&chain->keys);
    chain->chain.has = 0;
}

int32_t flt_aws_chain_keys(struct flt_aws_chain *chain, struct flt_http *http,
                           const struct flt_watch *watch, const struct flt_aws_keys **ret,
                           char *error)
{
    struct flt_aws_ask ask = { .settings = &chain->settings, .http = http, .watch = watch };
    struct asker asker = { chain, &ask };
    int32_t code = flt_chain_need(&chain->chain, &asker,
                                  flt_clock_s(chain->settings.now_s, chain->settings.arg), ask.why);

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
