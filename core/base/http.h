/* core/base/http.h - the rules of HTTP that all our clients share (coordinator-protocol.md 1.1): when an
 * answer is asked for again, GitLab's API below a configured URL, which URLs lead to the same server, dates.
 * Pure. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <time.h>

#include "core/base/random.h"

#define HTTP_ATTEMPTS 5
#define HTTP_USER_AGENT "flotilla " FLOTILLA_VERSION " (linux)"

bool http_retryable(int status);
/* Wait before attempt `attempt` + 1 (attempt counts from 1); now is wall time in ms. The headers are
 * NULL or "" where absent; what they ask for is clamped to 1 s … 10 min. */
int64_t http_retry_wait_ms(int attempt, const char *rate_limit_reset, const char *retry_after,
                           int64_t now_wall_ms, const struct rng *rng);

/* dst receives "https://h/gitlab/api/v4/". -EINVAL for another scheme. */
int http_api_url(const char *url, char *dst, size_t size);

/* Scheme, host and port are the same: what may be sent to the one may be sent to the other (hardening.md N9). False for
 * what is no URL of HTTP, or names a user. */
bool http_same_origin(const char *a, const char *b);

#define HTTP_DATE_SIZE 32
/* "Tue, 14 Nov 2023 22:13:20 GMT". parse: -EINVAL for anything else, *ret untouched. */
int http_parse_date(const char *text, int64_t *ret_s);
void http_format_date(int64_t wall_s, char dst[HTTP_DATE_SIZE]);
