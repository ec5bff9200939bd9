/* core/job/vm.h - the VM that a job of a runner with vm_isolation runs in: which image, made on the instance, connected to
 * through the instance's connection, and removed behind the job. For job.c.
 */
#pragma once

#include "core/job/isolation.h"
#include "core/job/job.h"

/* The image as it was asked for, or the runner's own; END_CONFIG with a sentence when it is not allowed, or none. Before
 * anything is connected to. */
struct end vm_choose_image(struct job *job);
/* Makes the VM and connects to it; job->remote was the instance's connection and is the VM's from then on. until_ms as of
 * stage_run(). */
struct end vm_start(struct job *job, int64_t until_ms);
/* Whatever became of the job: closes the VM's connection and removes it, within a minute of its own. */
void vm_remove(struct job *job);
/* The sentence of a lost connection, with the VM's name and instance where there is one. */
void vm_name_loss(const struct job *job, const char *message, struct buf *out);
void vm_done(struct job *job);
