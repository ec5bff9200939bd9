/* core/transfer/store_http.h - one object of a cache's store, by a signed URL (job-execution.md 5.5,
 * 5.6). */
#pragma once

#include "core/transfer/outcome.h"

struct store_object {
    const char *url;
    const char *const *headers; /* "Key: value"; a Host among them is left out */
    size_t n_headers;
    int64_t timeout_ms; /* 0 = 10 min */
    int64_t modified_s; /* of a PUT: Last-Modified; 0 = none */
};
void store_http_get(const struct store_object *object, const struct outcome_sink *sink,
                    struct outcome *ret);
void store_http_head(const struct store_object *object, struct outcome *ret);
/* The source's size must be known. */
void store_http_put(const struct store_object *object, const struct outcome_source *source,
                    struct outcome *ret);
