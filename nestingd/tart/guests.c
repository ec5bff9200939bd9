/* nestingd/tart/guests.c - see guests.h. */
#include "nestingd/tart/guests.h"

#include <errno.h>

#include "core/base/mem.h"
#include "core/base/str.h"

void guests_init(struct guests *guests)
{
    guests->first = NULL;
    (void) pthread_mutex_init(&guests->lock, NULL);
}

void guest_free(struct guest *guest)
{
    if (guest)
        process_free(guest->process);
    free(guest);
}

void guests_done(struct guests *guests)
{
    for (struct guest *next; guests->first; guests->first = next) {
        next = guests->first->next;
        guest_free(guests->first);
    }
    (void) pthread_mutex_destroy(&guests->lock);
}

struct guest *guests_add(struct guests *guests, const char *id, const char *image)
{
    struct guest *guest = mem_zero(sizeof(*guest));

    if (!guest)
        return NULL;
    (void) str_copy(guest->vm.id, sizeof(guest->vm.id), id);
    (void) str_copy(guest->vm.name, sizeof(guest->vm.name), image);
    (void) pthread_mutex_lock(&guests->lock);
    guest->next = guests->first;
    guests->first = guest;
    (void) pthread_mutex_unlock(&guests->lock);
    return guest;
}

void guests_set_address(struct guests *guests, struct guest *guest, const char addr[VM_ADDR_SIZE])
{
    (void) pthread_mutex_lock(&guests->lock);
    (void) str_copy(guest->vm.addr, sizeof(guest->vm.addr), addr);
    (void) pthread_mutex_unlock(&guests->lock);
}

struct guest *guests_take(struct guests *guests, const char *id)
{
    struct guest **at = &guests->first;
    struct guest *found;

    (void) pthread_mutex_lock(&guests->lock);
    while (*at && !str_eq((*at)->vm.id, id))
        at = &(*at)->next;
    found = *at;
    if (found)
        *at = found->next;
    (void) pthread_mutex_unlock(&guests->lock);
    return found;
}

bool guests_find(struct guests *guests, const char *id, struct vm *ret)
{
    bool found = false;

    (void) pthread_mutex_lock(&guests->lock);
    for (struct guest *guest = guests->first; guest && !found; guest = guest->next) {
        found = str_eq(guest->vm.id, id);
        if (found)
            *ret = guest->vm;
        /* The thread that makes it is done with the process once there is an address. */
        if (found && *ret->addr && process_result(guest->process, NULL) != -EAGAIN)
            *ret->addr = '\0';
    }
    (void) pthread_mutex_unlock(&guests->lock);
    return found;
}

bool guests_find_being_made(struct guests *guests, size_t n, struct vm *ret)
{
    bool found = false;

    (void) pthread_mutex_lock(&guests->lock);
    for (struct guest *guest = guests->first; guest && !found; guest = guest->next) {
        found = !*guest->vm.addr && n-- == 0;
        if (found)
            *ret = guest->vm;
    }
    (void) pthread_mutex_unlock(&guests->lock);
    return found;
}
