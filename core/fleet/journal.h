/* core/fleet/journal.h - everything that a fleet is told and decides, as lines of text.
 *
 * Whoever keeps them (the supervisor, in its ledger) can have the same fleet decide again from them
 * (replay.h). A line is a word and its fields, separated by spaces; the first lines are the fleet as it
 * is when recording begins, so that they say all that has to be known.
 */
#pragma once

#include "core/fleet/scaler.h"

typedef void (*fleet_record_fn)(void *arg, const char *line);

/* From now on; again to begin anew. NULL ends it. Lines that memory is lacking for are left out, which a
 * replay finds. */
void fleet_record(struct fleet *fleet, fleet_record_fn fn, void *arg);

/* A plan that is about to be carried out, for scaler_plan() only reads. One that does nothing and
 * follows another such is left out. */
void fleet_record_plan(struct fleet *fleet, const struct scaler_plan *plan, int64_t now_ms,
                       uint64_t seed);
/* As fleet_record_plan() writes it, from its word on. */
void journal_plan(const struct scaler_plan *plan, int64_t now_ms, uint64_t seed, struct buf *out);
