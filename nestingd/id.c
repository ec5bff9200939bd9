/* nestingd/id.c - see id.h. */
#include "nestingd/id.h"

#include <string.h>

#include "core/base/str.h"

static const char letters[] = "abcdefghijklmnopqrstuvwxyz0123456789";

#define IMAGE_MAX 255

bool id_is_vm(const char *id)
{
    return str_starts(id, VM_ID_PREFIX) && strlen(id) == VM_ID_SIZE - 1 &&
           strspn(id + strlen(VM_ID_PREFIX), letters) == VM_ID_SIZE - sizeof(VM_ID_PREFIX);
}

void id_make(const struct rng *rng, char ret[VM_ID_SIZE])
{
    size_t n = strlen(VM_ID_PREFIX);

    memcpy(ret, VM_ID_PREFIX, n);
    while (n < VM_ID_SIZE - 1)
        ret[n++] = letters[rng_below(rng, sizeof(letters) - 1)];
    ret[n] = '\0';
}

bool id_is_image(const char *name)
{
    static const char allowed[] =
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._/:@-";
    size_t len = strlen(name);

    return len >= 1 && len <= IMAGE_MAX && strspn(name, allowed) == len &&
           !strchr("._/:@-", name[0]);
}
