/* owed.c - instances that were ordered and have no machine yet, and whether the host still waits for them. Pure; grow.c
 * asks it, owed_file.c keeps what it knows over a restart.
 *
 * The host waits for orders that were answered. One whose answer was lost it repeats, or gives up (after a restart), and
 * orders anew under another name, while Google may be slow and is making the first one's machines all the same. What
 * nobody waits for is taken over by the next order: else each crash while Google is slow would add to what comes.
 *
 *   {"mi2k9q01-4f2a1c-3f9a1c07": {"create": 5, "waited": 5, "at_ms": T}}: an order that has asked for 5 instances by
 *   their names, all of which somebody waits for since T: its own answer said so, or a later order has taken them over
 *
 * An order that is repeated asks for the same names, however many it could take over by then.
 */

#include "gcp.h"

#include <string.h>

#include "sdk/lib/json.h"

/* So long the host waits for what was accepted (docs/design/scaling.md); then it orders anew. */
#define GIVEN_UP_MS (INT64_C(15) * 60 * 1000)

static uint32_t number_at(struct json_object *entry, const char *name)
{
    int64_t number = 0;

    (void) flt_json_opt_i64(entry, name, 0, UINT32_MAX, &number, NULL);
    return (uint32_t) number;
}

static void set_number(struct json_object *entry, const char *name, uint32_t number)
{
    (void) json_object_object_add(entry, name, json_object_new_int64(number));
}

/* Order -> how many of its instances have no machine; without `own`, which the host is waiting for just now. */
static struct json_object *count_owed(const char *base, const struct gcp_view *view,
                                      const char *own)
{
    struct json_object *counts = json_object_new_object();
    char order[GCP_ORDER_SIZE];

    for (size_t i = 0; i < view->n; i++) {
        const struct gcp_member *member = &view->members[i];

        if (*member->number || *member->trouble || member->going || member->recreating ||
            !names_order(base, member->name, order) || strcmp(order, own) == 0)
            continue;
        set_number(counts, order, number_at(counts, order) + 1);
    }
    return counts;
}

/* Those that nobody waits for. */
static uint32_t spare_of(struct json_object *orders, const char *order, uint32_t owed)
{
    uint32_t waited = number_at(flt_json_find(orders, order), "waited");

    return owed > waited ? owed - waited : 0;
}

/* What nobody waits for any more. That it has no members in the list says nothing: Google shows them some time after it
 * has accepted. */
static void drop_old(struct json_object *orders, const char *own, int64_t now_ms)
{
    json_object_object_foreach(orders, order, entry)
    {
        int64_t at_ms = 0;

        (void) flt_json_opt_i64(entry, "at_ms", 0, INT64_MAX, &at_ms, NULL);
        if (strcmp(order, own) != 0 &&
            (at_ms > now_ms + GIVEN_UP_MS || at_ms <= now_ms - GIVEN_UP_MS))
            json_object_object_del(orders, order);
    }
}

static struct json_object *entry_of(struct json_object *orders, const char *order, int64_t now_ms)
{
    struct json_object *entry = flt_json_find(orders, order);

    if (!json_object_is_type(entry, json_type_object)) {
        entry = json_object_new_object();
        (void) json_object_object_add(orders, order, entry);
    }
    (void) json_object_object_add(entry, "at_ms", json_object_new_int64(now_ms));
    return entry;
}

static uint32_t min_of(uint32_t a, uint32_t b)
{
    return a < b ? a : b;
}

uint32_t owed_plan(struct json_object *orders, const char *base, const struct gcp_view *view,
                   const char *own, uint32_t n, int64_t now_ms)
{
    struct json_object *counts = count_owed(base, view, own), *entry;
    uint32_t spare = 0;

    drop_old(orders, own, now_ms);
    entry = entry_of(orders, own, now_ms);
    if (!flt_json_find(entry, "create")) {
        json_object_object_foreach(counts, order, owed)
        {
            spare += spare_of(orders, order, (uint32_t) json_object_get_int64(owed));
        }
        set_number(entry, "create", n - min_of(n, spare));
    }
    json_object_put(counts);
    return min_of(n, number_at(entry, "create"));
}

void owed_settle(struct json_object *orders, const char *base, const struct gcp_view *view,
                 const char *own, uint32_t created, uint32_t taken, int64_t now_ms)
{
    struct json_object *counts = count_owed(base, view, own);

    set_number(entry_of(orders, own, now_ms), "waited", created);
    json_object_object_foreach(counts, order, owed)
    {
        uint32_t here =
            min_of(taken, spare_of(orders, order, (uint32_t) json_object_get_int64(owed)));

        if (here == 0)
            continue;
        set_number(entry_of(orders, order, now_ms), "waited",
                   number_at(flt_json_find(orders, order), "waited") + here);
        taken -= here;
    }
    json_object_put(counts);
}
