/* core/job/connect/winrm_sealed.h - the form in which an encrypted envelope travels (MS-WSMV 2.2.9.1): two parts, the
 * second of them a signature and what it seals. Pure; winrm_login.c makes and opens what is in it.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "core/base/buf.h"

struct sealed_piece {
    const void *data;
    size_t len;
};

/* The value of the header Content-Type. */
#define SEALED_TYPE                                                                                \
    "multipart/encrypted;protocol=\"application/HTTP-SPNEGO-session-encrypted\";"                  \
    "boundary=\"Encrypted Boundary\""

/* `plain_len` is that of what was sealed. */
void sealed_write(struct buf *out, size_t plain_len, struct sealed_piece signature,
                  struct sealed_piece data);
/* The pieces are borrowed from `body`. -EPROTO with a sentence. */
int sealed_read(const struct buf *body, size_t *ret_plain_len, struct sealed_piece *ret_signature,
                struct sealed_piece *ret_data, struct error *err);
