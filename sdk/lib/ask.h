/* sdk/lib/ask.h - what searches for credentials do alike at every cloud: a request that is tried again, a moment chosen
 * by chance, a sentence that says why, and whom a secret may be told. Used by the sources of credentials, chain.c,
 * program.c, and the clients of clouds.
 */
#ifndef FLOTILLA_LIB_ASK_H
#define FLOTILLA_LIB_ASK_H

#include "sdk/lib/http.h"

/* Leaves the sentence in `why` (FLT_ERROR_MAX bytes); returns `code`. */
int32_t flt_because(char *why, int32_t code, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* NULL where it is not set, or empty. */
const char *flt_variable(const char *name);
/* What may stand in a header: letters, digits and signs of ASCII, blanks. */
int flt_is_printable(const char *text);
/* A service may repeat what it was sent: `secret` in `text` becomes stars. NULL is fine. */
void flt_blot_out(char *text, const char *secret);
/* Whether a secret may go there: by https, or http to this machine or one of `hosts`. */
int flt_url_is_safe(const char *url, const char *const *hosts, size_t n_hosts);
/* Since 1970; NULL = the wall clock. */
int64_t flt_clock_s(int64_t (*now_s)(void *arg), void *arg);
/* 0 when the system has none. */
uint64_t flt_random(void);
/* 0 to below `limit`, by chance. */
int64_t flt_jitter(int64_t limit);
/* flt_http_do(), tried three times in all where the service is the one that fails (429, 5xx, no answer); what
 * cannot be reached is `fast` given up. */
int32_t flt_fetch(struct flt_http *http, const struct flt_http_request *request,
                  const struct flt_watch *watch, int fast, struct flt_http_answer *ret, char *why);

#endif
