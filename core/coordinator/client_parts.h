/* core/coordinator/client_parts.h - what client.c and transfer.c share: the client, whose pools of
 * connections live on the loop, and the calls under way in them. */
#pragma once

#include "core/coordinator/chain.h"
#include "core/coordinator/transfer.h"

struct coordinator_client {
    uv_loop_t *loop;
    CURLM *multi[POOL_COUNT];
    uv_timer_t timers[POOL_COUNT];
    struct coordinator_call *calls;
    struct chain *chains;
    unsigned handles;
    bool freed;
};

/* transfer.c: takes what libcurl has finished. */
void transfer_reap(struct coordinator_client *client, enum pool pool);
