/* core/coordinator/runner_call.h - what the calls of runners.h share: how they are sent, and how their answers are read. */
#pragma once

#include "core/coordinator/call.h"
#include "core/coordinator/runners.h"

/* Sends `request` with its body (taken). The answer of the status `success` is a runner's where the request accepts
 * JSON. */
int runner_call(struct coordinator_client *client, const struct coordinator_host *host,
                struct call_request *request, int success, coordinator_runner_fn fn, void *arg,
                struct coordinator_call **ret, struct error *err);
