/* pause.c - after a failure AWS is asked again only after a while, a longer one each time: what the host asks for often
 * (signals, heartbeats, lists) must not become a storm of calls, whose rate is one for the whole account. Pure; the
 * clock is a monotonic one. */

#include "aws.h"

#define FIRST_MS INT64_C(30000)
#define LONGEST_MS (INT64_C(5) * 60 * 1000)

bool pause_lasts(const struct aws_pause *pause, int64_t now_ms)
{
    return now_ms < pause->until_ms;
}

void pause_begin(struct aws_pause *pause, const struct aws_failure *failure, int64_t now_ms)
{
    int64_t length_ms = pause->length_ms > 0 ? pause->length_ms * 2 : FIRST_MS;

    pause->length_ms = length_ms < LONGEST_MS ? length_ms : LONGEST_MS;
    pause->until_ms = now_ms + (failure->retry_after_ms > pause->length_ms ? failure->retry_after_ms
                                                                           : pause->length_ms);
    pause->failure = *failure;
}

void pause_end(struct aws_pause *pause)
{
    *pause = (struct aws_pause) { 0 };
}
