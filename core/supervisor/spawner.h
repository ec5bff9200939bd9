/* core/supervisor/spawner.h - the process that forks job workers and probes, seen from both ends.
 *
 * The supervisor execs it first; it warms up what workers need and then forks one for each request,
 * never seeing a payload (architecture.md §1, hardening.md X1). After a worker that died by a
 * signal, and at every reload, it is replaced by a fresh exec, so that nobody meets the same address
 * layout twice.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <uv.h>

#include "core/base/error.h"

struct spawner;

/* Who asks chooses the tags; here those of workers and probes are alike. */
struct spawner_events {
    /* The worker `tag` was forked as process `pid`, or could not be (`failure`, else NULL). */
    void (*on_spawned)(void *arg, int64_t tag, int64_t pid, const char *failure);
    /* The worker ended: exit status, or the signal that killed it (0 = none). */
    void (*on_exited)(void *arg, int64_t tag, int status, int signal);
    void *arg;
};

struct spawner_options {
    const char *self_exe;
    bool filter_calls; /* of the workers (hardening.md X4) */
};

int spawner_start(uv_loop_t *loop, const struct spawner_options *options,
                  const struct spawner_events *events, struct spawner **ret, struct error *err);

/* Asks for a worker; its control socket and spool descriptor are passed on and stay the caller's. `isolation`:
 * the plugin's file, which it loads before it confines itself; NULL = none. */
int spawner_spawn(struct spawner *spawner, int64_t tag, int control_fd, int spool_fd,
                  const char *isolation, struct error *err);

/* Asks for a probe (core/job/worker.h), which the kernel ends after so many seconds. */
int spawner_probe(struct spawner *spawner, int64_t tag, int control_fd, int64_t seconds,
                  const char *isolation, struct error *err);

/* A fresh process for the workers to come; the old one still tells of the ends of those it has. When it
 * cannot be started, nothing changes. */
int spawner_replace(struct spawner *spawner, bool filter_calls, struct error *err);

void spawner_stop(struct spawner *spawner); /* workers go on; accepts NULL */

/* Hidden subcommand `spawner [--no-seccomp]`: the process itself, its link on descriptor 3. */
int spawner_main(bool filter_calls);
