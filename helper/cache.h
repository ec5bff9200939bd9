/* helper/cache.h - the options that cache-archiver and cache-extractor share: an object in a store, and
 * how it travels. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "core/base/error.h"
#include "helper/env_file.h"
#include "helper/meter.h"
#include "helper/options.h"
#include "helper/retry.h"

/* By a signed URL, or by one that names account and credentials (job-execution.md 5.4). */
struct cache_object {
    const char *url, *head_url, *gocloud_url; /* NULL or "" = not given */
    struct option_list headers;
    const struct env_file *environment;
    const char *metadata; /* a JSON object, kept beside the object; NULL = none */
};
bool cache_object_is_given(const struct cache_object *object);
/* For --help, of options that take the second kind. */
#define CACHE_GOCLOUD_HELP                                                                         \
    "azblob://CONTAINER/OBJECT or s3://BUCKET/OBJECT, with credentials in --env-file"

struct cache_transfer {
    struct retry retry;                           /* retry_options */
    struct meter meter;                           /* meter_options */
    int64_t timeout_minutes;                      /* <= 0: 10 */
    int64_t buffer_size, chunk_size, concurrency; /* taken, and of no effect: one stream is used */
    const char *env_file;
    bool options_stdin; /* there are more options on stdin, which options_read_stdin() reads */
};
extern const struct option cache_transfer_options[];
#define CACHE_OPTIONS_MAX (64 * 1024) /* bytes of those on stdin */
#define CACHE_TRANSFER_DEFAULT ((struct cache_transfer) { .retry = RETRY_DEFAULT })
/* Checks the numbers and reads the file of credentials; negative when one makes no sense, which has been said. */
int cache_transfer_begin(const struct cache_transfer *transfer, struct env_file *ret);
int64_t cache_transfer_timeout_ms(const struct cache_transfer *transfer);

/* When a file was modified, in seconds, and whether it is there. */
bool cache_file_modified(const char *file, int64_t *ret_s);
/* The folders above `file`, for us alone. */
int cache_make_folders(const char *file, struct error *err);
/* A file of a name that begins with `prefix`, beside `file`. The caller frees *ret_name and closes. */
int cache_temporary(const char *file, const char *prefix, char **ret_name, int *ret_fd,
                    struct error *err);
