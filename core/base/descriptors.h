/* core/base/descriptors.h - how many descriptors this process may still open. The supervisor asks
 * before it takes on work that needs some (hardening.md §9).
 */
#pragma once

#include <stdbool.h>

/* The limit that holds for us becomes the one that we may raise it to. Negative errno. */
int descriptors_raise_limit(void);
/* Can n more be opened? Where the limit is near that is tried, not counted, because a table has holes. The machine's own
 * limit is heeded by one that is opened for it. */
bool descriptors_left(unsigned n);
/* For people: the limit of this process. */
unsigned long descriptors_limit(void);
/* Of an open(), socket() or the like: there are none, or no memory for one, at the moment. */
bool descriptors_were_short(int error);
