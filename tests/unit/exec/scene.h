/* tests/unit/exec/scene.h - a run for tests of what is shown: a pipeline from a text, and its history.
 */
#pragma once

#include "core/exec/ci_yaml.h"
#include "core/exec/history.h"

struct scene {
    struct ci_config *config;
    struct pipeline *pipeline;
    struct history history;
};

struct scene scene_of(const char *text); /* fails the test when there is no pipeline in it */
void scene_done(struct scene *scene);

/* Instance i-1, or another, with one slot: there and ready. */
void scene_instance(struct scene *scene, const char *id, int64_t at_ms);
void scene_start(struct scene *scene, int64_t job_id, const char *instance, int64_t at_ms);
/* `reason` NULL = it passed. */
void scene_end(struct scene *scene, int64_t job_id, const char *reason, int exit_code,
               int64_t at_ms);
