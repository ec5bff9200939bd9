/* sdk/lib/attempts.h - a call to a cloud that is made again where that helps: what is said of it meanwhile, and how long
 * the next attempt waits. Used by aws_client.c and google_client.c, which send it and judge the answers.
 */
#ifndef FLOTILLA_LIB_ATTEMPTS_H
#define FLOTILLA_LIB_ATTEMPTS_H

#include "sdk/lib/http.h"
#include "sdk/lib/retry.h"
#include "sdk/lib/verdict.h"

#define FLT_ATTEMPTS_TEXT_MAX 1024

struct flt_attempts {
    const char *shown; /* "autoscaling SetDesiredCapacity in eu-west-1" */
    /* Whether a lost answer may be asked for again. What was refused may always. */
    int repeatable;
    const struct flt_watch *watch;
    /* Pays for each attempt but the first. */
    struct flt_retry_budget *budget;
    /* Asked in place of the budget, by whoever shares one with other processes; NULL = the budget is. */
    int (*may_retry)(void *arg, enum flt_retry_why why, int attempt);
    uint64_t (*random)(void *arg); /* NULL = the system's */
    void (*log)(void *arg, const char *text);
    void *arg;

    int n;                            /* attempts so far */
    char text[FLT_ATTEMPTS_TEXT_MAX]; /* why the last failed */
    int64_t retry_after_ms;           /* 0 = no advice */
    int maybe_done;                   /* an answer was lost: it may have happened */
};

/* Leaves "SHOWN: WHY" in attempts->text and gives the code back. */
int32_t flt_attempts_fail(struct flt_attempts *attempts, int32_t code, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
void flt_attempts_say(const struct flt_attempts *attempts, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
/* What follows when there was no answer; the code of it. */
int32_t flt_attempts_lost(struct flt_attempts *attempts, int32_t code, int was_sent,
                          struct flt_verdict *ret);
/* Makes the call until it goes well or there is no use. `once` is one attempt: FLT_OK, or a code with *ret_verdict; it
 * sets *ret_again when the next shall be made at once. The answer is done when it has returned. */
int32_t flt_attempts_run(struct flt_attempts *attempts,
                         int32_t (*once)(void *arg, struct flt_http_answer *answer,
                                         struct flt_verdict *ret_verdict, int *ret_again),
                         void *arg);
#endif
