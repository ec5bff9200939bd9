/* sdk/check/isolation_host.c - the host that an isolation under test sees: as that of a provider, and a dial that
 * reaches sockets of this machine, as if it were the instance. */
#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "core/base/clock.h"
#include "core/base/mem.h"
#include "core/base/str.h"
#include "sdk/check/isolation.h"

static struct kit_call *call_of(flt_call *opaque)
{
    return (struct kit_call *) (void *) opaque;
}

static int connect_unix(const char *path)
{
    autoclose int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    struct sockaddr_un address = { .sun_family = AF_UNIX };

    if (fd < 0)
        return -errno;
    if (strlen(path) >= sizeof(address.sun_path))
        return -ENAMETOOLONG;
    memcpy(address.sun_path, path, strlen(path) + 1);
    if (connect(fd, (struct sockaddr *) &address, sizeof(address)) < 0)
        return -errno;
    return take_fd(&fd);
}

/* Until the connection stands, is refused, or the call ends. */
static int await_connection(struct kit_call *call, int fd)
{
    struct pollfd fds[] = { { .fd = fd, .events = POLLOUT },
                            { .fd = call->kit->cancel_fd, .events = POLLIN } };
    int64_t left = call->deadline_mono_ms - clock_mono_ms(&clock_system);
    socklen_t len = sizeof(int);
    int error = 0;

    if (poll(fds, ARRAY_LEN(fds), left > 0 ? (int) left : 0) <= 0 || fds[1].revents)
        return -ETIMEDOUT;
    if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &len) < 0)
        return -errno;
    return -error;
}

static int connect_tcp(struct kit_call *call, const char *target)
{
    const char *colon = strrchr(target, ':');
    bool brackets = *target == '[' && colon && colon[-1] == ']';
    autofree char *host =
        colon ? mem_strndup(target + brackets, (size_t) (colon - target) - 2 * brackets) : NULL;
    struct addrinfo hints = { .ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM }, *found = NULL;
    autoclose int fd = -1;
    int r;

    if (!host)
        return -EINVAL;
    if (getaddrinfo(host, colon + 1, &hints, &found) != 0)
        return -EHOSTUNREACH;
    fd = socket(found->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    r = fd < 0 || connect(fd, found->ai_addr, found->ai_addrlen) < 0 ? -errno : 0;
    freeaddrinfo(found);
    if (r == -EINPROGRESS)
        r = await_connection(call, fd);
    return r < 0 ? r : take_fd(&fd);
}

static int32_t host_dial(flt_call *opaque, const char *address, int32_t *ret_fd)
{
    struct kit_call *call = call_of(opaque);
    int fd;

    if (!kit_host_usable(call, "it called host->dial()"))
        return FLT_E_INTERNAL;
    call->dialled = true;
    if (str_starts(address, "unix:/"))
        fd = connect_unix(address + strlen("unix:"));
    else if (str_starts(address, "tcp:"))
        fd = connect_tcp(call, address + strlen("tcp:"));
    else
        fd = -EINVAL;
    if (fd == -EINVAL)
        kit_fail(call->kit, "%s dialled '%s'; addresses are unix:/PATH and tcp:HOST:PORT",
                 call->verb, address);
    if (fd < 0) {
        (void) snprintf(call->message, sizeof(call->message), "%.500s: %s", address, strerror(-fd));
        return FLT_E_UNAVAILABLE;
    }
    *ret_fd = fd;
    return FLT_OK;
}

const struct flt_isolation_host kit_isolation_host = {
    .struct_size = sizeof(struct flt_isolation_host),
    .abi_minor = FLT_ISOLATION_MINOR,
    .log = kit_host_log,
    .fail = kit_host_fail,
    .time_left_ms = kit_host_time_left_ms,
    .cancelled = kit_host_cancelled,
    .cancel_fd = kit_host_cancel_fd,
    .dial = host_dial,
};
