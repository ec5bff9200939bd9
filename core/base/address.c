/* core/base/address.c - texts to socket addresses and back. */
#include "core/base/address.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>

#include "core/base/mem.h"
#include "core/base/str.h"

static void set_ipv4(struct sockaddr_storage *ret, struct in_addr host, uint16_t port)
{
    const struct sockaddr_in in = { .sin_family = AF_INET,
                                    .sin_port = htons(port),
                                    .sin_addr = host };

    *ret = (struct sockaddr_storage) { 0 };
    memcpy(ret, &in, sizeof(in));
}

static void set_ipv6(struct sockaddr_storage *ret, struct in6_addr host, uint16_t port)
{
    const struct sockaddr_in6 in6 = { .sin6_family = AF_INET6,
                                      .sin6_port = htons(port),
                                      .sin6_addr = host };

    *ret = (struct sockaddr_storage) { 0 };
    memcpy(ret, &in6, sizeof(in6));
}

static int parse_host(const char *host, uint16_t port, bool any, struct sockaddr_storage *ret)
{
    size_t len = strlen(host);
    struct in_addr in;
    struct in6_addr in6;

    if (any && len == 0) {
        set_ipv6(ret, in6addr_any, port);
        return 0;
    }
    if (inet_pton(AF_INET, str_eq(host, "localhost") ? "127.0.0.1" : host, &in) == 1) {
        set_ipv4(ret, in, port);
        return 0;
    }
    if (len > 2 && host[0] == '[' && host[len - 1] == ']') {
        autofree char *inner = mem_strndup(host + 1, len - 2);

        if (inner && inet_pton(AF_INET6, inner, &in6) == 1) {
            set_ipv6(ret, in6, port);
            return 0;
        }
    }
    return -EINVAL;
}

int address_parse(const char *text, uint16_t default_port, struct sockaddr_storage *ret)
{
    const char *colon = strrchr(text, ':');
    bool alone = default_port != 0 && (!colon || text[strlen(text) - 1] == ']');
    autofree char *host = NULL;
    int64_t port = default_port;

    if (alone)
        return *text ? parse_host(text, default_port, false, ret) : -EINVAL;
    if (!colon || parse_i64(colon + 1, 0, UINT16_MAX, &port) < 0)
        return -EINVAL;
    host = mem_strndup(text, (size_t) (colon - text));
    return host ? parse_host(host, (uint16_t) port, default_port != 0, ret) : -ENOMEM;
}

static bool ipv4_is_loopback(uint32_t host)
{
    return host >> 24 == IN_LOOPBACKNET;
}

bool address_is_loopback(const struct sockaddr_storage *address)
{
    struct sockaddr_in6 in6;
    struct sockaddr_in in;
    uint32_t mapped;

    if (address->ss_family == AF_INET) {
        memcpy(&in, address, sizeof(in));
        return ipv4_is_loopback(ntohl(in.sin_addr.s_addr));
    }
    if (address->ss_family != AF_INET6)
        return false;
    memcpy(&in6, address, sizeof(in6));
    if (!IN6_IS_ADDR_V4MAPPED(&in6.sin6_addr))
        return IN6_IS_ADDR_LOOPBACK(&in6.sin6_addr);
    memcpy(&mapped, &in6.sin6_addr.s6_addr[12], sizeof(mapped));
    return ipv4_is_loopback(ntohl(mapped));
}

uint16_t address_port(const struct sockaddr_storage *address)
{
    struct sockaddr_in6 in6;
    struct sockaddr_in in;

    if (address->ss_family == AF_INET6) {
        memcpy(&in6, address, sizeof(in6));
        return ntohs(in6.sin6_port);
    }
    memcpy(&in, address, sizeof(in));
    return ntohs(in.sin_port);
}

void address_format(const struct sockaddr_storage *address, char dst[ADDRESS_TEXT_SIZE])
{
    char host[INET6_ADDRSTRLEN] = "?";
    struct sockaddr_in6 in6;
    struct sockaddr_in in;

    if (address->ss_family == AF_INET6) {
        memcpy(&in6, address, sizeof(in6));
        (void) inet_ntop(AF_INET6, &in6.sin6_addr, host, sizeof(host));
        (void) snprintf(dst, ADDRESS_TEXT_SIZE, "[%s]:%u", host, address_port(address));
        return;
    }
    memcpy(&in, address, sizeof(in));
    (void) inet_ntop(AF_INET, &in.sin_addr, host, sizeof(host));
    (void) snprintf(dst, ADDRESS_TEXT_SIZE, "%s:%u", host, address_port(address));
}
