/* helper/retry.h - how often a transfer is tried again, the pauses between, and the line that tells of
 * them. */
#pragma once

#include <stdint.h>

#include "helper/options.h"

/* The options `--retry` and `--retry-time`. */
struct retry {
    int64_t times, pause_ms;
};
#define RETRY_DEFAULT ((struct retry) { .times = 2, .pause_ms = 1000 })
extern const struct option retry_options[];

/* Says "Retrying..." with its cause (`context` may be NULL), and waits. */
void retry_pause(int64_t ms, const char *context, const char *cause);
