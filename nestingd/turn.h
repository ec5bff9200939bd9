/* nestingd/turn.h - how a thread waits for its turn: until another gives it, or its call ends. Used by vms.c.
 */
#pragma once

#include "nestingd/call.h"

struct turn {
    int ends[2]; /* of a pipe */
};

int turn_open(struct turn *turn, struct error *err);
void turn_close(struct turn *turn);
/* From any thread, before turn_close(). */
void turn_give(struct turn *turn);
/* 1 = it was given; 0 = most_ms have passed (-1 = as long as the call); or as call_ended(). */
int turn_wait(const struct turn *turn, const struct call *call, int64_t most_ms, struct error *err);
