/* core/supervisor/spool.h - the files of jobs' logs, from the supervisor's side (spool.c).
 */
#pragma once

#include "core/supervisor/internal.h"

int spool_create(struct supervisor *supervisor, int64_t seq, int *ret_fd, struct error *err);
int spool_open(struct supervisor *supervisor, int64_t seq);
/* 1 = locked now (nobody else writes), 0 = somebody holds it. */
int spool_try_lock(struct supervisor *supervisor, int64_t seq, int *ret_fd);
int64_t spool_size(struct supervisor *supervisor, int64_t seq);
void spool_append_line(int fd, const char *line);
/* The same beside a worker that lives and says that it writes no more. */
void spool_append_last(struct supervisor *supervisor, int64_t seq, const char *line);
void spool_remove(struct supervisor *supervisor, int64_t seq);
/* Calls back for each NUMBER.SUFFIX among the spools; a negative answer ends it. */
int spool_each(struct supervisor *supervisor, const char *suffix,
               int (*fn)(struct supervisor *supervisor, int64_t seq, struct error *err),
               struct error *err);
void spool_sweep(struct supervisor *supervisor);
