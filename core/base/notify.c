/* core/base/notify.c - datagrams to the service manager (notify.h). The protocol is a few lines of text, which
 * sd_notify(3) itself recommends to write rather than to link a library for. */
#include "core/base/notify.h"

#include <errno.h>
#include <inttypes.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "core/base/autoclean.h"
#include "core/base/mem.h"
#include "core/base/str.h"

/* Takes a variable out of the environment; the caller frees. */
static char *take_variable(const char *name)
{
    char *value = mem_strdup(getenv(name));

    (void) unsetenv(name);
    return value;
}

/* An absolute path, or '@' and the name of an abstract socket. */
static int read_address(struct notify *notify, const char *name, struct error *err)
{
    char *path = notify->address.sun_path;

    notify->address.sun_family = AF_UNIX;
    if (name[0] != '/' && name[0] != '@')
        return error_set(err, -EAFNOSUPPORT,
                         "NOTIFY_SOCKET is neither a path nor an abstract socket");
    if (!name[1] || str_copy(path, sizeof(notify->address.sun_path), name) < 0)
        return error_set(err, -EINVAL, "NOTIFY_SOCKET is not a name that a socket may have");
    notify->size = (socklen_t) (offsetof(struct sockaddr_un, sun_path) + strlen(name));
    if (name[0] == '@')
        path[0] = '\0';
    else
        notify->size++;
    return 0;
}

/* The variables may be a parent's, who was asked for itself. */
static int64_t read_watchdog(const char *usec, const char *pid)
{
    int64_t asked = 0, interval = 0;

    if (pid && (parse_i64(pid, 1, INT32_MAX, &asked) < 0 || asked != getpid()))
        return 0;
    if (!usec || parse_i64(usec, 1000, INT64_MAX, &interval) < 0)
        return 0;
    return interval / 1000;
}

int notify_open(struct notify *ret, struct error *err)
{
    autofree char *name = take_variable("NOTIFY_SOCKET"), *usec = take_variable("WATCHDOG_USEC"),
                  *pid = take_variable("WATCHDOG_PID");
    int r;

    *ret = (struct notify) { .fd = -1 };
    if (str_empty(name))
        return 0;
    r = read_address(ret, name, err);
    if (r < 0)
        return r;
    ret->fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (ret->fd < 0)
        return error_errno(err, -errno, "the service manager's socket");
    ret->watchdog_ms = read_watchdog(usec, pid);
    return 0;
}

void notify_close(struct notify *notify)
{
    if (notify->fd >= 0)
        (void) close(notify->fd);
    notify->fd = -1;
}

int notify_send(const struct notify *notify, const char *lines)
{
    if (notify->fd < 0)
        return 0;
    return sendto(notify->fd, lines, strlen(lines), MSG_NOSIGNAL | MSG_DONTWAIT,
                  (const struct sockaddr *) &notify->address, notify->size) < 0
               ? -errno
               : 0;
}

int notify_reloading(const struct notify *notify)
{
    struct timespec now;
    char lines[80];

    (void) clock_gettime(CLOCK_MONOTONIC, &now);
    (void) snprintf(lines, sizeof(lines), "RELOADING=1\nMONOTONIC_USEC=%" PRId64,
                    (int64_t) now.tv_sec * 1000000 + now.tv_nsec / 1000);
    return notify_send(notify, lines);
}
