/* sdk/check/isolation_calls.c - the slots of an isolation under test, and a sink that judges the VMs that it emits. */
#include <inttypes.h>
#include <string.h>

#include "core/base/str.h"
#include "core/plugin/plugin.h"
#include "core/provider/check.h"
#include "sdk/check/isolation.h"

#define ADDRESS_MAX 255

/* What is wrong with it; NULL: nothing. */
static const char *judge(const struct kit_call *call, const struct flt_vm *vm)
{
    if (!vm->addr || !provider_text_valid(vm->addr) || strlen(vm->addr) > ADDRESS_MAX)
        return "whose address is no text of at most 255 bytes";
    if (strpbrk(vm->addr, " /@\t\n"))
        return "whose address is neither HOST nor HOST:PORT";
    if (!vm->name || !provider_text_valid(vm->name))
        return "whose name is no text";
    if (vm->stomped_id && strcmp(call->verb, "create") != 0)
        return "with a stomped id; only create may tell one";
    if (vm->stomped_id && !plugin_id_valid(vm->stomped_id))
        return "whose stomped id is none";
    return NULL;
}

static int32_t take_vm(void *arg, const struct flt_vm *raw)
{
    struct flt_vm vm = { 0 };
    struct kit_call *call = arg;
    const char *wrong;

    if (!kit_sink_usable(call, raw) || !kit_has_size(call, raw->struct_size, FLT_VM_SIZE_1_0))
        return 1;
    memcpy(&vm, raw, MIN((size_t) raw->struct_size, sizeof(vm)));
    wrong = judge(call, &vm);
    if (wrong)
        kit_fail(call->kit, "%s emitted a VM %s", call->verb, wrong);
    else
        kit_take(call, vm.id, 0);
    if (vm.stomped_id && !wrong)
        call->stomped = kit_copy(vm.stomped_id);
    return kit_wants_more(call);
}

int32_t vms_open(struct kit *kit, struct kit_how how, const char *config,
                 struct kit_call **ret_call)
{
    struct kit_call *call = *ret_call = kit_begin(kit, "open", how);
    const char *lent = kit_lend(call, config);
    int32_t code;

    kit->vms = NULL;
    code = kit_end(call,
                   kit->isolation.open(kit->isolation_host, kit_call_ptr(call), lent, &kit->vms));
    if (code == FLT_OK && !kit->vms)
        kit_fail(kit, "open returned FLT_OK without a handle");
    if (call->dialled)
        kit_fail(kit, "open dialled the instance; the first real call does");
    if (code != FLT_OK)
        kit->vms = NULL;
    return code;
}

void vms_close(struct kit *kit)
{
    struct kit_call *call;

    if (!kit->vms)
        return;
    call = kit_begin(kit, "close", (struct kit_how) { 0 });
    kit->isolation.close(take_ptr(kit->vms));
    (void) kit_end(call, FLT_OK);
}

int32_t vms_create(struct kit *kit, struct kit_how how, const char *image, int32_t slot,
                   struct kit_call **ret_call)
{
    struct kit_call *call = *ret_call = kit_begin(kit, "create", how);
    const char *lent = kit_lend(call, image);

    (void) kit_end(call,
                   kit->isolation.create(kit->vms, kit_call_ptr(call), lent, slot, take_vm, call));
    if (call->code == FLT_OK && call->emitted.n != 1)
        kit_fail(kit, "create emitted %zu VMs, not one", call->emitted.n);
    return call->code;
}

int32_t vms_remove(struct kit *kit, struct kit_how how, const char *id, struct kit_call **ret_call)
{
    struct kit_call *call = *ret_call = kit_begin(kit, "remove", how);
    const char *lent = kit_lend(call, id);

    return kit_end(call, kit->isolation.remove(kit->vms, kit_call_ptr(call), lent));
}

int32_t vms_list(struct kit *kit, struct kit_how how, struct kit_call **ret_call)
{
    struct kit_call *call = *ret_call = kit_begin(kit, "list", how);

    return kit_end(call, kit->isolation.list(kit->vms, kit_call_ptr(call), take_vm, call));
}
