/* helper/archive/names.c - open addressing over one text; a name is found by its bytes. */
#include "helper/archive/names.h"

#include <errno.h>
#include <string.h>

#include "core/base/mem.h"
#include "core/base/random.h"

#define TEXT_MAX ((size_t) 1 << 30)

static uint64_t hash_of(const struct names *names, const char *name)
{
    uint64_t hash = names->seed;

    for (; *name; name++)
        hash = (hash ^ (unsigned char) *name) * UINT64_C(0x100000001b3);
    return hash ^ hash >> 32;
}

/* The slot that has the name, or is free for it. */
static uint32_t *slot_of(const struct names *names, const char *name)
{
    size_t at = (size_t) hash_of(names, name) & (names->n_slots - 1);

    while (names->slots[at] && strcmp(names->text.data + names->slots[at] - 1, name) != 0)
        at = (at + 1) & (names->n_slots - 1);
    return &names->slots[at];
}

static int grow(struct names *names)
{
    struct names grown = *names;

    grown.n_slots = names->n_slots ? names->n_slots * 2 : 1024;
    grown.slots = mem_array(grown.n_slots, sizeof(*grown.slots));
    if (!grown.slots)
        return -ENOMEM;
    if (!names->slots) {
        grown.seed = rng_u64(&rng_system);
        grown.text.max = TEXT_MAX;
    }
    for (size_t i = 0; names->slots && i < names->n_slots; i++)
        if (names->slots[i])
            *slot_of(&grown, names->text.data + names->slots[i] - 1) = names->slots[i];
    free(names->slots);
    *names = grown;
    return 0;
}

int names_add(struct names *names, const char *name, bool *ret_new)
{
    uint32_t *slot;

    if ((!names->slots || names->used * 2 >= names->n_slots) && grow(names) < 0)
        return -ENOMEM;
    slot = slot_of(names, name);
    *ret_new = *slot == 0;
    if (!*ret_new)
        return 0;
    *slot = (uint32_t) names->text.len + 1;
    buf_add(&names->text, name, strlen(name) + 1);
    names->used++;
    return buf_error(&names->text);
}

bool names_has(const struct names *names, const char *name)
{
    return names->slots && *slot_of(names, name) != 0;
}

void names_done(struct names *names)
{
    buf_done(&names->text);
    free(names->slots);
    *names = (struct names) { 0 };
}
