/* core/supervisor/enter.h - `flotilla ssh`: what it takes to log in to an instance, or to a job's VM, as
 * the manager does. For control.c, which has made sure that whoever asks may know. */
#pragma once

#include "core/base/json.h"
#include "core/supervisor/internal.h"

typedef void (*enter_done_fn)(void *arg, json_t *answer); /* borrowed; holds secrets */

/* Asks the provider how the instance or the job of the request's "name" is reached. `done` is called once, perhaps before
 * this returns, unless an error is returned. `who` is for the manager's log. */
int enter_start(struct supervisor *supervisor, json_t *request, const char *who, enter_done_fn done,
                void *arg, struct error *err);
/* Whoever waits for the answer has gone. */
void enter_forget(struct supervisor *supervisor, const void *arg);
