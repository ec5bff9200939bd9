/* sdk/lib/retry.c - see retry.h. */
#include "sdk/lib/retry.h"

#define WAIT_MAX_MS 20000
#define FILL_MS 1000 /* a token each */

static const struct {
    int64_t cost, first_ms;
} kinds[] = {
    [FLT_RETRY_FAILED] = { 5, 200 },
    [FLT_RETRY_THROTTLED] = { 10, 1000 },
};

static void fill(struct flt_retry_budget *budget, int64_t now_ms)
{
    int64_t more;

    if (budget->filled_ms == 0) {
        *budget = (struct flt_retry_budget) { FLT_RETRY_BUDGET, now_ms };
        return;
    }
    more = (now_ms - budget->filled_ms) / FILL_MS;
    if (more <= 0)
        return;
    budget->filled_ms += more * FILL_MS;
    budget->tokens =
        more < FLT_RETRY_BUDGET - budget->tokens ? budget->tokens + more : FLT_RETRY_BUDGET;
}

int flt_retry_take(struct flt_retry_budget *budget, enum flt_retry_why why, int attempt,
                   int64_t now_ms)
{
    fill(budget, now_ms);
    if (attempt >= FLT_RETRY_ATTEMPTS || budget->tokens < kinds[why].cost)
        return 0;
    budget->tokens -= kinds[why].cost;
    return 1;
}

int64_t flt_retry_wait_ms(enum flt_retry_why why, int attempt, int64_t advised_ms, uint64_t random)
{
    int64_t span = kinds[why].first_ms, wait;

    for (int i = 1; i < attempt && span < WAIT_MAX_MS; i++)
        span *= 2;
    if (span > WAIT_MAX_MS)
        span = WAIT_MAX_MS;
    wait = span / 2 + (int64_t) (random % (uint64_t) (span / 2 + 1));
    return wait > advised_ms ? wait : advised_ms;
}
