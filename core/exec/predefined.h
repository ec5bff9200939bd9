/* core/exec/predefined.h - the CI_ variables that GitLab sets, as far as they can be known here. What
 * only the runner knows (CI_PROJECT_DIR, CI_RUNNER_…) it adds itself.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "core/exec/ci_config.h"

/* What all jobs of a pipeline share. */
struct payload_pipeline {
    int64_t id, project_id, timeout_s;
    const char *project_name, *project_path, *project_namespace; /* "ring", "local/ring", "local" */
    const char *repo_url, *object_format, *sha, *before_sha, *ref;
    /* NULL: there is none, or it is not known */
    const char *branch, *tag, *default_branch, *message, *author, *timestamp;
    const char *user_name, *user_email;
    const char *config_path; /* of the .gitlab-ci.yml in the repository */
    const char *created_at;
    bool whole_history; /* no part of it can be had: the repository is a server of files alone */
};

/* Adds to `ret`: 0 or -ENOMEM. Rules see both; they are evaluated before the job has an id, which is
 * 0 then. */
int predefined_of_pipeline(const struct payload_pipeline *pipeline, struct ci_variables *ret);
int predefined_of_job(const char *stage, const struct ci_job *job, int64_t job_id,
                      struct ci_variables *ret);
