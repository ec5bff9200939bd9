/* answer.c - what the daemon answers: it is on an instance that ran other people's jobs, so every field is checked before
 * the host sees it (hardening.md N12, V12). */
#include "nesting.h"

#include <stdlib.h>
#include <string.h>

#include "nesting.pb-c.h"

#define TEXT_LIMIT 255

static int32_t refuse(char *why, const char *text)
{
    (void) snprintf(why, FLT_ERROR_MAX, "it answered with %s", text);
    return FLT_E_INTERNAL;
}

static bool is_id(const char *id)
{
    static const char letters[] =
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._:/-";
    size_t len = strlen(id);

    return len >= 1 && len <= TEXT_LIMIT && strspn(id, letters) == len;
}

/* HOST, HOST:PORT, or nothing yet. */
static bool is_address(const char *text)
{
    static const char letters[] =
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._:[]%-";
    size_t len = strlen(text);

    return len <= TEXT_LIMIT && strspn(text, letters) == len;
}

/* An image's name is shown alone. */
static bool is_name(const char *text)
{
    for (const char *at = text; *at; at++)
        if (*at < ' ' || *at > '~')
            return false;
    return strlen(text) <= TEXT_LIMIT;
}

static int32_t emit(const Nesting__VirtualMachine *vm, const char *stomped, flt_vm_sink sink,
                    void *arg, char *why)
{
    struct flt_vm out = { .struct_size = sizeof(out),
                          .id = vm->id,
                          .name = is_name(vm->name) ? vm->name : "",
                          .addr = vm->addr,
                          .stomped_id = stomped };

    if (!is_id(vm->id))
        return refuse(why, "an id of a VM that is none");
    if (!is_address(vm->addr))
        return refuse(why, "an address of a VM that is none");
    return sink(arg, &out) == 0 ? FLT_OK : FLT_E_CANCELLED;
}

static int32_t emit_created(const Nesting__CreateResponse *response, flt_vm_sink sink, void *arg,
                            char *why)
{
    const char *stomped = response->stompedvmid;

    if (!response->vm)
        return refuse(why, "no VM");
    if (stomped && *stomped && !is_id(stomped))
        return refuse(why, "an id of a stomped VM that is none");
    return emit(response->vm, stomped && *stomped ? stomped : NULL, sink, arg, why);
}

int32_t answer_create(const unsigned char *data, size_t len, flt_vm_sink sink, void *arg, char *why)
{
    Nesting__CreateResponse *response = nesting__create_response__unpack(NULL, len, data);
    int32_t code;

    if (!response)
        return refuse(why, "bytes that are no CreateResponse");
    code = emit_created(response, sink, arg, why);
    nesting__create_response__free_unpacked(response, NULL);
    return code;
}

static int32_t emit_listed(const Nesting__ListResponse *response, flt_vm_sink sink, void *arg,
                           char *why)
{
    int32_t code = FLT_OK;

    if (response->n_vms > NESTING_VMS_MAX)
        return refuse(why, "more than 64 VMs");
    for (size_t i = 0; i < response->n_vms; i++)
        for (size_t j = 0; j < i; j++)
            if (strcmp(response->vms[i]->id, response->vms[j]->id) == 0)
                return refuse(why, "one VM twice");
    for (size_t i = 0; i < response->n_vms && code == FLT_OK; i++)
        code = emit(response->vms[i], NULL, sink, arg, why);
    return code;
}

int32_t answer_list(const unsigned char *data, size_t len, flt_vm_sink sink, void *arg, char *why)
{
    Nesting__ListResponse *response = nesting__list_response__unpack(NULL, len, data);
    int32_t code;

    if (!response)
        return refuse(why, "bytes that are no ListResponse");
    code = emit_listed(response, sink, arg, why);
    nesting__list_response__free_unpacked(response, NULL);
    return code;
}

/* Upstream's daemon has words alone for it: "no vm (ID) found". */
bool answer_is_missing(const struct flt_grpc_answer *answer)
{
    size_t len = strlen(answer->message);

    if (answer->status == FLT_GRPC_NOT_FOUND)
        return true;
    return answer->status == FLT_GRPC_UNKNOWN && strncmp(answer->message, "no vm (", 7) == 0 &&
           len > 7 && strcmp(answer->message + len - 7, ") found") == 0;
}

/* Upstream says "already initialized" where it means "not initialized", so either text will do. */
bool answer_is_about_init(const struct flt_grpc_answer *answer)
{
    return answer->status == FLT_GRPC_FAILED_PRECONDITION &&
           (strcmp(answer->message, "not initialized") == 0 ||
            strcmp(answer->message, "already initialized") == 0);
}

int32_t answer_result(int status)
{
    switch (status) {
    case FLT_GRPC_INVALID_ARGUMENT:
        return FLT_E_INVALID;
    case FLT_GRPC_DEADLINE_EXCEEDED:
        return FLT_E_TIMEOUT;
    case FLT_GRPC_NOT_FOUND:
        return FLT_E_NOT_FOUND;
    case FLT_GRPC_PERMISSION_DENIED:
    case FLT_GRPC_UNAUTHENTICATED:
        return FLT_E_AUTH;
    case FLT_GRPC_RESOURCE_EXHAUSTED:
        return FLT_E_QUOTA;
    case FLT_GRPC_UNIMPLEMENTED:
        return FLT_E_UNSUPPORTED;
    case FLT_GRPC_UNAVAILABLE:
        return FLT_E_UNAVAILABLE;
    default:
        return FLT_E_INTERNAL;
    }
}
