/* core/simulate/account.c - the books of account.h. */
#include "core/simulate/account.h"

#include <math.h>

#include "core/base/str.h"

#define HOUR_MS (INT64_C(3600) * 1000)

void account_init(struct account *account, struct result *result, const struct fleet_config *config)
{
    *account = (struct account) { .result = result, .config = config, .now_ms = result->begin_ms };
}

static int64_t span_end(const struct result *result, size_t i)
{
    int64_t whole = result->end_ms - result->begin_ms;

    return result->begin_ms + (int64_t) ((double) whole * (double) (i + 1) / RESULT_SPANS);
}

static size_t span_at(const struct result *result, int64_t at_ms)
{
    double share =
        (double) (at_ms - result->begin_ms) / (double) (result->end_ms - result->begin_ms);
    size_t i = MIN((size_t) (share * RESULT_SPANS), (size_t) RESULT_SPANS - 1);

    /* Rounding: the span begins at or before the time and ends after it. */
    while (i > 0 && span_end(result, i - 1) > at_ms)
        i--;
    while (i < RESULT_SPANS - 1 && span_end(result, i) <= at_ms)
        i++;
    return i;
}

void account_advance(struct account *account, int64_t now_ms)
{
    struct result *result = account->result;
    int64_t whole = now_ms - account->now_ms;

    if (whole <= 0)
        return;
    for (size_t i = span_at(result, account->now_ms); account->now_ms < now_ms; i++) {
        struct result_span *span = &result->spans[i];
        int64_t until = i < RESULT_SPANS - 1 ? MIN(span_end(result, i), now_ms) : now_ms;
        int64_t ms = until - account->now_ms;

        for (size_t use = 0; use < INSTANCE_USES; use++)
            span->use_ms[use] += account->in_use[use] * ms;
        span->waiting_ms += account->waiting * ms;
        span->paid_ms += account->paid * ms;
        account->now_ms = until;
    }
    for (size_t use = 0; use < INSTANCE_USES; use++)
        result->use_ms[use] += account->in_use[use] * whole;
    result->slots_ms += (int64_t) account->present * account->config->capacity * whole;
    result->busy_slots_ms += account->busy_slots * whole;
}

void account_use(struct account *account, struct machine *machine, enum instance_use use)
{
    if (machine->use == use)
        return;
    if (machine->use != INSTANCE_USES)
        account->in_use[machine->use]--;
    else
        account->present++;
    machine->use = (uint8_t) use;
    if (use != INSTANCE_USES)
        account->in_use[use]++;
    else
        account->present--;
    account->result->peak = MAX(account->result->peak, account->present);
}

/* A price that was mistyped must not turn into a gain. */
static void add_up(int64_t *sum, int64_t n)
{
    if (__builtin_add_overflow(*sum, n, sum))
        *sum = INT64_MAX;
}

void account_stop_paying(struct account *account, const struct machine *machine)
{
    int64_t billed_ms = fleet_billed_ms(account->config, account->now_ms - machine->ordered_ms);

    account->paid--;
    add_up(&account->result->billed_ms, billed_ms);
    add_up(&account->result->cost_micros,
           llround((double) billed_ms * (double) account->config->price_micros_hour / HOUR_MS));
}
