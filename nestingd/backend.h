/* nestingd/backend.h - what makes and removes the VMs of the daemon: tart (tart/) or QEMU (qemu/).
 *
 * The daemon (service.c, vms.c) checks what a client said, keeps slots, waits for room and makes ids; a back end is
 * never given an id or an image that hardening.md V11 and V12 refuse. Calls block; each runs on a thread of its own, many
 * at once, but never two that make or remove the same id. A back end keeps in its folder whatever it needs to find its
 * VMs again after a restart of the daemon.
 *
 * Sentences go to the client behind the daemon's words: "starting vm: " (need, create), "stopping vm (ID): " (remove),
 * "fetching list: " (list). A back end says what comes then: "cloning image ID (IMAGE): clone IMAGE ID: exit status 1".
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "core/base/error.h"
#include "core/base/json.h"

#define VM_ID_PREFIX "nesting-"
#define VM_ID_SIZE (sizeof(VM_ID_PREFIX) + 8) /* eight of a-z0-9 behind it */
#define VM_ADDR_SIZE 256

/* A call of a client. It ends early, with -ECANCELED or -ETIMEDOUT, when the client goes or its time does. */
struct call {
    int64_t deadline_mono_ms; /* INT64_MAX = none */
    int cancel_fd;            /* readable from then on that it is to end */
};

struct vm {
    char id[VM_ID_SIZE];
    char name[256];          /* of its image, where it is known; else "" */
    char addr[VM_ADDR_SIZE]; /* "HOST" or "HOST:PORT" as seen from here; "" = none yet */
};

/* What a VM takes of the host; 0 = not known or nothing. */
struct need {
    unsigned cpus;
    int64_t memory_bytes, disk_bytes;
};

struct backend;

struct backend_kind {
    const char *name;  /* "tart" */
    unsigned most_vms; /* that the platform allows; 0 = no such limit */
    /* `folder` is absolute, there and private to the daemon. Touches no VM. */
    int (*open)(const char *folder, struct backend **ret, struct error *err);
    void (*close)(struct backend *backend); /* VMs go on */
    /* Lays the members of an object over the settings there are; unknown ones are ignored. -EINVAL with a sentence that
     * names the key, and nothing is changed. */
    int (*configure)(struct backend *backend, const json_t *settings, struct error *err);
    bool (*knows)(const char *key); /* whether it is one of those settings */
    /* The first call, once: whether what it needs is there, and which VMs of an earlier daemon go on. */
    int (*start)(struct backend *backend, const struct call *call, struct error *err);
    /* What a VM of the image will take; before create(). */
    int (*need)(struct backend *backend, const struct call *call, const char *image,
                struct need *ret, struct error *err);
    /* Returns with a VM that has an address. What it leaves when it fails, remove() is called for. */
    int (*create)(struct backend *backend, const struct call *call, const char *id,
                  const char *image, struct vm *ret, struct error *err);
    /* 0 also when there is none. */
    int (*remove)(struct backend *backend, const struct call *call, const char *id,
                  struct error *err);
    /* Each VM, also one that is being made or has no address; an error of `each` ends the list and is returned. */
    int (*list)(struct backend *backend, const struct call *call,
                int (*each)(void *arg, const struct vm *vm), void *arg, struct error *err);
};

extern const struct backend_kind backend_tart, backend_qemu;
