/* core/transfer/outcome.h - how an exchange with GitLab's artifact API or a cache's store ended, and what
 * may be tried again (job-execution.md 5.5, 5.6, 6.3, 6.4).
 *
 * This folder is one HTTP exchange each, by libcurl, blocking. Two programs use it: the transfer process
 * of the manager and the dynamic flotilla-helper. It needs core/base and libcurl alone.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

enum outcome_result {
    OUTCOME_OK,
    OUTCOME_RETRY,       /* the network, or a status that may pass */
    OUTCOME_UNAVAILABLE, /* 503 */
    OUTCOME_MOVED,       /* 307 of an upload: `base_url` is the new one */
    OUTCOME_NOT_FOUND,
    OUTCOME_DENIED,
    OUTCOME_TOO_LARGE,
    OUTCOME_FAILED, /* for good */
};
struct outcome {
    enum outcome_result result;
    int status;          /* of HTTP; 0 = none */
    char message[256];   /* "permission denied", "received: 500 …": as the peer words it */
    char base_url[1024]; /* OUTCOME_MOVED */
    int64_t bytes;       /* carried */
    int64_t modified_s;  /* Last-Modified of a store's object; 0 = not said */
};

/* Of the host that is asked; NULL = none. A CA file is added to the system's. */
struct outcome_tls {
    const char *ca_file, *cert_file, *key_file;
};

/* Bytes of the body. read: how many, 0 at the end, negative = give up. */
struct outcome_source {
    int64_t (*read)(void *arg, void *data, size_t size);
    void *arg;
    int64_t size; /* -1 = not known before: sent in chunks */
};
/* write: 0, or negative = give up. */
struct outcome_sink {
    int (*write)(void *arg, const void *data, size_t len);
    void *arg;
};
