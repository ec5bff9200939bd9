/* core/job/shell/powershell_quote.h - the one way a value enters a PowerShell script (hardening.md Q5). */
#pragma once

#include "core/base/buf.h"

/* Appends `value` as one expression: in single quotes, each single quote doubled, while all of it is printable ASCII.
 * Anything else goes as base64: PowerShell takes five characters for single quotes, code pages change bytes, and line
 * breaks change on their way. NUL can't be in a C string. */
void powershell_value(struct buf *out, const char *value);

/* Its bytes as an array, whatever they are. */
void powershell_bytes(struct buf *out, const char *value);

/* Appends the values as one array. */
void powershell_array(struct buf *out, const char *const *values, size_t n);

/* Appends a script as -EncodedCommand takes it; it is printable ASCII. */
void powershell_encode_command(struct buf *out, const char *script);
