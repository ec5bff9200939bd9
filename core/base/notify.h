/* core/base/notify.h - tells the service manager how far this process is (sd_notify(3)): one datagram of
 * lines to the socket that NOTIFY_SOCKET names. Without that variable nothing is sent.
 *
 * The variables are taken out of the environment: what this process starts is not what they are about.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "core/base/error.h"

struct notify {
    int fd; /* -1 = nobody asked */
    struct sockaddr_un address;
    socklen_t size;
    int64_t watchdog_ms; /* a WATCHDOG=1 is expected within each; 0 = none is */
};

/* Always leaves what can be used: with a negative result nothing is sent. */
int notify_open(struct notify *ret, struct error *err);
void notify_close(struct notify *notify);
static inline bool notify_is_wanted(const struct notify *notify)
{
    return notify->fd >= 0;
}

/* "READY=1\nSTATUS=…". Never blocks; what is not taken is lost: 0 or a negative errno. */
int notify_send(const struct notify *notify, const char *lines);
/* RELOADING=1 with the time that is to go with it; READY=1 ends it. */
int notify_reloading(const struct notify *notify);
