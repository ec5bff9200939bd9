/* tests/fakes/good_isolation.c - an isolation that keeps every rule of the contract, all in memory, or, with one WRONG_…,
 * breaks one of them. */
#include <fcntl.h>
#include <flotilla/isolation.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define VMS_MAX 64

/* The instance: it outlives a handle that is closed. */
static struct {
    struct {
        bool exists;
        int32_t slot;
        char id[32];
    } vms[VMS_MAX];
    unsigned last;
} instance;

struct flt_vms {
    const struct flt_isolation_host *host;
};

static int32_t ended(flt_vms *vms, flt_call *call)
{
    return vms->host->cancelled(call) ? vms->host->fail(call, FLT_E_CANCELLED, 0, "cancelled")
                                      : FLT_OK;
}

static int32_t good_open(const struct flt_isolation_host *host, flt_call *call, const char *config,
                         flt_vms **ret_vms)
{
    flt_vms *vms = calloc(1, sizeof(*vms));

    if (!vms)
        return host->fail(call, FLT_E_INTERNAL, 0, "out of memory");
#ifdef WRONG_DIALS
    int32_t fd;

    (void) host->dial(call, "unix:/nowhere", &fd);
#endif
    if (strstr(config, "\"unusable\"")) {
        free(vms);
        return host->fail(call, FLT_E_INVALID, 0, "vm_isolation.unusable is set");
    }
    vms->host = host;
    *ret_vms = vms;
    return FLT_OK;
}

static void good_close(flt_vms *vms)
{
    free(vms);
}

static int32_t emit(unsigned i, const char *stomped, flt_vm_sink sink, void *arg)
{
    struct flt_vm vm = { .struct_size = sizeof(vm),
                         .id = instance.vms[i].id,
                         .name = "image",
                         .addr = "192.0.2.1",
                         .stomped_id = stomped };

#ifdef WRONG_ADDR
    vm.addr = "no address";
#endif
    return sink(arg, &vm) == 0 ? FLT_OK : FLT_E_CANCELLED;
}

static int32_t good_create(flt_vms *vms, flt_call *call, const char *image, int32_t slot,
                           flt_vm_sink sink, void *arg)
{
    char stomped[32] = "";
    int32_t code = ended(vms, call);
    unsigned place = VMS_MAX;

    (void) image;
    for (unsigned i = VMS_MAX; i-- > 0;) {
        if (instance.vms[i].exists && slot >= 0 && instance.vms[i].slot == slot && code == FLT_OK) {
            (void) snprintf(stomped, sizeof(stomped), "%s", instance.vms[i].id);
            instance.vms[i].exists = false;
        }
        if (!instance.vms[i].exists)
            place = i;
    }
    if (code != FLT_OK)
        return code;
    if (place == VMS_MAX)
        return vms->host->fail(call, FLT_E_QUOTA, 0, "there is no room");
    instance.vms[place].exists = true;
    instance.vms[place].slot = slot;
    (void) snprintf(instance.vms[place].id, sizeof(instance.vms[place].id), "vm-%u",
                    ++instance.last);
#ifdef WRONG_SILENT
    *stomped = '\0';
#endif
#ifdef WRONG_NO_VM
    return FLT_OK;
#endif
    return emit(place, *stomped ? stomped : NULL, sink, arg);
}

static int32_t good_remove(flt_vms *vms, flt_call *call, const char *id)
{
    int32_t code = ended(vms, call);

    for (unsigned i = 0; i < VMS_MAX && code == FLT_OK; i++)
        if (instance.vms[i].exists && strcmp(instance.vms[i].id, id) == 0) {
#ifndef WRONG_KEEPS
            instance.vms[i].exists = false;
#endif
            return FLT_OK;
        }
#ifdef WRONG_UNKNOWN
    return vms->host->fail(call, FLT_E_NOT_FOUND, 0, "there is no such VM");
#endif
    return code;
}

static int32_t good_list(flt_vms *vms, flt_call *call, flt_vm_sink sink, void *arg)
{
    int32_t code = ended(vms, call);

#ifdef WRONG_DEAF
    if (code != FLT_OK)
        (void) poll(NULL, 0, 1200);
#endif
#ifdef WRONG_LEAKS
    (void) open("/dev/null", O_RDONLY | O_CLOEXEC);
#endif
    for (unsigned i = 0; i < VMS_MAX && code == FLT_OK; i++)
        if (instance.vms[i].exists) {
            code = emit(i, NULL, sink, arg);
#ifdef WRONG_GOES_ON
            code = FLT_OK;
#endif
        }
    return code;
}

static const struct flt_isolation good = {
    .magic = FLT_ISOLATION_MAGIC,
    .struct_size = sizeof(struct flt_isolation),
    .abi_minor = FLT_ISOLATION_MINOR,
    .name = "good",
    .version = "1",
    .open = good_open,
    .close = good_close,
    .create = good_create,
    .remove = good_remove,
    .list = good_list,
};

const struct flt_isolation *flotilla_isolation_v1(void)
{
    return &good;
}
