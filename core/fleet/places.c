/* core/fleet/places.c - places of the cloud that are taken though nobody is there: the host of a Mac is cleaned for
 * hours after its instance went (docs/design/scaling.md, "Places that come back late").
 *
 * Kept is when an instance went, as long as that matters; what a list shows last is the nearest thing to it.
 */
#include <inttypes.h>

#include "core/base/mem.h"
#include "core/base/str.h"
#include "core/fleet/internal.h"

void places_note_gone(struct fleet *fleet, int64_t gone_ms)
{
    int64_t *grown;

    if (fleet->config.recycle_ms == 0)
        return;
    if (fleet->n_gone == fleet->cap_gone) {
        size_t cap = fleet->cap_gone ? fleet->cap_gone * 2 : 8;

        grown = mem_resize(fleet->gone_ms, cap, sizeof(*grown));
        if (!grown)
            return; /* an order that comes too early fails, and is tried again */
        fleet->gone_ms = grown;
        fleet->cap_gone = cap;
    }
    fleet->gone_ms[fleet->n_gone++] = gone_ms;
}

void fleet_restore_gone(struct fleet *fleet, int64_t gone_ms)
{
    journal_note(fleet, "gone %" PRId64, gone_ms);
    places_note_gone(fleet, gone_ms);
}

/* How long until the place is back; 0 = it is. Clocks may jump, and journals be rubbish. */
static int64_t left_ms(const struct fleet *fleet, size_t i, int64_t now_ms)
{
    int64_t passed_ms = now_ms > fleet->gone_ms[i] ? now_ms - fleet->gone_ms[i] : 0;

    return MAX(fleet->config.recycle_ms - passed_ms, (int64_t) 0);
}

void places_forget(struct fleet *fleet, int64_t now_ms)
{
    size_t kept = 0;

    for (size_t i = 0; i < fleet->n_gone; i++)
        if (left_ms(fleet, i, now_ms) > 0)
            fleet->gone_ms[kept++] = fleet->gone_ms[i];
    fleet->n_gone = kept;
}

uint32_t places_taken(const struct fleet *fleet, int64_t now_ms, int64_t *ret_next_ms)
{
    int64_t first_ms = INT64_MAX;
    uint32_t taken = 0;

    for (size_t i = 0; i < fleet->n_gone; i++) {
        int64_t left = left_ms(fleet, i, now_ms);

        if (left == 0)
            continue;
        taken++;
        first_ms = MIN(first_ms, left);
    }
    *ret_next_ms = taken == 0 || now_ms > INT64_MAX - first_ms ? INT64_MAX : now_ms + first_ms;
    return taken;
}
