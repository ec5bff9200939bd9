/* core/exec/listen_address.c - HOST:PORT to a socket address and back to a URL. */
#include "core/exec/listen_address.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>

#include "core/base/mem.h"
#include "core/base/str.h"

static bool parse_host(const char *host, int64_t port, struct sockaddr_storage *ret)
{
    struct sockaddr_in in = { .sin_family = AF_INET, .sin_port = htons((uint16_t) port) };
    struct sockaddr_in6 in6 = { .sin6_family = AF_INET6, .sin6_port = htons((uint16_t) port) };
    size_t len = strlen(host);

    if (inet_pton(AF_INET, str_eq(host, "localhost") ? "127.0.0.1" : host, &in.sin_addr) == 1) {
        memcpy(ret, &in, sizeof(in));
        return true;
    }
    if (len > 2 && host[0] == '[' && host[len - 1] == ']') {
        autofree char *inner = mem_strndup(host + 1, len - 2);

        if (inner && inet_pton(AF_INET6, inner, &in6.sin6_addr) == 1) {
            memcpy(ret, &in6, sizeof(in6));
            return true;
        }
    }
    return false;
}

int listen_address_parse(const char *text, struct sockaddr_storage *ret, struct error *err)
{
    const char *colon = strrchr(text, ':');
    autofree char *host = colon ? mem_strndup(text, (size_t) (colon - text)) : NULL;
    int64_t port = 0;

    *ret = (struct sockaddr_storage) { 0 };
    if (host && parse_i64(colon + 1, 0, UINT16_MAX, &port) == 0 && parse_host(host, port, ret))
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
