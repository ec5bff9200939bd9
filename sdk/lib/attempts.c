/* sdk/lib/attempts.c - see attempts.h. */
#include "sdk/lib/attempts.h"

#include <stdarg.h>
#include <stdio.h>

#include "sdk/lib/ask.h"

int32_t flt_attempts_fail(struct flt_attempts *attempts, int32_t code, const char *format, ...)
{
    int len = snprintf(attempts->text, sizeof(attempts->text), "%s: ", attempts->shown);
    va_list args;

    va_start(args, format);
    if (len > 0 && (size_t) len < sizeof(attempts->text))
        (void) vsnprintf(attempts->text + len, sizeof(attempts->text) - (size_t) len, format, args);
    va_end(args);
    flt_text_clean(attempts->text, sizeof(attempts->text));
    return code;
}

void flt_attempts_say(const struct flt_attempts *attempts, const char *format, ...)
{
    char text[FLT_ERROR_MAX + 256];
    va_list args;

    if (!attempts->log)
        return;
    va_start(args, format);
    (void) vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    flt_text_clean(text, sizeof(text));
    attempts->log(attempts->arg, text);
}

int32_t flt_attempts_lost(struct flt_attempts *attempts, int32_t code, int was_sent,
                          struct flt_verdict *ret)
{
    /* Where its own time was over, not the call's, another attempt may do better. */
    if (code == FLT_E_TIMEOUT && flt_watch_ended(attempts->watch) == FLT_OK)
        code = FLT_E_UNAVAILABLE;
    attempts->maybe_done |= was_sent;
    *ret = (struct flt_verdict) { .result = code,
                                  .is_transient = code == FLT_E_UNAVAILABLE,
                                  .is_refused = !was_sent };
    return code;
}

static int may_retry(const struct flt_attempts *attempts, enum flt_retry_why why)
{
    return attempts->may_retry
               ? attempts->may_retry(attempts->arg, why, attempts->n)
               : flt_retry_take(attempts->budget, why, attempts->n, flt_monotonic_ms());
}

/* For the next attempt; FLT_OK when it is to be made. */
static int32_t wait_for_next(struct flt_attempts *attempts, const struct flt_verdict *verdict,
                             int64_t advised_ms)
{
    enum flt_retry_why why = verdict->is_throttled ? FLT_RETRY_THROTTLED : FLT_RETRY_FAILED;
    int64_t wait_ms;
    int32_t code;

    if (!verdict->is_transient)
        return verdict->result;
    wait_ms = flt_retry_wait_ms(why, attempts->n, advised_ms,
                                attempts->random ? attempts->random(attempts->arg) : flt_random());
    attempts->retry_after_ms = wait_ms;
    if (!(verdict->is_refused || attempts->repeatable) ||
        wait_ms >= flt_watch_left_ms(attempts->watch) || !may_retry(attempts, why))
        return verdict->result;
    flt_attempts_say(attempts, "%s; trying again in %.1f s", attempts->text,
                     (double) wait_ms / 1000);
    code = flt_watch_sleep(attempts->watch, wait_ms);
    return code == FLT_OK
               ? code
               : flt_attempts_fail(attempts, code,
                                   code == FLT_E_CANCELLED ? "cancelled" : "no time is left");
}

int32_t flt_attempts_run(struct flt_attempts *attempts,
                         int32_t (*once)(void *arg, struct flt_http_answer *answer,
                                         struct flt_verdict *ret_verdict, int *ret_again),
                         void *arg)
{
    for (;;) {
        struct flt_http_answer answer = { .retry_after_ms = -1 };
        struct flt_verdict verdict = { 0 };
        int is_again = 0;
        int32_t code;

        attempts->n++;
        code = once(arg, &answer, &verdict, &is_again);
        if (code != FLT_OK && !is_again) {
            code = wait_for_next(attempts, &verdict, answer.retry_after_ms);
            is_again = code == FLT_OK;
        }
        flt_http_answer_done(&answer);
        if (!is_again)
            return code;
    }
}
