/* core/coordinator/client_parts.h - what client.c and call.c share: the client, whose pools of
 * connections live on the loop, and the calls under way in them. */
#pragma once

#include "core/coordinator/call.h"
#include "core/coordinator/chain.h"

#define ANSWERS_A_TURN 3 /* of a pool: whoever asked writes to the disk at each */

struct coordinator_client {
    uv_loop_t *loop;
    CURLM *multi[POOL_COUNT];
    uv_timer_t timers[POOL_COUNT];
    uv_timer_t rest;           /* answers beyond ANSWERS_A_TURN */
    uint64_t turn[POOL_COUNT]; /* by the loop's time, */
    unsigned n_answers[POOL_COUNT];
    struct coordinator_call *calls;
    struct chain *chains;
    coordinator_ended_fn on_ended;
    void *ended_arg;
    unsigned handles;
    bool freed;
};

/* call.c: takes what libcurl has finished, or as much of it as one turn may take. */
void call_reap(struct coordinator_client *client, enum pool pool);
