/* flotilla/isolation.h - what an isolation plugin is: VMs on an instance, made and removed for jobs, as a
 * shared object.
 *
 * An isolation exports exactly one symbol, flotilla_isolation_v1(), which returns a static descriptor and
 * does nothing else. The host copies the descriptor as it does that of a provider: an older plugin's
 * missing tail reads as NULL, a newer plugin's is not looked at.
 *
 * The rules for every slot are those of flotilla/provider.h, whose results, levels and calls are used
 * here, but for these:
 *   - The plugin lives in a process of its own for one instance, which has no files, no network and no
 *     programs. It reaches that instance by host->dial() alone.
 *   - A call may be made after another one was cancelled: remove() has a deadline of its own, which a
 *     cancelled job does not shorten.
 *   - An address is "HOST" or "HOST:PORT" as the instance sees it, at most 255 bytes; "" = not known yet.
 *
 * Growth: as in flotilla/provider.h. The promise holds from 1.0 of flotilla on; before that this header
 * may change.
 */
#ifndef FLOTILLA_ISOLATION_H
#define FLOTILLA_ISOLATION_H

#include <flotilla/provider.h>

#ifdef __cplusplus
extern "C" {
#endif

#define FLT_ISOLATION_MAGIC 0x464c5449u
#define FLT_ISOLATION_MINOR 0u /* the major is in the entry symbol's name */
#define FLT_ISOLATION_ENTRY "flotilla_isolation_v1"

/* Capabilities. Unknown bits mean nothing; a known bit whose slot is NULL is refused. */
#define FLT_ISOLATION_CAP_SHUTDOWN ((uint64_t) 1 << 0)

#define FLT_SLOT_NONE (-1)

typedef struct flt_vms flt_vms; /* the plugin's; made by open, ended by close */

/* One VM. */
struct flt_vm {
    uint32_t struct_size;
    uint32_t reserved; /* 0 */
    const char *id;    /* as a provider's ids */
    const char *name;  /* of its image, where the plugin knows it; else "" */
    const char *addr;  /* see above */
    const char
        *stomped_id; /* create alone: the VM that held the slot before and is removed; or NULL */
};

/* Returns 0 to go on; otherwise the plugin stops emitting and returns FLT_E_CANCELLED. */
typedef int32_t (*flt_vm_sink)(void *arg, const struct flt_vm *vm);

/* The host's services. Valid as long as what open made; read the size before a slot added after 1.0. */
struct flt_isolation_host {
    uint32_t struct_size;
    uint32_t abi_minor;

    /* As in struct flt_host. */
    void (*log)(flt_call *call, int32_t level, const char *text);
    int32_t (*fail)(flt_call *call, int32_t code, int64_t retry_after_ms, const char *text);
    int64_t (*time_left_ms)(flt_call *call);
    int32_t (*cancelled)(flt_call *call);
    int32_t (*cancel_fd)(flt_call *call);

    /* A stream to a socket of the instance: "unix:/PATH" or "tcp:HOST:PORT", where an address of IPv6 is in
     * brackets. *ret_fd is a stream socket that does not block, and the plugin's, which closes it before the
     * call returns. An error has its reason already. */
    int32_t (*dial)(flt_call *call, const char *address, int32_t *ret_fd);
};

struct flt_isolation {
    uint32_t magic;            /* FLT_ISOLATION_MAGIC */
    uint32_t struct_size;      /* sizeof, as the plugin was built */
    uint32_t abi_minor;        /* FLT_ISOLATION_MINOR of the header it was built with */
    uint32_t abi_minor_needed; /* oldest host it can work with */
    const char *name;          /* static, never freed */
    const char *version;
    uint64_t capabilities; /* FLT_ISOLATION_CAP_* */

    /* Reads the vm_isolation table (a JSON object; keys that are not the plugin's are the host's). A
     * wrong value is FLT_E_INVALID with a sentence that names the key. Dials nobody. */
    int32_t (*open)(const struct flt_isolation_host *host, flt_call *call, const char *config_json,
                    flt_vms **ret_vms);
    /* Last call; never concurrent with another. Leaves the VMs alone. */
    void (*close)(flt_vms *vms);
    /* Makes a VM of the image and emits it. With a slot (0 or more) a VM that holds it is removed first
     * and told as stomped_id; FLT_SLOT_NONE = no slot. After a failure the VM, if there is one, is left
     * for the next create in that slot. */
    int32_t (*create)(flt_vms *vms, flt_call *call, const char *image, int32_t slot,
                      flt_vm_sink sink, void *arg);
    /* Removes a VM. One that is not there is removed already. */
    int32_t (*remove)(flt_vms *vms, flt_call *call, const char *id);
    /* Emits every VM of the instance, each id once, also those whose slot is forgotten. FLT_OK means:
     * that was all. */
    int32_t (*list)(flt_vms *vms, flt_call *call, flt_vm_sink sink, void *arg);

    /* Optional from here: NULL is allowed. */

    /* Puts what makes the VMs out of service, for tools. Leaves the VMs alone. */
    int32_t (*shutdown)(flt_vms *vms, flt_call *call);
};

/* Size of struct flt_isolation up to and including list, frozen: no smaller one is a plugin. */
#define FLT_ISOLATION_SIZE_1_0                                                                     \
    ((uint32_t) (4 * sizeof(uint32_t) + 2 * sizeof(void *) + sizeof(uint64_t) + 5 * sizeof(void *)))

/* The same of the host's table, and of the record that a plugin hands out. */
#define FLT_ISOLATION_HOST_SIZE_1_0 ((uint32_t) (2 * sizeof(uint32_t) + 6 * sizeof(void *)))
#define FLT_VM_SIZE_1_0 ((uint32_t) (2 * sizeof(uint32_t) + 4 * sizeof(void *)))

/* The one symbol an isolation exports. */
FLT_EXPORT const struct flt_isolation *flotilla_isolation_v1(void);

#ifdef __cplusplus
}
#endif

#endif
