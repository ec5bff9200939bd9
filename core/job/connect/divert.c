/* core/job/connect/divert.c - see the header. */
#include "core/job/connect/divert.h"

#ifdef FLOTILLA_FAULTS

#include <arpa/inet.h>
#include <stdlib.h>

#include "core/base/str.h"

void divert_to_loopback(json_t *connect)
{
    const char *wanted = getenv("FLOTILLA_LOOPBACK"), *address = "";
    char diverted[INET_ADDRSTRLEN];
    struct in_addr parsed;
    int64_t port;

    if (!wanted || parse_i64(wanted, 1, 65535, &port) < 0)
        return;
    (void) json_opt_str(connect, "address", &address, NULL);
    if (inet_pton(AF_INET, address, &parsed) != 1)
        return;
    parsed.s_addr = htonl(INADDR_LOOPBACK & 0xff000000U) | (parsed.s_addr & htonl(0x00ffffffU));
    (void) inet_ntop(AF_INET, &parsed, diverted, sizeof(diverted));
    (void) json_add_str(connect, "address", diverted);
    (void) json_add_i64(connect, "port", port);
}

#endif
