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
    OUTCOME_MOVED,       /* an upload was redirected within its host: `base_url` is the new one */
    OUTCOME_NOT_FOUND,
    OUTCOME_DENIED,
    OUTCOME_TOO_LARGE,
    OUTCOME_FAILED, /* for good */
};
struct outcome {
    enum outcome_result result;
    int status;           /* of HTTP; 0 = none */
    char status_line[64]; /* "201 Created"; "" = none */
    char host[256];       /* that answered, with its port where it is not the usual one */
    char request_id[64];  /* the X-Request-Id of the answer, by which GitLab's logs are searched */
    char message[512];    /* "permission denied", "received: 500 …": as the peer words it */
    char base_url[1024];  /* OUTCOME_MOVED */
    int64_t bytes;        /* carried */
    int64_t modified_s;   /* Last-Modified of a store's object; 0 = not said */
};

/* Of the host that is asked; NULL = none. A CA file is added to the system's store, which is
 * $SSL_CERT_FILE where that is set. Another host to which a redirect leads is not shown the
 * certificate. */
struct outcome_tls {
    const char *ca_file, *cert_file, *key_file;
};

/* Bytes of the body. read: how many, 0 at the end, negative = give up. rewind: begins again, 0 or
 * negative; NULL where that can't be, and then an answer that may pass is not asked for again within
 * the call. */
struct outcome_source {
    int64_t (*read)(void *arg, void *data, size_t size);
    int (*rewind)(void *arg);
    void *arg;
    int64_t size; /* -1 = not known before: sent in chunks */
};
/* Of the body of a success alone. begin, which may be NULL, comes before the first byte: how long the
 * body is (-1 = not said), and when it was modified (0 = not said); 1 = it is not wanted, which ends the
 * exchange well. write: 0. Negative from either = give up. A call that ends as OUTCOME_RETRY may have
 * written a part: the sink begins again. */
struct outcome_sink {
    int (*begin)(void *arg, int64_t size, int64_t modified_s);
    int (*write)(void *arg, const void *data, size_t len);
    void *arg;
};
