/* core/base/secret.h - a value that wipes itself, has no printf form and is easy to grep for
 * (hardening.md S1, S2).
 *
 * The memory is excluded from core dumps and locked when the system allows it. secret_reveal() is
 * the only way to the bytes.
 */
#pragma once

#include <stddef.h>

#include "core/base/autoclean.h"

struct secret;

struct secret *secret_new(const char *data, size_t len); /* copies; NULL when memory is short */
struct secret *secret_from_str(const char *text);        /* NULL text gives NULL */
struct secret *secret_dup(const struct secret *secret);
void secret_free(struct secret *secret); /* wipes; accepts NULL */
const char *secret_reveal(
    const struct secret *secret); /* NUL-terminated; "" for NULL; lives as long as the secret */
size_t secret_len(const struct secret *secret);

void secret_wipe(void *data, size_t len);
void secret_wipe_str(char *text); /* wipes a C string in place; accepts NULL */

DEFINE_AUTO_PTR(struct secret, secret_free)
