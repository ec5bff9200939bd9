/* core/job/connect/remote_tcp.c - see the header. */
#include "core/job/connect/remote_tcp.h"

#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "core/base/autoclean.h"
#include "core/base/fault.h"
#include "core/base/str.h"
#include "core/job/connect/remote_wait.h"

#define CONNECT_MS 10000

static int try_address(const struct addrinfo *address, const struct remote_watch *watch,
                       int64_t deadline, int *ret_fd)
{
    autoclose int fd = socket(address->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    struct pollfd ready = { .fd = fd, .events = POLLOUT };
    int one = 1, error = 0, r;
    socklen_t len = sizeof(error);

    if (fd < 0)
        return -errno;
    (void) setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
    (void) setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &one, sizeof(one));
    if (connect(fd, address->ai_addr, address->ai_addrlen) < 0 && errno != EINPROGRESS)
        return -errno;
    while ((r = remote_wait(watch, &ready, 1, deadline)) == 0)
        continue;
    if (r < 0)
        return r;
    if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &len) < 0 || error != 0)
        return error ? -error : -errno;
    *ret_fd = take_fd(&fd);
    return 0;
}

/* What was tried, what came of it, and what to look at. */
static int tcp_failed(const struct remote_options *options, int r, struct error *err)
{
    static const struct {
        int code;
        const char *hint;
    } hints[] = {
        { -ECONNREFUSED, "; is sshd running there, and is protocol_port right?" },
        { -EHOSTUNREACH, "; check routes, and use_external_addr" },
        { -ENETUNREACH, "; check routes, and use_external_addr" },
        { -EHOSTDOWN, "; check routes, and use_external_addr" },
    };
    bool by_winrm = options->protocol && str_starts(options->protocol, "winrm");
    const char *hint = "";

    if (r == -ETIMEDOUT)
        return error_set(err, r,
                         "connecting to %s port %u: no answer; a firewall may drop the packets, or "
                         "the instance still boots",
                         options->address, options->port);
    for (size_t i = 0; i < ARRAY_LEN(hints); i++)
        if (r == hints[i].code)
            hint = hints[i].hint;
    if (r == -ECONNREFUSED && by_winrm)
        hint = "; does WinRM listen there, and is protocol_port right?";
    return error_set(err, r, "connecting to %s port %u: %s%s", options->address, options->port,
                     strerror(-r), hint);
}

int remote_tcp_open(const struct remote_options *options, int64_t deadline, int *ret_fd,
                    struct error *err)
{
    const struct addrinfo hints = { .ai_family = AF_UNSPEC,
                                    .ai_socktype = SOCK_STREAM,
                                    .ai_flags = AI_NUMERICSERV };
    struct addrinfo *addresses = NULL;
    char port[8];
    int r;

    if (options->dial)
        return options->dial(options->dial_arg, deadline, ret_fd, err);
    (void) snprintf(port, sizeof(port), "%u", options->port);
    r = getaddrinfo(options->address, port, &hints, &addresses);
    if (r != 0)
        return error_set(err, -EHOSTUNREACH,
                         "the instance's name '%s' is not resolved: %s; check the address that the "
                         "provider gives and this machine's name servers",
                         options->address, gai_strerror(r));
    r = -EHOSTUNREACH;
    for (const struct addrinfo *at = addresses; at && r != 0; at = at->ai_next) {
        r = try_address(at, &options->watch,
                        MIN(deadline, now_ms() + fault_limit_ms("ssh_connect", CONNECT_MS)),
                        ret_fd);
        if (remote_was_stopped(r))
            break;
    }
    freeaddrinfo(addresses);
    return r < 0 ? tcp_failed(options, r, err) : 0;
}
