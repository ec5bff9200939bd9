/* core/transfer/artifact_http.h - one try to bring a job's artifacts to GitLab or from it. What is tried
 * again and how often is the caller's business; the five attempts of the HTTP layer
 * (coordinator-protocol.md 1.1) are inside for a download, and for an upload whose source can be
 * rewound: the caller of another starts anew. */
#pragma once

#include <stdbool.h>

#include "core/transfer/outcome.h"

struct artifact_upload {
    const char *url; /* GitLab's, as configured */
    const char *token;
    int64_t job_id;
    const char *file_name;                   /* of the part */
    const char *format, *type, *expire_in;   /* NULL or "" = left out */
    int64_t timeout_ms, response_timeout_ms; /* 0 = 1 h, 10 min */
    struct outcome_tls tls;
    /* For people who look for a fault: the last answer's headers, and how its body begins. */
    void (*debug)(const char *headers, const char *body);
};
/* POST jobs/ID/artifacts, multipart, streamed. A redirect to another host is refused: the token would
 * go with it (hardening.md N9). */
void artifact_http_upload(const struct artifact_upload *upload, const struct outcome_source *source,
                          struct outcome *ret);

struct artifact_download {
    const char *url, *token; /* the dependency's */
    int64_t job_id;          /* the dependency's */
    bool direct;             /* direct_download=true, and one attempt alone */
    struct outcome_tls tls;
};
/* GET jobs/ID/artifacts; redirects are followed by hand, without the token when the origin is another
 * (hardening.md N9). */
void artifact_http_download(const struct artifact_download *download,
                            const struct outcome_sink *sink, struct outcome *ret);
