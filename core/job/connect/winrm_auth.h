/* core/job/connect/winrm_auth.h - logging in on an HTTP connection to an instance's WinRM, by what it offers: Negotiate,
 * which winrm_login.c speaks, else Basic where a password may be told. For winrm_http.c.
 */
#pragma once

#include "core/base/buf.h"
#include "core/job/connect/winrm_login.h"
#include "core/job/connect/winrm_wire.h"

struct winrm_auth {
    struct winrm_login *login; /* NULL by basic authentication */
    struct buf authorization;  /* the header of each request by basic authentication */
};

/* On a connection that it makes. -EACCES and others with a sentence. */
int winrm_auth_make(struct winrm_auth *auth, struct winrm_wire *wire, int64_t deadline,
                    struct error *err);
void winrm_auth_drop(struct winrm_auth *auth);
