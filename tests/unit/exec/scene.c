/* tests/unit/exec/scene.c - tells pipeline and history the same, as exec.c does (scene.h). */
#include "scene.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

struct scene scene_of(const char *text)
{
    struct config_findings findings = { 0 };
    struct scene scene = { 0 };
    struct error err = { 0 };

    if (ci_config_parse("f", text, strlen(text), NULL, NULL, &scene.config, &findings, &err) < 0 ||
        pipeline_new(scene.config, NULL, 0, &scene.pipeline, &err) < 0)
        fail_msg("%s", err.message);
    config_findings_done(&findings);
    return scene;
}

void scene_done(struct scene *scene)
{
    history_done(&scene->history);
    pipeline_free(scene->pipeline);
    ci_config_free(scene->config);
}

void scene_instance(struct scene *scene, const char *id, int64_t at_ms)
{
    history_appeared(&scene->history, id, 1, at_ms);
    history_ready(&scene->history, id, at_ms + 500);
}

void scene_start(struct scene *scene, int64_t job_id, const char *instance, int64_t at_ms)
{
    pipeline_set_instance(scene->pipeline, job_id, instance);
    history_assigned(&scene->history, scene->pipeline, job_id, instance, 0, at_ms);
    pipeline_started(scene->pipeline, job_id, at_ms);
    history_started(&scene->history, job_id, at_ms);
}

void scene_end(struct scene *scene, int64_t job_id, const char *reason, int exit_code,
               int64_t at_ms)
{
    const struct pipeline_job *job = pipeline_find(scene->pipeline, job_id);

    pipeline_finished(scene->pipeline, job_id, !reason, exit_code, reason, at_ms);
    history_ended(&scene->history, job_id, job, exit_code, reason, at_ms);
}
