/* core/job/connect/ssh.c - ssh_open(), which tries as retry.h says. What one try is, a back end knows
 * (ssh_backend.h). */
#include "core/job/connect/ssh.h"

#include <errno.h>

#include "core/base/fault.h"
#include "core/base/str.h"
#include "core/job/connect/remote_tcp.h"
#include "core/job/connect/remote_wait.h"
#include "core/job/connect/retry.h"
#include "core/job/connect/ssh_backend.h"
#include "core/job/connect/ssh_key.h"

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

static int connect_once(const struct remote_options *options, int64_t deadline, void *ret,
                        struct error *err)
{
    int fd = -1, r = remote_tcp_open(options, deadline, &fd, err);

    return r < 0 ? r : ssh_start(options, fd, deadline, ret, err);
}

int ssh_open(const struct remote_options *options, struct ssh_conn **ret, struct error *err)
{
    int r = str_empty(options->private_key) ? 0 : ssh_key_check(options->private_key, err);

    return r < 0 ? r : retry_connect(options, connect_once, ret, err);
}
