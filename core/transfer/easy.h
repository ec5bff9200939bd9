/* core/transfer/easy.h - what every handle of libcurl in core has set (hardening.md N8 to N10): TLS,
 * proxies, sockets, no redirects. Used here and by core/coordinator. */
#pragma once

#include <curl/curl.h>

#include "core/base/error.h"

/* A network that is silent for so long is given up. */
#define EASY_SILENCE_MS 60000

void easy_set_common(CURL *easy, const char *url);

/* 0 or -ENOMEM. */
int easy_add_header(struct curl_slist **headers, const char *fmt, ...) PRINTF_LIKE(2, 3);
void easy_free_headers(struct curl_slist **headers); /* wiped: tokens are among them */
#define auto_headers __attribute__((cleanup(easy_free_headers)))
