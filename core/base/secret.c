/* core/base/secret.c - values that wipe themselves (secret.h, hardening.md S1 and S2). */
#include "core/base/secret.h"

#include <string.h>
#include <sys/mman.h>

#include "core/base/mem.h"

/* Each secret has its own pages, kept out of core dumps, with a page nobody may touch on either
 * side. */
struct secret {
    char *data;
    size_t len, mapped;
};

void secret_wipe(void *data, size_t len)
{
    if (data && len > 0)
        explicit_bzero(data, len);
}

void secret_wipe_str(char *text)
{
    if (text)
        explicit_bzero(text, strlen(text));
}

struct secret *secret_new(const char *data, size_t len)
{
    struct secret *secret = mem_zero(sizeof(*secret));
    size_t page = (size_t) sysconf(_SC_PAGESIZE), body;
    char *base;

    if (!secret)
        return NULL;
    body = (len + 1 + page - 1) / page * page;
    secret->mapped = body + 2 * page;
    base = mmap(NULL, secret->mapped, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (base == MAP_FAILED || mprotect(base + page, body, PROT_READ | PROT_WRITE) < 0) {
        if (base != MAP_FAILED)
            (void) munmap(base, secret->mapped);
        free(secret);
        return NULL;
    }
    (void) madvise(base + page, body, MADV_DONTDUMP);
    (void) mlock(base + page, body);
    secret->data = base + page;
    secret->len = len;
    memcpy(secret->data, data, len);
    secret->data[len] = '\0';
    return secret;
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
    size_t page;

    if (!secret)
        return;
    page = (size_t) sysconf(_SC_PAGESIZE);
    explicit_bzero(secret->data, secret->len);
    (void) munmap(secret->data - page, secret->mapped);
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
