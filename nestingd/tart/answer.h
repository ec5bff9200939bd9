/* nestingd/tart/answer.h - what `tart` prints, read without trusting it: texts in, nothing else. Used by command.c and
 * tart.c; fuzzed by tests/fuzz/fuzz_tart.c.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "nestingd/backend.h"

struct tart_machine {
    const char *name; /* of any form */
    bool stopped;     /* false when it runs, is suspended, or an old Tart does not say */
};

/* `tart list --format json`: each local machine, what `each` returns below 0 ends it. -EINVAL and a sentence when it is
 * anything but such a list: then nothing is known of any machine. */
int tart_read_list(const char *text, size_t len,
                   int (*each)(void *arg, const struct tart_machine *machine), void *arg,
                   struct error *err);
/* `tart get --format json`: what it does not say stays 0. */
int tart_read_get(const char *text, size_t len, struct need *ret, struct error *err);
/* `tart ip`: an IPv4 or IPv6 address with white space around it, nothing else. */
int tart_read_address(const char *text, size_t len, char ret[VM_ADDR_SIZE], struct error *err);
/* A line of progress, with or without the terminal's control sequences: "12%". False = it is another line. */
bool tart_read_percent(const char *line, int *ret);
/* Whether a machine's name is one that a daemon made. */
bool tart_is_ours(const char *name);
