/* core/base/host_port.c - see the header. */
#include "core/base/host_port.h"

#include <string.h>

#include "core/base/str.h"

uint16_t host_port_split(char *text, char **ret_host, uint16_t port)
{
    char *colon = strrchr(text, ':'), *bracket = strrchr(text, ']');
    int64_t given;

    *ret_host = text;
    if (colon && (bracket ? colon > bracket : strchr(text, ':') == colon) &&
        parse_i64(colon + 1, 1, 65535, &given) == 0) {
        *colon = '\0';
        port = (uint16_t) given;
    }
    if (*text == '[' && bracket) {
        *bracket = '\0';
        *ret_host = text + 1;
    }
    return port;
}
