/* core/exec/payload.h - a pipeline's job as GitLab would send it to a runner
 * (coordinator-protocol.md 2). */
#pragma once

#include <stdint.h>

#include "core/base/error.h"
#include "core/base/json.h"
#include "core/base/random.h"
#include "core/exec/ci_config.h"
#include "core/exec/predefined.h"

#define PAYLOAD_TOKEN_SIZE 64
/* A job token as GitLab makes them: glcbt- and something that nobody guesses. */
void payload_token(const struct rng *rng, char token[PAYLOAD_TOKEN_SIZE]);

/* The whole object; the caller puts it. */
int payload_new(const struct payload_pipeline *pipeline, const struct ci_config *config,
                const struct ci_job *job, int64_t job_id, const char *token, json_t **ret,
                struct error *err);
