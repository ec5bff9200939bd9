/* core/exec/listen_address.c - HOST:PORT to a socket address and back to a URL. */
#include "core/exec/listen_address.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "core/base/address.h"

int listen_address_parse(const char *text, struct sockaddr_storage *ret, struct error *err)
{
    *ret = (struct sockaddr_storage) { 0 };
    if (address_parse(text, 0, ret) == 0)
        return 0;
    return error_set(err, -EINVAL,
                     "--listen '%s' is no address to listen on: write HOST:PORT with a number for "
                     "HOST, such as 127.0.0.1:8180 or [::1]:8180",
                     text);
}

void listen_address_url(const struct sockaddr_storage *address, uint16_t port, char *out,
                        size_t size)
{
    char host[INET6_ADDRSTRLEN] = "127.0.0.1";

    if (address && address->ss_family == AF_INET6) {
        struct sockaddr_in6 in6;

        memcpy(&in6, address, sizeof(in6));
        (void) inet_ntop(
            AF_INET6, IN6_IS_ADDR_UNSPECIFIED(&in6.sin6_addr) ? &in6addr_loopback : &in6.sin6_addr,
            host, sizeof(host));
        (void) snprintf(out, size, "http://[%s]:%u", host, port);
        return;
    }
    if (address) {
        struct sockaddr_in in;

        memcpy(&in, address, sizeof(in));
        if (in.sin_addr.s_addr != htonl(INADDR_ANY))
            (void) inet_ntop(AF_INET, &in.sin_addr, host, sizeof(host));
    }
    (void) snprintf(out, size, "http://%s:%u", host, port);
}
