/* helper/retry.c - see retry.h. */
#include "helper/retry.h"

#include "core/base/clock.h"
#include "core/base/fault.h"
#include "core/base/str.h"
#include "helper/say.h"

const struct option retry_options[] = {
    OPTION("retry", NULL, OPTION_NUMBER, retry, times, "how often a transfer is tried again (2)"),
    OPTION("retry-time", NULL, OPTION_DURATION, retry, pause_ms, "how long to wait before (1s)"),
    { 0 }
};

void retry_pause(int64_t ms, const char *context, const char *cause)
{
    const struct say_field fields[] = { { "context", context }, { "error", cause } };

    say_with(SAY_WARNING, fields, ARRAY_LEN(fields), "Retrying...");
    clock_sleep_ms(fault_limit_ms("helper_pause", ms));
}
