/* core/base/landlock.h - which files a process may still open, and where it may still connect to, by
 * Linux's Landlock.
 *
 * Best effort (hardening.md X3): what the kernel's level does not know stays open, so landlock_level()
 * belongs into a log. Called by processes that meet strangers, after PR_SET_NO_NEW_PRIVS.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct landlock_rules {
    const char *const *readable; /* files, and folders with what is in them */
    size_t n_readable;
    const char *const *programs; /* may be run, too */
    size_t n_programs;
    const char *const *writable; /* everything may be done with them, and below */
    size_t n_writable;
    bool resolver;     /* also what names are looked up with: settings, and the modules they name */
    bool certificates; /* also the system's certificates, and OpenSSL's own settings */
    const uint16_t *ports; /* of TCP connections; the kernel knows them from level 4 on */
    size_t n_ports;
    bool any_port; /* instead */
};

int landlock_level(void); /* the kernel's ABI; 0 = it has no Landlock */

/* For good: nothing but these files can be opened, and no other port connected
 * to; from level 6 on no process outside can be sent a signal or reached by an abstract socket. What
 * is open stays usable; a path that leads nowhere is skipped. 0 without Landlock, too; negative
 * errno. */
int landlock_confine(const struct landlock_rules *rules);
