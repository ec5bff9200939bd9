/* core/supervisor/strangers.h - jobs of former runs whose rows are lost with their ledger (strangers.c).
 */
#pragma once

#include "core/supervisor/internal.h"

/* Before a ledger is begun: what lies in the spool directory is not in it. */
int strangers_mark(struct supervisor *supervisor, struct error *err);
int strangers_load(struct supervisor *supervisor, struct error *err);
bool strangers_knows(const struct supervisor *supervisor, int64_t seq);
/* Some may still come back: no job is asked for, no instance removed. */
bool strangers_awaited(const struct supervisor *supervisor);
/* False when no such worker is awaited; else the channel is taken. */
bool strangers_attach(struct supervisor *supervisor, int64_t seq, const char *key,
                      struct channel *channel);
void strangers_tick(struct supervisor *supervisor);
void strangers_done(struct supervisor *supervisor);
