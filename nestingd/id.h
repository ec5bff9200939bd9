/* nestingd/id.h - the names of VMs and images (hardening.md V11, V12). Pure.
 */
#pragma once

#include <stdbool.h>

#include "core/base/random.h"
#include "nestingd/backend.h"

/* "nesting-" and eight of a-z0-9: ours, by its form. */
bool id_is_vm(const char *id);
void id_make(const struct rng *rng, char ret[VM_ID_SIZE]);
bool id_is_image(const char *name);
