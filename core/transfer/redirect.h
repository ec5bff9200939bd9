/* core/transfer/redirect.h - where a redirect may lead (hardening.md N9). Pure. */
#pragma once

#include <stddef.h>

#include "core/base/error.h"

#define REDIRECT_MAX 5

/* `location`, which may be relative, as seen from `url`. 0 with *ret to free (curl_free), or a sentence:
 * another protocol than HTTP, plain HTTP where it was not, credentials in it, no URL at all. */
int redirect_target(const char *url, const char *location, char **ret, struct error *err);
/* The base URL of a GitLab that sends an upload of artifacts there: what is before /api/v4/, or scheme
 * and host. The caller frees; NULL when memory is short. */
char *redirect_base_url(const char *target);
/* "h:8080"; "" where it is no URL or does not fit. */
void redirect_host(const char *url, char *dst, size_t size);
