/* core/exec/git.h - running git: no shell, none of the caller's GIT_ variables, what it prints
 * given back. Used by snapshot.c and changes.c. */
#pragma once

#include "core/base/buf.h"
#include "core/base/error.h"

struct git_run {
    const char *dir;              /* git -C */
    const char *const *variables; /* NAME=VALUE for this run, NULL-terminated; may be NULL */
    const char *const *args;      /* without "git", NULL-terminated */
    size_t max;                   /* bytes of output; 0 = 1 MiB */
};

/* Waits for the end. Exit status 0: 0 and the output without its last newline in *out (may be
 * NULL). Another one: -EREMOTEIO and git's own words as the message. */
int git_run(const struct git_run *run, struct buf *out, struct error *err);
