/* core/exec/payload.h - a pipeline's job as GitLab would send it to a runner
 * (coordinator-protocol.md 2). */
#pragma once

#include <stdint.h>

#include "core/base/error.h"
#include "core/base/json.h"
#include "core/base/random.h"
#include "core/exec/artifact_store.h"
#include "core/exec/ci_config.h"
#include "core/exec/predefined.h"

#define PAYLOAD_TOKEN_SIZE 64
/* A job token as GitLab makes them: glcbt- and something that nobody guesses. */
void payload_token(const struct rng *rng, char token[PAYLOAD_TOKEN_SIZE]);

/* A job whose artifacts and variables are handed on. */
struct payload_source {
    const char *name;
    const struct artifact_set *set;
};

struct payload_job {
    const struct ci_job *job;
    int64_t id;
    const char *token;
    const struct payload_source *sources;
    size_t n_sources;
};

/* The whole object; the caller puts it. */
int payload_new(const struct payload_pipeline *pipeline, const struct ci_config *config,
                const struct payload_job *of, json_t **ret, struct error *err);
