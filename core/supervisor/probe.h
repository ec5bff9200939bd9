/* core/supervisor/probe.h - one probe of a group: a question to the provider how to reach an instance, and a process that
 * looks at it. group_probes.c says which are due and what a verdict means, probe_process.c has the process.
 */
#pragma once

#include "core/supervisor/group_parts.h"

#define PROBE_AGAIN_MS 1000

enum probe_kind { PROBE_GATE, PROBE_HEARTBEAT };
enum verdict { VERDICT_NONE, VERDICT_GOOD, VERDICT_BAD };

struct probe {
    struct group *group;
    struct probe *next;
    int64_t number;
    enum probe_kind kind;
    char instance[256];
    struct channel *channel; /* NULL = no process runs */
    int64_t pid;             /* of that; 0 = not known */
    int64_t wait_s;          /* for a job, once it has passed */
    unsigned standby_round;  /* when it was started */
    int64_t limit_ms;        /* for connecting and the command */
    int64_t due_mono;        /* a verdict is due */
    int64_t patience_mono;   /* until then there may be nothing to connect to */
    int64_t again_at_mono;   /* 0 = an answer is awaited, or the process runs */
    enum verdict when_late;
    char trouble[400]; /* what it met last */
    bool failing_told, waiting_told;
};

/* group_probes.c */
struct probe *group_find_probe(const struct group *group, int64_t number);
/* Ends the probe. A gate is a heartbeat, too. */
void probe_conclude(struct probe *probe, enum verdict verdict, const char *why);
/* Its process's link goes at once, should it still have one. */
void probe_try_again(struct probe *probe, int64_t pause_ms, enum verdict when_late,
                     const char *why);

/* probe_process.c */
/* With the provider's `connect`, which stays the caller's. */
int probe_start_process(struct probe *probe, json_t *connect, struct error *err);
