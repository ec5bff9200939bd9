/* core/base/address.h - where is listened, as people write it: "127.0.0.1:8180", "[::1]:8180", "localhost:8180"; and
 * what a program says of such a place. Pure.
 */
#pragma once

#include <netinet/in.h>
#include <stdbool.h>
#include <sys/socket.h>

#define ADDRESS_TEXT_SIZE (INET6_ADDRSTRLEN + 8)

/* HOST:PORT, where HOST is a number or localhost: a name would have to be looked up, and may be several. Port 0 is
 * any free one. With a `default_port` other than 0, HOST alone and :PORT (every address of this machine) are taken,
 * too. -EINVAL for anything else. */
int address_parse(const char *text, uint16_t default_port, struct sockaddr_storage *ret);

/* A place that only this machine reaches, also when it is written as IPv4 in IPv6. */
bool address_is_loopback(const struct sockaddr_storage *address);
uint16_t address_port(const struct sockaddr_storage *address);
/* "127.0.0.1:8180", "[::1]:8180". */
void address_format(const struct sockaddr_storage *address, char dst[ADDRESS_TEXT_SIZE]);
