/* nestingd/room.h - what the host has for VMs, and who waits for some of it. Pure; used by vms.c under its lock.
 *
 * Whoever came first is served first, so that a large VM is not overtaken by small ones for ever.
 */
#pragma once

#include <stdbool.h>

#include "core/base/error.h"
#include "core/base/json.h"
#include "nestingd/backend.h"

/* Of all VMs together; 0 = no limit. */
struct room_limits {
    unsigned vms;
    struct need most;
};

/* One that wants room for a VM; its memory is the caller's. */
struct room_asker {
    struct room_asker *next;
    struct need need;
    bool has_room;
    void (*on_room)(struct room_asker *asker); /* within another's call, when it had to wait */
};

struct room {
    struct room_limits limits;
    unsigned vms; /* that have room now */
    struct need used;
    struct room_asker *first; /* of those that wait */
};

/* -EDQUOT and a sentence where a VM would not have room even if it were alone. */
int room_check(const struct room_limits *limits, const char *image, const struct need *need,
               struct error *err);
/* At the end of the queue; look at has_room. */
void room_ask(struct room *room, struct room_asker *asker);
/* It waits no longer. */
void room_leave(struct room *room, struct room_asker *asker);
/* For a VM that is there, whether there is room for it or not. */
void room_take(struct room *room, const struct need *need);
void room_give(struct room *room, const struct need *need);
void room_set_limits(struct room *room, const struct room_limits *limits);

/* Lays max_vms, max_cpus, max_memory and max_disk over the limits; -EINVAL names the key, and nothing is changed. */
int room_limits_configure(struct room_limits *limits, const json_t *settings, struct error *err);
bool room_limits_know(const char *key);
