/* orders.c - how far the desired capacity has to be raised for so many more instances. Pure; grow.c asks it,
 * orders_file.c keeps it over a restart.
 *
 * SetDesiredCapacity takes an absolute number and gives no name to what it orders. So each order is written down
 * with its target before AWS hears of it, and these rules keep growth from doubling:
 *
 *   - The same order again has the same target. When the group is there already (the answer was lost, or somebody
 *     has raised it meanwhile), nothing is asked for. An order never lowers the desired capacity.
 *   - An instance that is taken out with a decrement lowers the targets of orders without an answer, before AWS
 *     hears of that: what an order found may go, and its repetition must not bring it back.
 *   - What AWS still owes for orders that the host has given up (capacity was short, or there was no answer and
 *     another order comes now) is not ordered again: a new order takes it over. Else each try during a shortage, and
 *     each crash while AWS is slow, would add to what comes when that is over. An answer counts when the host calls
 *     again: one that was killed before it wrote the answer down gives the order up.
 *   - When somebody lowers the desired capacity between an order and its repetition, the target is reached all
 *     the same: the host still wants these instances, and more than the first time they cannot become.
 */

#include "aws.h"

#include <stdio.h>
#include <string.h>

/* So long the host waits for what was accepted (docs/design/scaling.md); then it orders anew. */
#define GIVEN_UP_MS (INT64_C(15) * 60 * 1000)
#define FORGOTTEN_MS (INT64_C(24) * 3600 * 1000)

static int64_t min_of(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

static int64_t max_of(int64_t a, int64_t b)
{
    return a > b ? a : b;
}

static bool is_given_up(const struct aws_order *order, int64_t now_ms)
{
    return now_ms - order->made_ms >= GIVEN_UP_MS;
}

/* How many of the instances that AWS owes nobody waits for any more, when a new order comes: the host repeats an order
 * until it has an answer, or never again. */
static int64_t count_spare(const struct aws_orders *orders, const struct aws_view *view,
                           int64_t now_ms)
{
    int64_t waiting = 0, given_up = 0;

    for (size_t i = 0; i < orders->n; i++) {
        const struct aws_order *order = &orders->items[i];
        bool waited_for = order->answered && !is_given_up(order, now_ms);

        *(waited_for ? &waiting : &given_up) += order->left;
    }
    return max_of(0, min_of(view->desired - view->counted - waiting, given_up));
}

const struct aws_order *orders_find(const struct aws_orders *orders, const char *request_id)
{
    for (size_t i = 0; i < orders->n; i++)
        if (strcmp(orders->items[i].request_id, request_id) == 0)
            return &orders->items[i];
    return NULL;
}

/* The target within the group's maximum; what is above it is not accepted. */
static struct aws_growth within_maximum(const struct aws_view *view, int64_t target, uint32_t n)
{
    int64_t most = max_of(view->max, view->desired);
    int64_t above = max_of(0, target - most);

    return (struct aws_growth) { .target = target - above,
                                 .accepted = (uint32_t) max_of(0, (int64_t) n - above),
                                 .ask = target - above > view->desired };
}

struct aws_growth orders_plan(const struct aws_orders *orders, const struct aws_view *view,
                              const char *request_id, uint32_t n, int64_t now_ms)
{
    const struct aws_order *again = orders_find(orders, request_id);
    int64_t spare;

    if (again && again->answered)
        return (struct aws_growth) { .target = view->desired, .accepted = again->accepted };
    if (again)
        return within_maximum(view, again->target, again->accepted);
    spare = min_of(count_spare(orders, view, now_ms), n);
    return within_maximum(view, view->desired + n - spare, n);
}

static void drop(struct aws_orders *orders, size_t i)
{
    memmove(&orders->items[i], &orders->items[i + 1],
            (orders->n - i - 1) * sizeof(orders->items[0]));
    orders->n--;
}

void orders_forget(struct aws_orders *orders, const char *request_id)
{
    const struct aws_order *order = orders_find(orders, request_id);

    if (order)
        drop(orders, (size_t) (order - orders->items));
}

void orders_begin(struct aws_orders *orders, const char *request_id,
                  const struct aws_growth *growth, int64_t now_ms)
{
    struct aws_order *order;

    if (orders_find(orders, request_id))
        return; /* its target stands */
    while (orders->n > 0 && now_ms - orders->items[0].made_ms >= FORGOTTEN_MS)
        drop(orders, 0);
    if (orders->n == AWS_ORDERS_MAX)
        drop(orders, 0);
    order = &orders->items[orders->n++];
    *order = (struct aws_order) { .target = growth->target,
                                  .accepted = growth->accepted,
                                  .left = growth->accepted,
                                  .made_ms = now_ms };
    (void) snprintf(order->request_id, sizeof(order->request_id), "%s", request_id);
}

bool orders_answered(struct aws_orders *orders, const char *request_id)
{
    const struct aws_order *order = orders_find(orders, request_id);

    if (!order || order->answered)
        return false;
    orders->items[order - orders->items].answered = true;
    return true;
}

static uint32_t fill(struct aws_order *order, uint32_t n)
{
    uint32_t taken = n < order->left ? n : order->left;

    order->left -= taken;
    return n - taken;
}

/* The host counts them for the orders that it waits for, so these come first. */
bool orders_appeared(struct aws_orders *orders, uint32_t n, int64_t now_ms)
{
    uint32_t left = n;

    for (size_t i = 0; left > 0 && i < orders->n; i++)
        if (!is_given_up(&orders->items[i], now_ms))
            left = fill(&orders->items[i], left);
    for (size_t i = 0; left > 0 && i < orders->n; i++)
        left = fill(&orders->items[i], left);
    return left != n;
}

static bool move_targets(struct aws_orders *orders, int64_t by)
{
    bool moved = false;

    for (size_t i = 0; i < orders->n; i++)
        if (!orders->items[i].answered) {
            orders->items[i].target += by;
            moved = true;
        }
    return moved;
}

bool orders_lower(struct aws_orders *orders)
{
    return move_targets(orders, -1);
}

void orders_raise(struct aws_orders *orders)
{
    (void) move_targets(orders, 1);
}
