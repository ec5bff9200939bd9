/* sdk/lib/renewal.c - see renewal.h. By chance, so that a fleet does not ask all at once. */
#include "sdk/lib/renewal.h"

#include "sdk/lib/ask.h"

#define EARLY_S 300
#define PAUSE_S 15

int64_t flt_renewal_after_failure_s(int64_t now_s)
{
    return now_s + PAUSE_S + flt_jitter(PAUSE_S);
}

int64_t flt_renewal_s(int64_t now_s, int64_t expires_s)
{
    int64_t left_s = expires_s - now_s, early_s = EARLY_S + flt_jitter(EARLY_S);

    if (expires_s == 0)
        return INT64_MAX;
    if (left_s <= 0)
        return flt_renewal_after_failure_s(now_s);
    return expires_s - (early_s < left_s / 4 ? early_s : left_s / 4);
}
