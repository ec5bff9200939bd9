/* core/provider/program.h - runs a program for a plugin (host->run), within its call's time. */
#pragma once

#include <flotilla/provider.h>
#include <stdint.h>

struct program_result {
    char text[512]; /* why it was not run, or the end of what it wrote to standard error */
};

/* Without a shell, in a process group of its own, with our environment less LD_* and FLOTILLA_*.
 * Standard output goes to `sink` (may be NULL), at most 1 MiB of it. Returns the exit status,
 * 128 + the signal that killed it, or a negative FLT_E_*; the group is killed when `cancel_fd`
 * becomes readable or the deadline passes. */
int32_t program_run(const char *const *argv, int64_t deadline_mono_ms, int cancel_fd,
                    flt_output_sink sink, void *arg, struct program_result *ret);
