/* helper/archive/provenance.h - NAME-metadata.json: who made the artifacts, from what, and the
 * SHA-256 of each file (an in-toto v0.1 statement with a SLSA v1 predicate; job-execution.md 6.5).
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "core/base/error.h"
#include "helper/archive/selection.h"

struct provenance {
    const char *artifact_name; /* the file is ARTIFACT_NAME-metadata.json */
    int64_t runner_id;
    const char *server_url;             /* of the coordinator */
    const char *repo_url, *repo_digest; /* what was built: repository and commit */
    const char *job_name, *executor_name, *runner_name;
    const char *started_at, *ended_at; /* RFC 3339, passed through */
    const char *schema_version;        /* "v1" */
    const char *runner_version, *architecture;
    int64_t job_id;
    const char *const *parameters; /* names of variables; values are never told */
    size_t n_parameters;
};

/* Writes the file into root_fd (in place of an older one) and adds it to the selection. NULL fields
 * are left empty. */
int provenance_write(const struct provenance *provenance, int root_fd, struct selection *selection,
                     struct error *err);
