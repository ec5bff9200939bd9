/* tests/unit/fleet/cloud.c - see cloud.h. */
#include "tests/unit/fleet/cloud.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/mem.h"
#include "core/base/str.h"

#define BOOT_LIMIT (10 * MINUTE)

void cloud_init(struct cloud *cloud, uint64_t seed)
{
    *cloud = (struct cloud) { 0 };
    rng_seed(&cloud->random, seed);
}

void cloud_done(struct cloud *cloud)
{
    free(cloud->machines);
}

uint64_t cloud_below(struct cloud *cloud, uint64_t bound)
{
    return rng_below(&cloud->random.rng, bound);
}

bool cloud_chance(struct cloud *cloud, unsigned percent)
{
    return cloud_below(cloud, 100) < percent;
}

static bool goes_wrong(struct cloud *cloud, enum cloud_fault fault, unsigned percent)
{
    return (cloud->faults & fault) && cloud_chance(cloud, percent);
}

struct machine *cloud_find(struct cloud *cloud, const char *id)
{
    for (size_t i = 0; i < cloud->n_machines; i++)
        if (str_eq(cloud->machines[i].id, id))
            return &cloud->machines[i];
    return NULL;
}

bool cloud_alive(const struct machine *machine, int64_t now)
{
    return now < machine->gone_ms;
}

uint32_t cloud_ordered(const struct cloud *cloud, int64_t now)
{
    uint32_t n = 0;

    for (size_t i = 0; i < cloud->n_machines; i++)
        n += cloud->machines[i].ordered && cloud_alive(&cloud->machines[i], now) &&
             now < cloud->machines[i].failed_ms;
    return n;
}

/* The cloud itself gives up on it, and forgets it a while later. */
static void fail_to_run(struct machine *machine)
{
    machine->runs_ms = machine->ready_ms = INT64_MAX;
    machine->failed_ms = machine->listed_ms + BOOT_LIMIT;
    machine->gone_ms = machine->failed_ms + 2 * MINUTE;
}

static void make_machine(struct cloud *cloud, int64_t now, bool ordered)
{
    bool slow = cloud->faults & CLOUD_SLOW;
    struct machine *machine, *grown;

    grown = mem_resize(cloud->machines, cloud->n_machines + 1, sizeof(*grown));
    if (!grown)
        return;
    cloud->machines = grown;
    machine = &grown[cloud->n_machines++];
    *machine =
        (struct machine) { .ordered = ordered,
                           .listed_ms = now + (int64_t) cloud_below(cloud, slow ? MINUTE : 1),
                           .failed_ms = INT64_MAX,
                           .deleting_ms = INT64_MAX,
                           .gone_ms = INT64_MAX };
    (void) snprintf(machine->id, sizeof(machine->id), "m-%03zu", cloud->n_machines);
    machine->runs_ms =
        machine->listed_ms + (int64_t) cloud_below(cloud, slow ? 5 * MINUTE : 10 * SECOND);
    machine->ready_ms = machine->runs_ms + (int64_t) cloud_below(cloud, 20 * SECOND);
    if (goes_wrong(cloud, CLOUD_BAD_IMAGE, 40))
        machine->ready_ms = INT64_MAX;
    if (goes_wrong(cloud, CLOUD_BAD_IMAGE, 20))
        fail_to_run(machine);
    /* One at most: it holds a place for ever, and there are two at least. */
    if (!ordered && !cloud->has_foreign && cloud_chance(cloud, 30)) {
        cloud->has_foreign = true;
        machine->told_gone = true;
        machine->former = (struct fleet_instance) { .cause = CAUSE_FOREIGN };
    }
}

void cloud_tick(struct cloud *cloud, int64_t now)
{
    struct machine *machine;

    if (goes_wrong(cloud, CLOUD_GIVES, 3))
        make_machine(cloud, now, false);
    if (cloud->n_machines == 0 || !goes_wrong(cloud, CLOUD_TAKES, 5))
        return;
    machine = &cloud->machines[cloud_below(cloud, cloud->n_machines)];
    if (!cloud_alive(machine, now) || now < machine->listed_ms || machine->deleting_ms != INT64_MAX)
        return;
    if (cloud_chance(cloud, 50))
        machine->deleting_ms = now;
    machine->gone_ms = MIN(machine->gone_ms, now + (machine->deleting_ms == now ? 2 * MINUTE : 0));
}

