/* core/supervisor/hold.h - instances that stay, and take no new jobs, because somebody looks at them: by `flotilla hold`, or
 * by [runners.hold] when a job fails. In the ledger before it has an effect, so that it holds over a restart. */
#pragma once

#include "core/supervisor/names.h"

struct hold {
    struct hold *next;
    char instance_id[256], who[128], vm[256];
    int64_t until_ms, since_ms, job_id; /* 0 = of no job: */
    bool by_rule;
    char *directory, *vm_address; /* where it worked */
};

/* NULL = it is not held. */
const struct hold *hold_of(const struct group *group, const char *instance_id);
/* "held until 2026-11-26T18:00:00Z (52m0s) by …". */
void hold_explain(const struct group *group, const struct hold *hold, struct buf *out);

/* What an operator means: an instance, or that of a job that has it or that it is held for. */
struct hold_place {
    struct named named;
    bool of_job;     /* a job was named; */
    struct job *job; /* it has not ended */
};
int hold_find(struct supervisor *supervisor, const struct operator_name *name,
              struct hold_place *ret, struct error *err);
/* What an operator wants: "for_ms" and "who" of the request; the sentence of the answer. */
int hold_by_hand(const struct hold_place *place, json_t *request, struct buf *out,
                 struct error *err);
int hold_release(const struct named *named, struct buf *out, struct error *err);

/* A worker that ends asks whether its instance is held, or, its job having failed, may be: the answer. */
json_t *hold_answer_worker(struct job *job);
/* Its instance was held while it runs; told again to a worker that comes back. */
void hold_tell_worker(const struct job *job);

int hold_restore(struct group *group, struct error *err); /* once its instances are in the fleet */
void hold_tick(struct group *group);                      /* those whose time is over end */
void hold_on_gone(struct group *group, const char *instance_id);
void hold_done(struct group *group);
