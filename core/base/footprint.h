/* core/base/footprint.h - giving memory back to the machine after a phase that needed more than the
 * rest of a process's life will: start-up, warming up, connecting.
 */
#pragma once

/* What free() keeps for later. */
void footprint_trim_heap(void);
/* Pages of code and constants of the program and its libraries. Those still needed come back from
 * the page cache as they are touched; a manager at rest touches a third of what starting it did. */
void footprint_trim_image(void);
