/* nestingd/tart/guests.h - the VMs that this daemon started, and their processes. Used by tart.c from many threads; no two
 * of them at once for the same id, and a VM's thread alone touches its process.
 */
#pragma once

#include <pthread.h>
#include <stdbool.h>

#include "nestingd/process.h"

struct guest {
    struct guest *next;
    struct vm vm;            /* no address = it is being made */
    struct process *process; /* NULL before it runs */
};

struct guests {
    pthread_mutex_t lock;
    struct guest *first;
};

void guests_init(struct guests *guests);
void guests_done(struct guests *guests); /* they go on */
/* One that is being made; NULL without memory. */
struct guest *guests_add(struct guests *guests, const char *id, const char *image);
void guests_set_address(struct guests *guests, struct guest *guest, const char addr[VM_ADDR_SIZE]);
/* Out of the table, the caller's from now on; NULL when there is none. */
struct guest *guests_take(struct guests *guests, const char *id);
void guest_free(struct guest *guest); /* lets go of its process; NULL is allowed */
/* Copies what is known of one; without its address when it has ended. False when there is none. */
bool guests_find(struct guests *guests, const char *id, struct vm *ret);
/* The n-th that is being made: false behind the last. */
bool guests_find_being_made(struct guests *guests, size_t n, struct vm *ret);

DEFINE_AUTO_PTR(struct guest, guest_free)
