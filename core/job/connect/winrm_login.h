/* core/job/connect/winrm_login.h - who we are to an instance's WinRM, by GSSAPI: NTLM, or Kerberos for a user with a
 * realm (`ci@EXAMPLE.COM`). For winrm_auth.c and winrm_http.c.
 *
 * Each HTTP connection has a login of its own, and on it the messages are encrypted.
 */
#pragma once

#include <stdbool.h>

#include "core/base/buf.h"
#include "core/job/connect/remote.h"

/* What needs more than the instance, and files: loads GSSAPI's mechanisms and fetches Kerberos' ticket into this process.
 * Before the sandbox is narrowed. */
int winrm_login_prepare(const struct remote_options *options, struct error *err);

struct winrm_login;
int winrm_login_new(const struct remote_options *options, struct winrm_login **ret,
                    struct error *err);
/* It counts on this connection alone; `channel` as winrm_tls_channel() says, borrowed. Empty = anywhere. */
void winrm_login_bind(struct winrm_login *login, const struct buf *channel);
void winrm_login_free(struct winrm_login *login);

/* `token` is what the instance said last, in base64, "" at first; *out gets what it is to be told, likewise, and may
 * stay empty at the end. 1 when the login is complete, 0 when its answer is awaited; -EACCES with a sentence. */
int winrm_login_step(struct winrm_login *login, const char *token, struct buf *out,
                     struct error *err);

/* A body for SEALED_TYPE (winrm_sealed.h), and what such a one holds. */
int winrm_login_seal(struct winrm_login *login, const struct buf *plain, struct buf *out,
                     struct error *err);
int winrm_login_open(struct winrm_login *login, const struct buf *body, struct buf *out,
                     struct error *err);
