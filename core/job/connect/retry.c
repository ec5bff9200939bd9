/* core/job/connect/retry.c - see the header. */
#include "core/job/connect/retry.h"

#include <errno.h>

#include "core/base/str.h"
#include "core/job/connect/remote_wait.h"

#define RETRY_MIN_MS 100
#define RETRY_MAX_MS 2000
#define REFUSALS 4

/* What was refused so far. */
struct refusals {
    int n;
    int64_t since_ms;
};

/* Keys are put in place late in a boot, and those that are made for an instance, when they have come to it. */
static bool may_be_let_in(const struct remote_options *options, struct refusals *refusals)
{
    if (refusals->n++ == 0)
        refusals->since_ms = now_ms();
    return refusals->n < REFUSALS || now_ms() - refusals->since_ms < options->arrival_ms;
}

/* What an instance that still boots looks like. */
static bool worth_retrying(int r, const struct remote_options *options, struct refusals *refusals)
{
    switch (r) {
    case -ECONNREFUSED:
    case -ECONNRESET:
    case -EHOSTUNREACH:
    case -ENETUNREACH:
    case -EHOSTDOWN:
    case -ETIMEDOUT:
    case -EPIPE:
    case -EPROTO:
        return true;
    case -EACCES:
        return may_be_let_in(options, refusals);
    default:
        return false;
    }
}

int retry_connect(const struct remote_options *options,
                  int (*once)(const struct remote_options *options, int64_t deadline, void *arg,
                              struct error *err),
                  void *arg, struct error *err)
{
    int64_t deadline = now_ms() + options->timeout_ms, pause = RETRY_MIN_MS;
    struct refusals refusals = { 0 };

    for (;;) {
        int r = once(options, deadline, arg, err);

        if (r == 0)
            return 0;
        if (!worth_retrying(r, options, &refusals))
            return r;
        for (int64_t until = MIN(now_ms() + pause, deadline); now_ms() < until;) {
            int stop = remote_wait(&options->watch, NULL, 0, until);

            if (stop < 0 && stop != -ETIMEDOUT)
                return error_errno(err, stop, "connecting to %s", options->address);
        }
        if (now_ms() >= deadline)
            return r;
        pause = MIN(pause * 2, (int64_t) RETRY_MAX_MS);
    }
}
