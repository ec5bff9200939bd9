/* core/base/secret.c - the memory of secrets.
 *
 * Each secret has pages of its own between two that nobody may touch, so that running over its end
 * faults instead of reading a neighbour. Pages are left out of core dumps, locked when the limit
 * allows it, and wiped before they go back.
 */
#include "core/base/secret.h"

#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "core/base/mem.h"

struct secret {
    char *data; /* ends where the guard page begins */
    size_t len;
    void *mapping;
    size_t mapping_size;
};

static size_t page_size(void)
{
    long size = sysconf(_SC_PAGESIZE);

    return size > 0 ? (size_t) size : 4096;
}

/* Maps guard, data, guard; fills in the secret's members. */
static int map_pages(struct secret *secret, size_t len)
{
    size_t page = page_size();
    size_t inner;
    char *base;

    if (len >= PTRDIFF_MAX / 2)
        return -ENOMEM;
    inner = (len + 1 + page - 1) / page * page;
    base = mmap(NULL, inner + 2 * page, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (base == MAP_FAILED)
        return -ENOMEM;
    if (mprotect(base + page, inner, PROT_READ | PROT_WRITE) < 0) {
        (void) munmap(base, inner + 2 * page);
        return -ENOMEM;
    }
    (void) madvise(base + page, inner, MADV_DONTDUMP);
    (void) mlock(base + page, inner);
    secret->mapping = base;
    secret->mapping_size = inner + 2 * page;
    secret->data = base + page + inner - (len + 1);
    secret->len = len;
    return 0;
}

struct secret *secret_new(const char *data, size_t len)
{
    autofree struct secret *secret = mem_zero(sizeof(*secret));

    if (!secret || map_pages(secret, len) < 0)
        return NULL;
    if (len)
        memcpy(secret->data, data, len);
    secret->data[len] = '\0';
    return take_ptr(secret);
}

struct secret *secret_from_str(const char *text)
{
    return text ? secret_new(text, strlen(text)) : NULL;
}

struct secret *secret_dup(const struct secret *secret)
{
    return secret ? secret_new(secret->data, secret->len) : NULL;
}

void secret_free(struct secret *secret)
{
    if (!secret)
        return;
    secret_wipe(secret->data, secret->len);
    (void) munmap(secret->mapping, secret->mapping_size);
    free(secret);
}

const char *secret_reveal(const struct secret *secret)
{
    return secret ? secret->data : "";
}

size_t secret_len(const struct secret *secret)
{
    return secret ? secret->len : 0;
}
