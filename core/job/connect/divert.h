/* core/job/connect/divert.h - instances of a cloud that is only played: their addresses lead nowhere. In a -Dfaults=true
 * build with FLOTILLA_LOOPBACK=PORT, one at 10.1.2.3 is looked for at 127.1.2.3, on that port. For jobs and probes,
 * before their sandbox learns where they may connect to.
 */
#pragma once

#include "core/base/json.h"

#ifdef FLOTILLA_FAULTS
/* Changes the `connect` object of a start frame. */
void divert_to_loopback(json_t *connect);
#else
static inline void divert_to_loopback(json_t *connect)
{
    (void) connect;
}
#endif
