/* core/job/connect/winrm_ticket.h - Kerberos' ticket for an instance's WinRM; for winrm_login.c.
 *
 * A worker talks to its instance alone: the ticket is fetched before its sandbox is narrowed, and kept in this process,
 * where GSSAPI finds it.
 */
#pragma once

#include <stdbool.h>

#include "core/job/connect/remote.h"

/* Whether that is a user with a realm. */
bool winrm_ticket_is_for(const char *username);
/* With the user's password, from the realm's servers as krb5.conf or the DNS name them. -EACCES with a sentence. */
int winrm_ticket_fetch(const struct remote_options *options, struct error *err);
