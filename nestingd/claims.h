/* nestingd/claims.h - who works on which slot or VM: one at a time, the others wait in the order in which they came. Pure;
 * used by vms.c under its lock.
 */
#pragma once

#include <stdbool.h>

#define CLAIM_KEY_SIZE 32

/* Its memory is the caller's. */
struct claim {
    struct claim *next;
    char key[CLAIM_KEY_SIZE];
    bool is_held;
    void (*on_held)(struct claim *claim); /* within another's call, when it had to wait */
};

struct claims {
    struct claim *first;
};

/* With the key set; look at is_held. */
void claims_ask(struct claims *claims, struct claim *claim);
/* It is held no longer, or not waited for any more. */
void claims_drop(struct claims *claims, struct claim *claim);
