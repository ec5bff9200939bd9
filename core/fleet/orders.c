/* core/fleet/orders.c - instances to come: requested (decided) → sent → pending (accepted) →
 * appeared, and how fast they may be requested (autoscaler.md 2.2, 7.3, 10.3). */
#include <inttypes.h>
#include <string.h>

#include "core/base/mem.h"
#include "core/base/str.h"
#include "core/fleet/internal.h"

/* What was spent is back by then, whatever the limits of the configuration. */
#define LONG_AGO_MS INT64_C(1000000000)

uint32_t fleet_requested(const struct fleet *fleet)
{
    return fleet->requested;
}

uint32_t fleet_pending(const struct fleet *fleet)
{
    uint32_t n = 0;

    for (size_t i = 0; i < fleet->n_orders; i++)
        n += fleet->orders[i].count;
    return n;
}

/* The throttle: `burst` at once, `limit` more a second. It keeps what was spent and not what is left,
 * so that it starts full and follows a change of the burst. */

int64_t throttle_limit(const struct fleet_config *config)
{
    return config->throttle_limit == 0 ? FLEET_THROTTLE_LIMIT : config->throttle_limit;
}

int64_t throttle_burst(const struct fleet_config *config)
{
    return config->throttle_burst == 0 ? config->max_instances : config->throttle_burst;
}

static int64_t spent_milli(const struct fleet *fleet, int64_t now_ms)
{
    int64_t passed = MIN(MAX(now_ms - fleet->spent_ms, (int64_t) 0), LONG_AGO_MS);

    return MAX(fleet->spent_milli - passed * throttle_limit(&fleet->config), (int64_t) 0);
}

uint32_t orders_allowed(const struct fleet *fleet, int64_t now_ms, int64_t *ret_next_ms)
{
    const struct fleet_config *config = &fleet->config;
    int64_t left_milli, allowed;

    *ret_next_ms = now_ms;
    if (config->throttle_limit < 0)
        return UINT32_MAX;
    left_milli = throttle_burst(config) * 1000 - spent_milli(fleet, now_ms);
    allowed = MAX(left_milli, (int64_t) 0) / 1000;
    *ret_next_ms +=
        ((allowed + 1) * 1000 - left_milli + throttle_limit(config) - 1) / throttle_limit(config);
    return (uint32_t) allowed;
}

void fleet_request(struct fleet *fleet, uint32_t n, int64_t now_ms)
{
    journal_note(fleet, "request %" PRIu32 " %" PRId64, n, now_ms);
    fleet->requested += n;
    if (fleet->config.throttle_limit < 0)
        return;
    fleet->spent_milli = spent_milli(fleet, now_ms) + (int64_t) n * 1000;
    fleet->spent_ms = now_ms;
}

/* An order that was never made has spent nothing. */
void fleet_cancel_requests(struct fleet *fleet, uint32_t n)
{
    n = MIN(n, fleet->requested - fleet->early);
    if (n > 0)
        journal_note(fleet, "cancel %" PRIu32, n);
    fleet->requested -= n;
    fleet->spent_milli = MAX(fleet->spent_milli - (int64_t) n * 1000, (int64_t) 0);
}

void orders_add(struct fleet *fleet, struct fleet_order order)
{
    struct fleet_order *grown;

    if (order.count == 0)
        return;
    if (fleet->n_orders == fleet->cap_orders) {
        size_t cap = fleet->cap_orders ? fleet->cap_orders * 2 : 8;

        grown = mem_resize(fleet->orders, cap, sizeof(*grown));
        if (!grown)
            return; /* what appears then counts as unexpected, which is taken in as well */
        fleet->orders = grown;
        fleet->cap_orders = cap;
    }
    fleet->orders[fleet->n_orders++] = order;
}

