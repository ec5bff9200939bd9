/* core/base/host_port.h - where something listens, as people and plugins write it. */
#pragma once

#include <stdint.h>

/* "HOST", "HOST:PORT", "[ADDRESS]:PORT" or an address of IPv6: the port, else the given one. `text` may be cut at the
 * host's end; *ret_host lies in it. */
uint16_t host_port_split(char *text, char **ret_host, uint16_t port);
