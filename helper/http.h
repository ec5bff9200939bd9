/* helper/http.h - what flotilla-helper does over HTTP. flotilla-helper-static has none: there each of
 * these says so and fails (no_http.c), and archives go through the `stream` command. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "helper/cache.h"
#include "helper/gitlab.h"
#include "helper/meter.h"
#include "helper/packed.h"
#include "helper/retry.h"

struct artifacts_form {
    const struct gitlab *gitlab;
    const char *file_name, *format, *type, *expire_in;
    int64_t timeout_ms, response_timeout_ms;
    bool debug; /* says what the server answers */
};
/* With all tries (job-execution.md 6.3). The exit status; how it ended has been said. */
int http_upload_artifacts(const struct artifacts_form *form, struct packed *archive,
                          struct meter *meter);

struct artifacts_fetch {
    const struct gitlab *gitlab;
    bool direct;
    struct retry retry;
};
/* Into the empty file `fd`. The exit status. */
int http_download_artifacts(const struct artifacts_fetch *fetch, int fd, struct meter *meter);

/* Is the object in the store? 0 with when it was modified (0 = not said), -ENOENT, or another negative
 * code when that can't be said. */
int http_look_at_cache(const struct cache_object *object, int64_t timeout_ms,
                       int64_t *ret_modified_s);
/* Into `file`, unless that is not older; with all tries. 0, -ENOENT when the store has no such object,
 * or another negative code with a sentence. */
int http_download_cache(const struct cache_object *object, struct cache_transfer *transfer,
                        const char *file, struct error *err);
int http_upload_cache(const struct cache_object *object, struct cache_transfer *transfer,
                      const char *file, struct error *err);
