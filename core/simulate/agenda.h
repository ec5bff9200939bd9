/* core/simulate/agenda.h - what is to happen and when: a heap of events in virtual time. */
#pragma once

#include <stddef.h>
#include <stdint.h>

struct agenda_event {
    int64_t at_ms;
    uint64_t order; /* of events of one moment: as they were added */
    int kind;
    size_t which;
};
struct agenda {
    struct agenda_event *events;
    size_t n, cap;
    uint64_t added;
};
void agenda_done(struct agenda *agenda);
int agenda_add(struct agenda *agenda, int64_t at_ms, int kind, size_t which);
int64_t agenda_next_ms(const struct agenda *agenda);    /* INT64_MAX = nothing */
struct agenda_event agenda_take(struct agenda *agenda); /* the first; there is one */
