/* tests/unit/fleet/cloud.h - a cloud for random histories: slow, failing, delivering in part, lying in its lists, and
 * changing things by itself, each of it when it is switched on. Everything comes from one seed. */
#pragma once

#include "core/base/random.h"
#include "core/fleet/fleet.h"

#define SECOND ((int64_t) 1000)
#define MINUTE (60 * SECOND)
#define HOUR (60 * MINUTE)

enum cloud_fault {
    CLOUD_SLOW = 1 << 0,        /* lists show late what was made, boots take minutes */
    CLOUD_REFUSES = 1 << 1,     /* calls fail, orders and removals are taken in part */
    CLOUD_MUTE = 1 << 2,        /* orders are carried out, or not, without an answer */
    CLOUD_FORGETS = 1 << 3,     /* what was taken has no effect */
    CLOUD_BAD_IMAGE = 1 << 4,   /* instances never run, or never become ready */
    CLOUD_TAKES = 1 << 5,       /* instances vanish or are scaled in */
    CLOUD_GIVES = 1 << 6,       /* a person makes instances, another entry has some */
    CLOUD_LISTS_PARTS = 1 << 7, /* and says so */
    CLOUD_LIES =
        1 << 8, /* lists leave out what is there, name things twice, invent states and ids */
    CLOUD_SICK = 1 << 9, /* instances fail heartbeats */
    CLOUD_FAULTS = (1 << 10) - 1,
};

struct machine {
    char id[16];
    /* When that happens; INT64_MAX = never. */
    int64_t listed_ms, runs_ms, ready_ms, failed_ms, deleting_ms, gone_ms;
    bool ordered;        /* by us */
    uint32_t uses;       /* as the test counts them */
    int64_t answered_ms; /* its last good heartbeat, by the fleet's clock */
    int64_t asked_ms;    /* one is under way since, by the cloud's; 0 = none is */
    bool told_gone;      /* the fleet let it go; what it was then: */
    struct fleet_instance former;
};

struct cloud {
    struct rng_seeded random;
    unsigned faults; /* of enum cloud_fault */
    struct machine *machines;
    size_t n_machines;
    bool has_foreign; /* an instance of another entry */
    bool pending;     /* an order is carried out whose answer was lost: */
    uint32_t taken;   /* that is what it will be */
};

void cloud_init(struct cloud *cloud, uint64_t seed);
void cloud_done(struct cloud *cloud);
bool cloud_chance(struct cloud *cloud, unsigned percent);
uint64_t cloud_below(struct cloud *cloud, uint64_t bound);
struct machine *cloud_find(struct cloud *cloud, const char *id);
bool cloud_alive(const struct machine *machine, int64_t now);
/* Ordered, and neither gone nor failed: what max_instances bounds. */
uint32_t cloud_ordered(const struct cloud *cloud, int64_t now);

/* What happens by itself. */
void cloud_tick(struct cloud *cloud, int64_t now);

enum cloud_answer { ANSWER_OK, ANSWER_FAILED, ANSWER_LOST };
/* Asked again after ANSWER_LOST it is the same order. */
enum cloud_answer cloud_increase(struct cloud *cloud, int64_t now, uint32_t n, uint32_t *ret_taken);
bool cloud_heartbeat(struct cloud *cloud, int64_t now, const char *id); /* it is well */
bool cloud_decrease(struct cloud *cloud, int64_t now, const char *id);  /* taken */

struct cloud_list {
    struct fleet_listed *items;
    size_t n;
    bool complete, absurd; /* absurd: it contradicts itself and must be refused */
};
bool cloud_list(struct cloud *cloud, int64_t now, struct cloud_list *ret); /* false = it failed */
