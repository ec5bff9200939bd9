/* core/job/packer.h - a helper's call as a script of the job's own shell, for an instance that has no helper and can be
 * brought none: what the shell can pack and unpack by itself stands for it. Called by stream.c, through whose
 * connection the archives pass. */
#pragma once

#include "core/job/helper.h"

/* The script for the shell's stdin, behind which comes what is unpacked. -EPERM with a sentence for what it cannot do. */
int packer_script(struct job *job, const struct helper_call *call, struct buf *out,
                  struct error *err);
