/* nestingd/qemu/arguments.h - the command that a guest is run by, from settings alone. Pure; used by machine.c, and by
 * template.c to see whether a frozen guest is still of the same machine.
 */
#pragma once

#include "nestingd/qemu/settings.h"

enum { ARGUMENTS_MAX = 96 };

struct arguments {
    char *items[ARGUMENTS_MAX]; /* the last is NULL */
    size_t n;
    int error;
};

struct launch {
    const char *folder; /* of the guest: its disk and its sockets */
    const char *name;   /* shown in lists of processes */
    const char *mac;    /* for a bridge */
    bool kvm, incoming; /* incoming: it waits for the state of a frozen one */
};

/* 0, or -ENOMEM or -E2BIG. What is there must be freed in either case. */
int arguments_make(struct arguments *arguments, const struct settings *image,
                   const struct launch *launch);
/* A machine of that kind with nothing but its BIOS, to see whether QEMU can run one. */
int arguments_make_empty(struct arguments *arguments, const struct settings *settings,
                         const struct launch *launch);
void arguments_done(struct arguments *arguments);

#define auto_arguments __attribute__((cleanup(arguments_done)))
