/* core/exec/listen_address.h - where a person wants to be listened: "127.0.0.1:8180", "[::1]:8180",
 * "localhost:8180".
 */
#pragma once

#include <stdint.h>
#include <sys/socket.h>

#include "core/base/error.h"

/* Numbers only, and localhost: a name would have to be looked up, and may be several. Port 0 is any
 * free one. */
int listen_address_parse(const char *text, struct sockaddr_storage *ret, struct error *err);

/* The URL for a runner of this machine: 0.0.0.0 and :: are shown as the loopback. NULL is
 * 127.0.0.1. */
void listen_address_url(const struct sockaddr_storage *address, uint16_t port, char *out,
                        size_t size);
