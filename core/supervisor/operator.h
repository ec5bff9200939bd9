/* core/supervisor/operator.h - what an operator changes by `flotilla drain`, `undrain` and `remove`.
 * For control.c, which answers with what these return, and where the changes of a former run are
 * taken up again. */
#pragma once

#include "core/supervisor/internal.h"

/* Requests with "name", and "force" to remove. The answer is "done" with a sentence, or "error"; NULL
 * when there is no memory. */
json_t *operator_drain(struct supervisor *supervisor, json_t *request);
json_t *operator_undrain(struct supervisor *supervisor, json_t *request);
json_t *operator_remove(struct supervisor *supervisor, json_t *request);
json_t *operator_hold(struct supervisor *supervisor, json_t *request); /* with "for_ms", "who" */
json_t *operator_release(struct supervisor *supervisor, json_t *request);

/* Since when the instance, or with "" the group, is drained; 0 when it is not. */
int64_t operator_drained_since(const struct group *group, const char *instance_id);

/* What the ledger says is drained, after its instances are in the fleet. */
int operator_restore(struct group *group, struct error *err);
/* An instance that comes back is as drained as before, one in a new use is not. */
void operator_on_appeared(struct group *group, const struct fleet_instance *instance);
/* A job on an instance that was removed with it, before the manager could tell it. */
void operator_on_adopted(struct job *job);
