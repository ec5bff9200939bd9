/* sdk/lib/chain.c - see chain.h. */
#include "sdk/lib/chain.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "sdk/lib/ask.h"
#include "sdk/lib/renewal.h"

int flt_copies_add(struct flt_copies *copies, const char **text)
{
    if (!*text)
        return 1;
    copies->texts[copies->n] = strdup(*text);
    *text = copies->texts[copies->n];
    return copies->texts[copies->n++] != NULL;
}

void flt_copies_done(struct flt_copies *copies)
{
    for (size_t i = 0; i < copies->n; i++)
        free(copies->texts[i]);
    copies->n = 0;
}

__attribute__((format(printf, 2, 3))) static void trace(const struct flt_chain *chain,
                                                        const char *format, ...)
{
    char text[FLT_ERROR_MAX + 128];
    va_list args;

    if (!chain->trace)
        return;
    va_start(args, format);
    (void) vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    flt_text_clean(text, sizeof(text));
    chain->trace(chain->arg, text);
}

static int32_t ask_source(struct flt_chain *chain, void *asker, size_t i, int64_t now_s, char *why)
{
    const char *name = chain->kind->sources[i];
    struct flt_served served = { 0 };
    int32_t code = chain->kind->ask(asker, i, &served);

    if (code != FLT_OK) {
        flt_text_clean(why, FLT_ERROR_MAX); /* files and answers have a part in it */
        trace(chain, "%s: %s%s", name, code == FLT_E_NOT_FOUND ? "" : "fails: ", why);
        return code;
    }
    trace(chain, "%s: serves: %s", name, served.source);
    chain->has = 1;
    chain->winner = i + 1;
    chain->expires_s = served.expires_s;
    chain->renew_s = flt_renewal_s(now_s, served.expires_s);
    return FLT_OK;
}

/* Why nobody serves, one after the other. */
struct reasons {
    char text[FLT_ERROR_MAX];
    size_t len;
};

static void add_reason(struct reasons *reasons, const char *before, const char *name,
                       const char *why)
{
    size_t room = sizeof(reasons->text) - reasons->len;
    int len = snprintf(reasons->text + reasons->len, room, "%s%s%s: %s",
                       reasons->len > 0 ? "" : before, reasons->len > 0 ? "; " : ": ", name, why);

    reasons->len += len < 0 ? 0 : (size_t) len < room ? (size_t) len : room - 1;
}

static int32_t search(struct flt_chain *chain, void *asker, int64_t now_s, char *why)
{
    struct reasons reasons = { 0 };

    for (size_t i = 0; i < chain->kind->n_sources; i++) {
        int32_t code = ask_source(chain, asker, i, now_s, why);

        if (code != FLT_E_NOT_FOUND)
            return code;
        add_reason(&reasons, chain->kind->nobody, chain->kind->sources[i], why);
    }
    return flt_because(why, FLT_E_AUTH, "%s", reasons.text);
}

static int32_t renew(struct flt_chain *chain, void *asker, int64_t now_s, char *why)
{
    int32_t code = ask_source(chain, asker, chain->winner - 1, now_s, why);

    return code == FLT_E_NOT_FOUND ? FLT_E_AUTH : code;
}

int32_t flt_chain_need(struct flt_chain *chain, void *asker, int64_t now_s, char *why)
{
    int32_t code;

    if (chain->has && now_s < chain->renew_s)
        return FLT_OK;
    code = chain->winner > 0 ? renew(chain, asker, now_s, why) : search(chain, asker, now_s, why);
    if (code == FLT_OK || !chain->has || (chain->expires_s != 0 && now_s >= chain->expires_s))
        return code;
    trace(chain, "%s: %s good for another %lld s", chain->kind->sources[chain->winner - 1],
          chain->kind->at_hand, (long long) (chain->expires_s - now_s));
    chain->renew_s = flt_renewal_after_failure_s(now_s);
    return FLT_OK;
}
