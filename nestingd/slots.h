/* nestingd/slots.h - which VMs there are, in which slots, and what each takes of the host: kept in the file vms.json, which
 * each change replaces in one step. Used by vms.c under its lock.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/base/error.h"
#include "nestingd/backend.h"

struct record {
    char id[VM_ID_SIZE];
    bool has_slot;
    int32_t slot;
    struct need need;
    /* Not in the file. */
    bool is_made; /* and nobody makes it any more */
    bool
        is_gone; /* it ended by itself: it takes nothing any more, but keeps its slot until that is wanted */
    bool is_doubted;
};

struct slots {
    int folder_fd; /* the caller's */
    struct record *records;
    size_t n;
};

/* All that are in the file, which are made. One that can't be read is put aside, and there are none. */
int slots_load(struct slots *slots, int folder_fd, struct error *err);
void slots_done(struct slots *slots);
/* On the disk before it returns; else there is no such record. */
int slots_add(struct slots *slots, const struct record *record, struct error *err);
/* The VM is gone: so is its record, also where the file can't be written and still names it. */
void slots_drop(struct slots *slots, const char *id);
/* Borrowed until the next change; NULL = none. */
struct record *slots_find(const struct slots *slots, const char *id);
struct record *slots_at(const struct slots *slots, int32_t slot);
