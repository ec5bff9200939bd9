/* nestingd/claims.c - see claims.h. */
#include "nestingd/claims.h"

#include <stddef.h>

#include "core/base/str.h"

void claims_ask(struct claims *claims, struct claim *claim)
{
    struct claim **at = &claims->first;

    claim->is_held = true;
    for (; *at; at = &(*at)->next)
        if (str_eq((*at)->key, claim->key))
            claim->is_held = false;
    claim->next = NULL;
    *at = claim;
}

void claims_drop(struct claims *claims, struct claim *claim)
{
    struct claim **at = &claims->first;
    bool was_held = claim->is_held;

    while (*at != claim)
        at = &(*at)->next;
    *at = claim->next;
    claim->is_held = false;
    for (struct claim *next = claims->first; was_held && next; next = next->next)
        if (str_eq(next->key, claim->key)) {
            next->is_held = true;
            next->on_held(next);
            return;
        }
}
