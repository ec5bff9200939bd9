/* core/base/harden.h - what every process of ours gives up before it sees a secret or an outsider's
 * bytes (hardening.md S3).
 */
#pragma once

#include <stdint.h>

/* Not to be read or traced by others of the same user, no core files, no more rights by exec.
 * Negative errno. */
int harden_process(void);
/* RLIMIT_…; never raises: the machine may allow less. Negative errno. */
int harden_limit(int resource, uint64_t most);
/* Root's privileges go, but the one to reach its own files wherever they lie. Negative errno. */
int harden_drop_capabilities(void);
