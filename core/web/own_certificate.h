/* core/web/own_certificate.h - a certificate that nobody signed but its own key, for a server whose clients are told of it
 * by another way; for terminals.c of the supervisor.
 */
#pragma once

#include "core/base/error.h"
#include "core/base/secret.h"

/* Of a host's name or address, valid from yesterday for two years; both in PEM form and the caller's. */
int own_certificate_make(const char *host, char **ret_certificate, struct secret **ret_key,
                         struct error *err);
