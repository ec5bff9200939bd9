/* core/job/connect/ssh_key.h - the text of a private key, looked at before anything is connected to: PEM, PKCS#8 or
 * OpenSSH form, without a passphrase. */
#pragma once

#include "core/base/buf.h"
#include "core/base/error.h"
#include "core/job/connect/ssh_wire.h"

/* 0 for an RSA, ECDSA or Ed25519 key that can be read; else -EINVAL with a sentence. */
int ssh_key_check(const char *text, struct error *err);
/* The sentence for one that cannot; returns -EINVAL. */
int ssh_key_unreadable(struct error *err);

/* The same key as the libraries read it: OpenSSH form in short lines (libssh2 1.10 reads 128 characters a line), and an
 * Ed25519 key in this form, because libssh 0.10 cannot sign with one in PKCS#8. `out` should be secret. */
void ssh_key_normalize(const char *text, struct buf *out);

/* The parts of a key in OpenSSH form, which point into `decoded`; false when it is none or has a passphrase. */
bool ssh_key_open(const char *text, struct buf *decoded, struct ssh_wire *ret_public,
                  struct ssh_wire *ret_private);
