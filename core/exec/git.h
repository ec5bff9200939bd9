/* core/exec/git.h - running git: no shell, none of the caller's GIT_ variables, what it prints
 * given back. Used by snapshot.c only. */
#pragma once

#include "core/base/buf.h"
#include "core/base/error.h"

struct git_run {
    const char *dir;              /* git -C */
    const char *const *variables; /* NAME=VALUE for this run, NULL-terminated; may be NULL */
    const char *const *args;      /* without "git", NULL-terminated */
};

/* Waits for the end. Exit status 0: 0 and the output without its last newline in *out (may be
 * NULL). Another one: -EREMOTEIO and git's own words as the message. */
int git_run(const struct git_run *run, struct buf *out, struct error *err);
