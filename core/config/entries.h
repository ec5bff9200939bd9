/* core/config/entries.h - who the [[runners]] of a config.toml are, for the commands that register, verify and remove
 * them.
 *
 * Everything else in the file may be wrong or for another program: an entry that `register` has just written lacks its
 * group of instances, and one of GitLab Runner's may be for Docker. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/base/buf.h"
#include "core/base/secret.h"

struct entry {
    char *name, *url, *executor; /* "" where not given */
    char *tls_ca_file, *tls_cert_file, *tls_key_file;
    char *token_file;     /* where that leads; "" where not given */
    struct secret *token; /* never NULL; of `token_file`, too */
    char *fault;          /* why `token` is "", for people; else NULL */
    int64_t id;
};
struct entries {
    struct entry *items;
    size_t n;
};

int entries_read(const struct buf *text, const char *file, struct entries *ret, struct error *err);
/* -ENOENT when there is no file. One that others can write is refused, as for a manager (hardening.md P2). */
int entries_load(const char *file, struct entries *ret, struct error *err);
void entries_done(struct entries *entries);
static inline void cleanup_entries(struct entries *entries)
{
    entries_done(entries);
}
#define autoentries __attribute__((cleanup(cleanup_entries)))

/* Has it this URL, but for slashes at its end, and this token? Several entries may be for one runner. */
bool entry_is(const struct entry *entry, const char *url, const char *token);
/* The number of the first such entry in a text that may have changed meanwhile; -ENOENT. */
int entries_find(const struct buf *text, const char *file, const char *url, const char *token,
                 size_t *ret, struct error *err);
