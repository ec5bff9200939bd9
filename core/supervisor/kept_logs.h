/* core/supervisor/kept_logs.h - masked logs of jobs that have ended, and which GitLab has, for `flotilla logs`: as many of
 * the latest as `keep_logs` has room for, and no more than as much as is free beside them.
 */
#pragma once

#include "core/supervisor/internal.h"

#define KEPT_SUFFIX ".kept"

void kept_logs_load(struct supervisor *supervisor); /* of former runs */
/* Keeps the spool of a closed job, or removes it. */
void kept_logs_take(struct supervisor *supervisor, int64_t seq);
/* At each turn: those that there is no room for any more go. */
void kept_logs_trim(struct supervisor *supervisor);
/* Each hour: those whose jobs have no row any more go. */
void kept_logs_prune(struct supervisor *supervisor);
/* A descriptor for reading, which is the caller's, or -ENOENT. */
int kept_logs_open(const struct supervisor *supervisor, int64_t seq);
void kept_logs_done(struct supervisor *supervisor);
