/* sdk/lib/chain.h - sources of credentials that are asked in order: the first that serves is kept, and renews early; no
 * other does, or another identity would go on with the work. Used by aws_credentials.c and google_credentials.c, which keep
 * the credentials themselves.
 */
#ifndef FLOTILLA_LIB_CHAIN_H
#define FLOTILLA_LIB_CHAIN_H

#include "sdk/lib/text.h"

#include <stddef.h>
#include <stdint.h>

/* What a source gave. */
struct flt_served {
    const char *source; /* for people; borrowed until the next call */
    int64_t expires_s;  /* 0 = never */
};

/* Of one cloud. */
struct flt_chain_kind {
    const char *nobody;  /* "nobody has keys for AWS" */
    const char *at_hand; /* "the keys at hand are" */
    const char *const *sources;
    size_t n_sources;
    /* Asks that source. FLT_OK when it serves: what it gave is kept in place of what was; FLT_E_NOT_FOUND when nobody
     * meant it to serve; else what ends the search. The last two leave a sentence in what flt_chain_need() has as
     * `why`. */
    int32_t (*ask)(void *asker, size_t source, struct flt_served *ret);
};

struct flt_chain {
    const struct flt_chain_kind *kind;
    /* A line for each source that was looked at; NULL = nobody asks. */
    void (*trace)(void *arg, const char *text);
    void *arg;
    size_t winner;     /* from 1; 0 = none yet */
    int has;           /* something is kept */
    int64_t expires_s; /* of it; 0 = never */
    int64_t renew_s;
};

/* FLT_OK when something is kept that may be used; else a code and a sentence in `why` (FLT_ERROR_MAX bytes). */
int32_t flt_chain_need(struct flt_chain *chain, void *asker, int64_t now_s, char *why);

/* Texts that outlive who gave them. */
struct flt_copies {
    char *texts[8];
    size_t n;
};
/* Puts a copy in place of the text, NULL stays. 0 without memory. */
int flt_copies_add(struct flt_copies *copies, const char **text);
void flt_copies_done(struct flt_copies *copies);

#endif
