/* core/provider/memory.h - a plugin that takes more and more memory ends in its worker, not in the
 * machine (hardening.md §5).
 *
 * Against leaks, not against malice: a plugin may raise the limit again, because what host->run
 * starts must have the machine's own. Instances of plugins/local are started that way.
 */
#pragma once

int memory_limit(void); /* in the worker, before it loads its plugin; negative errno */
/* Around the start of a program; nothing where there is no limit. */
void memory_limit_lift(void);
void memory_limit_restore(void);
