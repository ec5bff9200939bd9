/* core/exec/leftovers.h - what is left of a `flotilla exec` that may not end in order: its workers, and
 * everything on the local instances in its private directory.
 */
#pragma once

/* Marks this process: what it starts from now on, but for what runs on instances, is known by it. */
int leftovers_mark(const char *work_dir);

/* Kills what carries the mark, and what belongs to local instances below work_dir/state. `work_dir` is
 * what mkdtemp() made and nobody else has: a path that others use, too, would take them along. */
void leftovers_kill(const char *work_dir);
