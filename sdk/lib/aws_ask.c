/* sdk/lib/aws_ask.c - what the sources of keys (aws_sources.h) have in common. */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/random.h>
#include <time.h>

#include "sdk/lib/aws_sources.h"
#include "sdk/lib/retry.h"

#define ATTEMPTS 3

int32_t flt_aws_because(struct flt_aws_ask *ask, int32_t code, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    (void) vsnprintf(ask->why, sizeof(ask->why), format, args);
    va_end(args);
    return code;
}

int64_t flt_aws_now_s(const struct flt_aws_settings *settings)
{
    return settings->now_s ? settings->now_s(settings->arg) : (int64_t) time(NULL);
}

const char *flt_aws_variable(const char *name)
{
    const char *value = getenv(name);

    return value && *value ? value : NULL;
}

static uint64_t random_number(void)
{
    uint64_t number = 0;

    return getrandom(&number, sizeof(number), 0) == (ssize_t) sizeof(number) ? number : 0;
}

int64_t flt_aws_jitter(int64_t limit)
{
    return limit > 0 ? (int64_t) (random_number() % (uint64_t) limit) : 0;
}

static int fails_for_now(int32_t code, const struct flt_http_answer *answer, int fast)
{
    if (code != FLT_OK)
        return !fast && (code == FLT_E_UNAVAILABLE || code == FLT_E_TIMEOUT);
    return answer->status == 429 || answer->status >= 500;
}

int32_t flt_aws_fetch(struct flt_aws_ask *ask, const struct flt_http_request *request, int fast,
                      struct flt_http_answer *ret)
{
    for (int attempt = 1;; attempt++) {
        int32_t code = flt_http_do(ask->http, request, ask->watch, ret, ask->why);
        int64_t wait_ms;

        if (attempt == ATTEMPTS || !fails_for_now(code, ret, fast) ||
            flt_watch_ended(ask->watch) != FLT_OK)
            return code;
        wait_ms =
            flt_retry_wait_ms(FLT_RETRY_FAILED, attempt, ret->retry_after_ms, random_number());
        flt_http_answer_done(ret);
        if (flt_watch_sleep(ask->watch, wait_ms) != FLT_OK)
            return flt_aws_because(ask, flt_watch_ended(ask->watch),
                                   "there was no time to ask again");
    }
}