void fleet_on_increase(struct fleet *fleet, int64_t now_ms, uint32_t asked, uint32_t accepted)
{
    uint32_t appeared = MIN(fleet->early, asked), known;

    journal_note(fleet, "increased %" PRId64 " %" PRIu32 " %" PRIu32, now_ms, asked, accepted);
    accepted = MIN(accepted, asked);
    known = MAX(accepted, appeared); /* what is there was made, whatever the answer says */
    fleet->requested -= MIN(known, fleet->requested);
    fleet->unanswered = fleet->early = 0;
    orders_add(fleet, (struct fleet_order) { known - appeared,
                                             now_ms + fleet->config.pending_limit_ms, false });
}

void fleet_on_increase_unanswered(struct fleet *fleet, uint32_t asked)
{
    journal_note(fleet, "unanswered %" PRIu32, asked);
    fleet->unanswered = MIN(asked, fleet->requested);
}

/* First in, first out: ids are not known before they appear (autoscaler.md 2.2). What is certain
 * comes first, so that an order that never reached the cloud is what is left over and expires soon.
 */
static size_t next_order(const struct fleet *fleet)
{
    for (size_t i = 0; i < fleet->n_orders; i++)
        if (!fleet->orders[i].uncertain)
            return i;
    return 0;
}

int64_t orders_oldest_ms(const struct fleet *fleet)
{
    return fleet->n_orders == 0
               ? 0
               : fleet->orders[next_order(fleet)].expires_ms - fleet->config.pending_limit_ms;
}

static bool take(struct fleet *fleet)
{
    size_t i = next_order(fleet);

    if (fleet->n_orders == 0)
        return false;
    if (--fleet->orders[i].count == 0) {
        fleet->n_orders--;
        memmove(&fleet->orders[i], &fleet->orders[i + 1],
                (fleet->n_orders - i) * sizeof(*fleet->orders));
    }
    return true;
}

bool orders_take_or_early(struct fleet *fleet)
{
    if (take(fleet))
        return true;
    if (fleet->early >= fleet->unanswered)
        return false;
    fleet->early++;
    return true;
}

/* As take() did when it appeared. When an order was given up is not known: by the first complete
 * list after its time. In doubt one instance too many is waited for, rather than one ordered. */
static struct fleet_former_order *order_of(const struct fleet *fleet,
                                           struct fleet_former_order *orders, size_t n,
                                           int64_t appeared_ms)
{
    struct fleet_former_order *uncertain = NULL;

    for (size_t i = 0; i < n; i++) {
        struct fleet_former_order *order = &orders[i];

        if (order->count == 0 || order->made_ms >= appeared_ms ||
            order->expires_ms + fleet->config.pending_limit_ms <= appeared_ms)
            continue;
        if (order->answered)
            return order;
        if (!uncertain)
            uncertain = order;
    }
    return uncertain;
}

void fleet_restore_orders(struct fleet *fleet, int64_t now_ms, struct fleet_former_order *orders,
                          size_t n, const int64_t *appeared_ms, size_t n_appeared)
{
    for (size_t i = 0; i < n_appeared; i++) {
        struct fleet_former_order *order = order_of(fleet, orders, n, appeared_ms[i]);

        if (order)
            order->count--;
    }
    for (size_t i = 0; i < n; i++)
        if (orders[i].expires_ms > now_ms)
            orders_add(fleet, (struct fleet_order) { orders[i].count, orders[i].expires_ms,
                                                     !orders[i].answered });
}

bool fleet_has_unanswered(const struct fleet *fleet)
{
    for (size_t i = 0; i < fleet->n_orders; i++)
        if (fleet->orders[i].uncertain)
            return true;
    return false;
}

uint32_t orders_expire(struct fleet *fleet, int64_t now_ms)
{
    uint32_t expired = 0;
    size_t kept = 0;

    for (size_t i = 0; i < fleet->n_orders; i++) {
        if (now_ms >= fleet->orders[i].expires_ms)
            expired += fleet->orders[i].count;
        else
            fleet->orders[kept++] = fleet->orders[i];
    }
    fleet->n_orders = kept;
    return expired;
}
