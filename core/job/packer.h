/* core/job/packer.h - a helper's call as a script of PowerShell, for an instance that has no helper and can be brought
 * none: what each Windows can pack and unpack by itself stands for it, whatever the job's own shell is. Called by
 * helper.c, which chooses it, and by stream.c, through whose connection the archives pass. */
#pragma once

#include "core/job/helper.h"

bool packer_may_be(const struct job *job); /* the instance's system has one */
/* Fills job->helper.packer. END_EXIT when the job's shell cannot say what Windows calls its directories. */
struct end packer_find(struct job *job);
void packer_done(struct job *job);
/* Makes the packer's shell that of the job, for what is run and stopped, until it is called again. */
void packer_swap(struct job *job);
/* Between the two: the script for the shell's stdin, behind which comes what is unpacked. -EPERM with a sentence for what
 * it cannot do. */
int packer_script(struct job *job, const struct helper_call *call, struct buf *out,
                  struct error *err);
