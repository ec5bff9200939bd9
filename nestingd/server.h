/* nestingd/server.h - the daemon's one loop: takes connections, moves their bytes, and hands each call to a thread. Used by
 * serve.c, which says what calls do.
 */
#pragma once

#include "core/base/error.h"
#include "nestingd/running.h"

struct server_options {
    int listener;     /* stays the caller's; does not block */
    const char *path; /* of its socket, which goes when the daemon begins to stop */
    int stop_fd; /* a byte: take no more calls and stop when those that run are done; another: end those, too */
    running_handler handle;
    void *arg;
};

/* Until it is to stop: 0, or negative. */
int server_run(const struct server_options *options, struct error *err);
