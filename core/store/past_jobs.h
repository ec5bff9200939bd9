/* core/store/past_jobs.h - the jobs that a ledger remembers, for who wants to learn from them: the
 * simulator. Reads only, beside a manager that may be writing. */
#pragma once

#include <stdint.h>

#include "core/base/error.h"

/* Calls back for each job that ran and ended, oldest first: when it came, and for how long it held its
 * slot. `runner` NULL = of all runners. */
int past_jobs_each(const char *dir, const char *runner,
                   void (*on_job)(void *arg, int64_t received_ms, int64_t duration_ms), void *arg,
                   struct error *err);
