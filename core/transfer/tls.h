/* core/transfer/tls.h - whom an exchange trusts, and as whom it appears (hardening.md N8). */
#pragma once

#include <curl/curl.h>

#include "core/base/error.h"
#include "core/transfer/outcome.h"

/* `tls` may be NULL. A sentence when a file can't be read. */
int tls_set(CURL *easy, const struct outcome_tls *tls, struct error *err);
