/* core/cli/plugin_try_greet.c - is there an SSH server where an instance is said to be? Its first line is read, and nothing is
 * sent: whose key it has is the workers' business. */
#include <errno.h>
#include <netdb.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "core/base/io.h"
#include "core/base/str.h"
#include "core/cli/plugin_try_parts.h"
#include "core/job/connect/divert.h"

#define PATIENCE_MS 10000
#define SSH_PORT 22

static int wait_for(int fd, short events)
{
    struct pollfd ready = { .fd = fd, .events = events };
    int r = poll(&ready, 1, PATIENCE_MS);

    return r < 0 ? -errno : r == 0 ? -ETIMEDOUT : 0;
}

static int connect_to(const struct addrinfo *address)
{
    autoclose int fd = socket(address->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    socklen_t len = sizeof(int);
    int error = 0, r;

    if (fd < 0)
        return -errno;
    if (io_connect(fd, address->ai_addr, address->ai_addrlen) < 0 && errno != EINPROGRESS)
        return -errno;
    r = wait_for(fd, POLLOUT);
    if (r == 0 && getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &len) < 0)
        return -errno;
    return r < 0 ? r : error != 0 ? -error : take_fd(&fd);
}

static int read_banner(int fd, char *banner, size_t size)
{
    ssize_t n;
    int r = wait_for(fd, POLLIN);

    if (r < 0)
        return r;
    n = io_read(fd, banner, size - 1);
    if (n < 0)
        return -errno;
    banner[n] = '\0';
    banner[strcspn(banner, "\r\n")] = '\0';
    return str_starts(banner, "SSH-") ? 0 : -EPROTO;
}

int try_greet(struct trial *trial, struct buf *told, struct error *err)
{
    const struct addrinfo hints = { .ai_socktype = SOCK_STREAM };
    const char *address;
    struct addrinfo *found = NULL;
    char service[8], banner[256] = "";
    int64_t port = SSH_PORT;
    autoclose int fd = -1;
    int r;

    divert_to_loopback(trial->connect);
    address = try_text(trial->connect, "address");
    (void) json_opt_i64(trial->connect, "port", 0, 65535, &port, NULL);
    (void) snprintf(service, sizeof(service), "%u", (unsigned) (port > 0 ? port : SSH_PORT));
    r = getaddrinfo(address, service, &hints, &found);
    if (r != 0)
        return error_set(err, -EHOSTUNREACH, "instance %s: %s: %s", trial->id, address,
                         gai_strerror(r));
    fd = connect_to(found);
    freeaddrinfo(found);
    r = fd < 0 ? fd : read_banner(fd, banner, sizeof(banner));
    if (r < 0)
        return error_set(err, r, "instance %s: %s port %s: %s", trial->id, address, service,
                         r == -EPROTO ? "what answers there is no SSH server" : strerror(-r));
    buf_addf(told, "instance %s answers at %s port %s as %s", trial->id, address, service, banner);
    return 0;
}
