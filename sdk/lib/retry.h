/* sdk/lib/retry.h - whether and when a failed request is tried once more. Used by the clients of clouds and
 * plugins/aws/budget.c.
 *
 * Pure: of the attempts so far, the clock and a random number that the caller brings. Each repetition is paid
 * from a budget that fills with time, so that a service that fails all the time is not asked several times as
 * often as one that works.
 */
#ifndef FLOTILLA_LIB_RETRY_H
#define FLOTILLA_LIB_RETRY_H

#include <stdint.h>

#define FLT_RETRY_ATTEMPTS 5
#define FLT_RETRY_BUDGET 100

struct flt_retry_budget {
    int64_t tokens;
    int64_t filled_ms; /* when a token was added last; 0 = never yet: it is full */
};

enum flt_retry_why {
    FLT_RETRY_FAILED,    /* costs 5, first after some 0.2 s */
    FLT_RETRY_THROTTLED, /* costs 10, first after about a second */
};

/* Whether the attempt after the `attempt`th (from 1) is made; it is paid then. */
int flt_retry_take(struct flt_retry_budget *budget, enum flt_retry_why why, int attempt,
                   int64_t now_ms);
/* How long to wait for it: doubling, half of it by chance, never less than the server's advice (-1 = none). */
int64_t flt_retry_wait_ms(enum flt_retry_why why, int attempt, int64_t advised_ms, uint64_t random);

#endif
