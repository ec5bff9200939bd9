/* core/exec/payload.h - a pipeline's job as GitLab would send it to a runner
 * (coordinator-protocol.md 2). */
#pragma once

#include <stdint.h>

#include "core/base/error.h"
#include "core/base/json.h"
#include "core/base/random.h"
#include "core/exec/ci_yaml.h"

/* What all jobs of a pipeline share. */
struct payload_pipeline {
    int64_t id, project_id, timeout_s;
    const char *project_name, *project_path, *project_namespace; /* "ring", "local/ring", "local" */
    const char *repo_url, *object_format, *sha, *before_sha, *ref;
    const char *branch, *default_branch, *message; /* NULL: there is none */
};

#define PAYLOAD_TOKEN_SIZE 64
/* A job token as GitLab makes them: glcbt- and something that nobody guesses. */
void payload_token(const struct rng *rng, char token[PAYLOAD_TOKEN_SIZE]);

/* The whole object; the caller puts it. */
int payload_new(const struct payload_pipeline *pipeline, const struct ci_config *config,
                const struct ci_job *job, int64_t job_id, const char *token, json_t **ret,
                struct error *err);
