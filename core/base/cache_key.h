/* core/base/cache_key.h - the one canonical form of a cache key (hardening.md V10): the worker names
 * archives by it, and the supervisor signs nothing that is not in it. */
#pragma once

/* `\` becomes `/`, %2f and %2e are decoded, `.` and `..` resolved under a virtual root, trailing white
 * space of the last part cut. 0 with *ret to free; -EINVAL when nothing is left. Idempotent. */
int cache_key_canonical(const char *key, char **ret);
