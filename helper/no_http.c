/* helper/no_http.c - what flotilla-helper-static says where the dynamic one uses HTTP (http.h). */
#include <errno.h>

#include "helper/http.h"
#include "helper/say.h"

#define SENTENCE                                                                                   \
    "this is flotilla-helper-static, which has no HTTP; install flotilla-helper, or have the "     \
    "manager use its `stream` command"

int http_upload_artifacts(const struct artifacts_form *form, struct packed *archive,
                          struct meter *meter)
{
    (void) form;
    (void) archive;
    (void) meter;
    return say_fatal(SENTENCE);
}

int http_download_artifacts(const struct artifacts_fetch *fetch, int fd, struct meter *meter)
{
    (void) fetch;
    (void) fd;
    (void) meter;
    return say_fatal(SENTENCE);
}

int http_look_at_cache(const struct cache_object *object, int64_t timeout_ms,
                       int64_t *ret_modified_s)
{
    (void) object;
    (void) timeout_ms;
    (void) ret_modified_s;
    return -ENOTSUP;
}

int http_download_cache(const struct cache_object *object, struct cache_transfer *transfer,
                        const char *file, struct error *err)
{
    (void) object;
    (void) transfer;
    (void) file;
    return error_set(err, -ENOTSUP, SENTENCE);
}

int http_upload_cache(const struct cache_object *object, struct cache_transfer *transfer,
                      const char *file, struct error *err)
{
    (void) object;
    (void) transfer;
    (void) file;
    return error_set(err, -ENOTSUP, SENTENCE);
}
