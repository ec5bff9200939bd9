/* tests/fuzz/fuzz_nesting_answer.c - whatever message a nesting daemon answers with: the VMs that come of it keep the rules
 * of flotilla/isolation.h, and a refusal has a sentence. The first byte says which answer it is. */
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "plugins/nesting/nesting.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool holds)
{
    if (!holds)
        abort();
}

static void require_id(const char *id)
{
    require(strlen(id) >= 1 && strlen(id) <= 255);
    for (; *id; id++)
        require((*id >= '-' && *id <= ':') || *id == '_' || (*id >= 'A' && *id <= 'Z') ||
                (*id >= 'a' && *id <= 'z'));
}

static int32_t see(void *arg, const struct flt_vm *vm)
{
    unsigned *count = arg;

    ++*count;
    require_id(vm->id);
    if (vm->stomped_id)
        require_id(vm->stomped_id);
    require(strlen(vm->addr) <= 255 && !strpbrk(vm->addr, " /@\n\x1b"));
    require(strlen(vm->name) <= 255 && !strpbrk(vm->name, "\n\x1b"));
    return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    bool list = size > 0 && (data[0] & 1);
    char why[FLT_ERROR_MAX] = "";
    unsigned count = 0;
    int32_t code;

    if (size == 0)
        return 0;
    code = list ? answer_list(data + 1, size - 1, see, &count, why)
                : answer_create(data + 1, size - 1, see, &count, why);
    require(code == FLT_OK || code == FLT_E_INTERNAL);
    require((code == FLT_OK) == (*why == '\0'));
    require(count <= (list ? NESTING_VMS_MAX : 1));
    return 0;
}
