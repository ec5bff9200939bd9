/* core/simulate/agenda.c - the heap of agenda.h. */
#include "core/simulate/agenda.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>

#include "core/base/mem.h"

void agenda_done(struct agenda *agenda)
{
    free(agenda->events);
    *agenda = (struct agenda) { 0 };
}

static bool before(const struct agenda_event *a, const struct agenda_event *b)
{
    return a->at_ms != b->at_ms ? a->at_ms < b->at_ms : a->order < b->order;
}

static void swap(struct agenda_event *a, struct agenda_event *b)
{
    struct agenda_event kept = *a;

    *a = *b;
    *b = kept;
}

int agenda_add(struct agenda *agenda, int64_t at_ms, int kind, size_t which)
{
    struct agenda_event *events;
    size_t i;

    if (agenda->n == agenda->cap) {
        size_t cap = agenda->cap ? agenda->cap * 2 : 256;

        events = mem_resize(agenda->events, cap, sizeof(*events));
        if (!events)
            return -ENOMEM;
        agenda->events = events;
        agenda->cap = cap;
    }
    events = agenda->events;
    i = agenda->n++;
    events[i] = (struct agenda_event) { at_ms, agenda->added++, kind, which };
    for (; i > 0 && before(&events[i], &events[(i - 1) / 2]); i = (i - 1) / 2)
        swap(&events[i], &events[(i - 1) / 2]);
    return 0;
}

int64_t agenda_next_ms(const struct agenda *agenda)
{
    return agenda->n > 0 ? agenda->events[0].at_ms : INT64_MAX;
}

struct agenda_event agenda_take(struct agenda *agenda)
{
    struct agenda_event *events = agenda->events, taken = events[0];
    size_t i = 0;

    events[0] = events[--agenda->n];
    for (;;) {
        size_t first = i;

        for (size_t child = 2 * i + 1; child <= 2 * i + 2 && child < agenda->n; child++)
            if (before(&events[child], &events[first]))
                first = child;
        if (first == i)
            return taken;
        swap(&events[i], &events[first]);
        i = first;
    }
}