enum cloud_answer cloud_increase(struct cloud *cloud, int64_t now, uint32_t n, uint32_t *ret_taken)
{
    *ret_taken = 0;
    if (!cloud->pending && goes_wrong(cloud, CLOUD_REFUSES, 30))
        return ANSWER_FAILED;
    if (!cloud->pending && goes_wrong(cloud, CLOUD_MUTE, 20))
        return ANSWER_LOST; /* it never arrived */
    if (!cloud->pending) {
        cloud->pending = true;
        cloud->taken = goes_wrong(cloud, CLOUD_REFUSES, 30) ? (uint32_t) cloud_below(cloud, n) : n;
        for (uint32_t i = 0; i < cloud->taken; i++)
            if (!goes_wrong(cloud, CLOUD_FORGETS, 20))
                make_machine(cloud, now, true);
    }
    if (goes_wrong(cloud, CLOUD_MUTE, 30))
        return ANSWER_LOST;
    cloud->pending = false;
    *ret_taken = cloud->taken;
    return ANSWER_OK;
}

bool cloud_decrease(struct cloud *cloud, int64_t now, const char *id)
{
    struct machine *machine = cloud_find(cloud, id);

    if (goes_wrong(cloud, CLOUD_REFUSES, 30))
        return false;
    if (!machine || !cloud_alive(machine, now) || goes_wrong(cloud, CLOUD_FORGETS, 30))
        return true;
    machine->gone_ms = MIN(machine->gone_ms, now + (int64_t) cloud_below(cloud, 40 * SECOND));
    if (cloud_chance(cloud, 50))
        machine->deleting_ms = MIN(machine->deleting_ms, now);
    return true;
}

bool cloud_heartbeat(struct cloud *cloud, int64_t now, const char *id)
{
    const struct machine *machine = cloud_find(cloud, id);

    return machine && now >= machine->ready_ms && cloud_alive(machine, now) &&
           !goes_wrong(cloud, CLOUD_SICK, 30);
}

static enum instance_state state_of(struct cloud *cloud, int64_t now, const struct machine *machine)
{
    if (goes_wrong(cloud, CLOUD_LIES, 5))
        return (enum instance_state) cloud_below(cloud, INSTANCE_RESUMING + 1);
    if (now >= machine->deleting_ms)
        return INSTANCE_DELETING;
    if (now >= machine->runs_ms)
        return INSTANCE_RUNNING;
    return now >= machine->failed_ms ? INSTANCE_TIMEOUT : INSTANCE_CREATING;
}

static void lie(struct cloud *cloud, struct cloud_list *list)
{
    static const char *const inventions[] = { "", "not an id", "\x7f", NULL };

    if (list->n > 0 && goes_wrong(cloud, CLOUD_LIES, 5)) {
        list->items[list->n] = list->items[cloud_below(cloud, list->n)];
        list->n++;
        list->absurd = true;
    } else if (goes_wrong(cloud, CLOUD_LIES, 5)) {
        list->items[list->n++] =
            (struct fleet_listed) { .id = inventions[cloud_below(cloud, ARRAY_LEN(inventions))],
                                    .state = INSTANCE_RUNNING };
        list->absurd = true;
    }
}

bool cloud_list(struct cloud *cloud, int64_t now, struct cloud_list *ret)
{
    bool in_parts = goes_wrong(cloud, CLOUD_LISTS_PARTS, 30);

    *ret = (struct cloud_list) { .complete = !in_parts };
    if (goes_wrong(cloud, CLOUD_REFUSES, 20))
        return false;
    ret->items = mem_array(cloud->n_machines + 1, sizeof(*ret->items));
    if (!ret->items)
        return false;
    for (size_t i = 0; i < cloud->n_machines; i++) {
        struct machine *machine = &cloud->machines[i];

        if (!cloud_alive(machine, now) || now < machine->listed_ms ||
            (in_parts && cloud_chance(cloud, 50)) || goes_wrong(cloud, CLOUD_LIES, 5))
            continue;
        ret->items[ret->n++] =
            (struct fleet_listed) { .id = machine->id,
                                    .state = state_of(cloud, now, machine),
                                    .former = machine->told_gone ? &machine->former : NULL };
    }
    lie(cloud, ret);
    return true;
}
