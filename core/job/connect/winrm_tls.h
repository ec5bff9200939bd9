/* core/job/connect/winrm_tls.h - the certificate of an instance's WinRM; for winrm_wire.c.
 *
 * It is checked as any: by the system's authorities or those of a file, and by name. An instance that made its own is
 * known by the key in it instead, as by an SSH host key, when the configuration says so.
 */
#pragma once

#include <curl/curl.h>
#include <stdbool.h>

#include "core/base/buf.h"
#include "core/job/connect/remote.h"

bool winrm_tls_is_for(const struct remote_options *options);
/* What a handshake needs; lives as long as the handle. */
struct winrm_tls {
    const struct remote_options *options;
    struct error *why; /* gets the sentence of a key that is refused */
};
int winrm_tls_set(CURL *easy, struct winrm_tls *tls); /* -ENOMEM */
/* During an answer: what a login is bound to, so that nobody can use it on a connection of his own (RFC 5929,
 * tls-server-end-point). Stays empty of a certificate that has no such thing. */
void winrm_tls_channel(CURL *easy, struct buf *out);
