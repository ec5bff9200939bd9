/* core/base/environment.h - the environment that a program of ours or of others is started with.
 */
#pragma once

/* Ours without the variables whose names begin with one of the prefixes (the last is NULL). The
 * caller frees the array; the strings stay the environment's. NULL without memory. */
char **environment_without(const char *const *prefixes);
/* The same of those that do begin so. */
char **environment_with(const char *const *prefixes);
