/* core/job/connect/ssh_wire.h - reading SSH's own encoding: numbers and strings behind their length. What is read may
 * be anything. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct ssh_wire {
    const unsigned char *at;
    size_t left;
};

static inline bool ssh_wire_u32(struct ssh_wire *wire, uint32_t *ret)
{
    if (wire->left < 4)
        return false;
    *ret = (uint32_t) wire->at[0] << 24 | (uint32_t) wire->at[1] << 16 |
           (uint32_t) wire->at[2] << 8 | wire->at[3];
    wire->at += 4;
    wire->left -= 4;
    return true;
}

/* A string, as a piece of what is read. */
static inline bool ssh_wire_string(struct ssh_wire *wire, struct ssh_wire *ret)
{
    uint32_t len;

    if (!ssh_wire_u32(wire, &len) || len > wire->left)
        return false;
    *ret = (struct ssh_wire) { wire->at, len };
    wire->at += len;
    wire->left -= len;
    return true;
}

static inline bool ssh_wire_is(const struct ssh_wire *string, const char *text)
{
    return string->left == strlen(text) && memcmp(string->at, text, string->left) == 0;
}
