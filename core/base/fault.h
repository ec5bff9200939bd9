/* core/base/fault.h - the seams at which test builds break things (hardening.md §12).
 *
 * EFFECT("name", statement) marks an outside effect: in a -Dfaults=true build the points
 * name.before and name.after are counted, appended to $FLOTILLA_EFFECTS_LOG and are places where
 * $FLOTILLA_KILL_AT=name.before:N kills the process at once. In other builds it is the statement
 * alone. The names are listed in docs/design/processes.md.
 */
#pragma once

#include <stdint.h>

#ifdef FLOTILLA_FAULTS
void effect_point(const char *name, const char *side);
/* A time that no test can wait for, or an amount: FLOTILLA_LIMITS="name=MS,name=MS" replaces it. */
int64_t fault_limit_ms(const char *name, int64_t ms);
/* The wall clock: the file $FLOTILLA_WALL_CLOCK holds by how many ms it goes wrong. */
int64_t fault_wall_ms(int64_t wall_ms);
/* With FLOTILLA_BREACH set: does what a process does that was taken over, and runs a program. */
void fault_breach(void);
#else
static inline void fault_breach(void)
{
}
static inline int64_t fault_wall_ms(int64_t wall_ms)
{
    return wall_ms;
}
static inline int64_t fault_limit_ms(const char *name, int64_t ms)
{
    (void) name;
    return ms;
}
static inline void effect_point(const char *name, const char *side)
{
    (void) name;
    (void) side;
}
#endif

#define EFFECT(name, statement)                                                                    \
    do {                                                                                           \
        effect_point((name), "before");                                                            \
        statement;                                                                                 \
        effect_point((name), "after");                                                             \
    } while (0)
