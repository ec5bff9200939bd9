/* core/fleet/replay.h - has a fleet decide again what a recorded one decided (journal.h).
 *
 * Told is what the recorded fleet was told; what it decided (orders, removals, who gets which slot, whom
 * to ask for a heartbeat) is decided anew and compared. For `flotilla simulate --replay` and tests: the
 * scaler of both is one.
 */
#pragma once

#include "core/base/error.h"
#include "core/fleet/fleet.h"

struct replay;
int replay_new(struct replay **ret);
void replay_free(struct replay *replay);
DEFINE_AUTO_PTR(struct replay, replay_free)

/* 0: as it was. -EBADMSG: no line of a journal, or one is missing before it. -EILSEQ: another decision
 * than the recorded one, `err` says both. After a failure only a journal's beginning is taken. */
int replay_line(struct replay *replay, const char *line, struct error *err);
/* Lines taken, and the decisions among them. */
void replay_count(const struct replay *replay, uint64_t *ret_lines, uint64_t *ret_decisions);
