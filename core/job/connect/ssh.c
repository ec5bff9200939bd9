/* core/job/connect/ssh.c - ssh_open(), which tries until an instance that still boots lets us in. What one try is, a
 * back end knows (ssh_backend.h). */
#include "core/job/connect/ssh.h"

#include <errno.h>

#include "core/base/fault.h"
#include "core/base/str.h"
#include "core/job/connect/ssh_backend.h"
#include "core/job/connect/ssh_key.h"
#include "core/job/connect/ssh_tcp.h"
#include "core/job/connect/ssh_wait.h"

#define RETRY_MIN_MS 100
#define RETRY_MAX_MS 2000
#define REFUSALS 4
#define BANNER_MS 10000
#define HANDSHAKE_MS 20000
#define AUTH_MS 20000
#define CHANNEL_MS 10000

struct ssh_handshake_deadlines ssh_handshake_deadlines(int64_t deadline)
{
    int64_t whole = MIN(deadline, now_ms() + fault_limit_ms("ssh_handshake", HANDSHAKE_MS));
    int64_t greeting = MIN(whole, now_ms() + fault_limit_ms("ssh_banner", BANNER_MS));

    return (struct ssh_handshake_deadlines) { .greeting = greeting, .whole = whole };
}

int64_t ssh_auth_deadline(int64_t deadline)
{
    return MIN(deadline, now_ms() + fault_limit_ms("ssh_auth", AUTH_MS));
}

int64_t ssh_channel_deadline(void)
{
    return now_ms() + fault_limit_ms("ssh_channel", CHANNEL_MS);
}

static int connect_once(const struct ssh_options *options, int64_t deadline, struct ssh_conn **ret,
                        struct error *err)
{
    int fd = -1, r = options->dial ? options->dial(options->dial_arg, deadline, &fd, err)
                                   : ssh_tcp_open(options, deadline, &fd, err);

    return r < 0 ? r : ssh_start(options, fd, deadline, ret, err);
}

/* What was refused so far. */
struct refusals {
    int n;
    int64_t since_ms;
};

/* Keys are put in place late in a boot, and those that are made for an instance, when they have come to it. */
static bool may_be_let_in(const struct ssh_options *options, struct refusals *refusals)
{
    if (refusals->n++ == 0)
        refusals->since_ms = now_ms();
    return refusals->n < REFUSALS || now_ms() - refusals->since_ms < options->arrival_ms;
}

/* What an instance that still boots looks like. */
static bool worth_retrying(int r, const struct ssh_options *options, struct refusals *refusals)
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

int ssh_open(const struct ssh_options *options, struct ssh_conn **ret, struct error *err)
{
    int64_t deadline = now_ms() + options->timeout_ms, pause = RETRY_MIN_MS;
    struct refusals refusals = { 0 };
    int r = 0;

    if (!str_empty(options->private_key))
        r = ssh_key_check(options->private_key, err);
    if (r < 0)
        return r;
    for (;;) {
        r = connect_once(options, deadline, ret, err);

        if (r == 0)
            return 0;
        if (!worth_retrying(r, options, &refusals))
            return r;
        for (int64_t until = MIN(now_ms() + pause, deadline); now_ms() < until;) {
            int stop = ssh_wait(&options->watch, NULL, 0, until);

            if (stop < 0 && stop != -ETIMEDOUT)
                return error_errno(err, stop, "connecting to %s", options->address);
        }
        if (now_ms() >= deadline)
            return r;
        pause = MIN(pause * 2, (int64_t) RETRY_MAX_MS);
    }
}
