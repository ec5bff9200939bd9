/* core/job/isolation.h - the plugin that makes VMs on the instance, for a job's worker (vm.c) and a ready gate
 * (probe_vms.c).
 *
 * It runs in a process of its own, which is forked before the worker meets anybody (isolation_process.c): what it reads
 * comes from an instance on which other people's jobs ran, and the worker holds a job's token and an instance's key. It
 * reaches the instance by the streams that it is given, nothing else.
 */
#pragma once

#include <stdint.h>

#include "core/base/error.h"
#include "core/base/json.h"
#include "core/job/connect/relay.h"

#define ISOLATION_VMS_MAX 64 /* on an instance (hardening.md N12) */
#define ISOLATION_TEXT_SIZE 256

struct isolation_vm {
    char id[ISOLATION_TEXT_SIZE], name[ISOLATION_TEXT_SIZE], addr[ISOLATION_TEXT_SIZE];
    char stomped[ISOLATION_TEXT_SIZE]; /* the VM that made way; "" = none */
};
struct isolation_vms {
    size_t n;
    struct isolation_vm items[ISOLATION_VMS_MAX];
};

struct isolation;
/* Loads the file in a process of its own, before the caller confines itself. What is wrong with the file,
 * isolation_open() tells. Negative errno. */
int isolation_start(const char *file, struct isolation **ret);
void isolation_stop(struct isolation *isolation); /* accepts NULL */

/* Gives the plugin its table, a JSON object. FLT_E_* with a sentence. */
int isolation_open(struct isolation *isolation, json_t *config, struct error *err);

/* How a call is waited for: its relay leads to the instance. */
struct isolation_wait {
    struct remote_watch watch;
    int64_t deadline_mono_ms;
};
/* FLT_E_* with a sentence; the watch's code when stopped; -EPIPE with the relay's sentence when the instance is lost,
 * -ESHUTDOWN when the plugin's process is no good any more. */
/* *ret has an id as soon as a VM was made, whatever is returned. */
int isolation_create(struct isolation *isolation, const struct isolation_wait *wait,
                     const char *image, int32_t slot, struct isolation_vm *ret, struct error *err);
int isolation_remove(struct isolation *isolation, const struct isolation_wait *wait, const char *id,
                     struct error *err);
int isolation_list(struct isolation *isolation, const struct isolation_wait *wait,
                   struct isolation_vms *ret, struct error *err);
