/* core/coordinator/info.c - who we are, as told to GitLab with every request.
 *
 * Announced features = built features (coordinator-protocol.md 1.6): GitLab gives us jobs by them.
 */
#include "core/base/host.h"
#include "core/base/str.h"
#include "core/coordinator/client.h"

static const struct {
    const char *name;
    bool built;
} features[] = {
    { "variables", true },
    { "image", false },
    { "services", false },
    { "artifacts", true },
    { "cache", true },
    { "fallback_cache_keys", true },
    { "shared", true },
    { "upload_multiple_artifacts", true },
    { "upload_raw_artifacts", true },
    { "session", false },
    { "terminal", false },
    { "refspecs", true },
    { "masking", true },
    { "proxy", false },
    { "raw_variables", true },
    { "artifacts_exclude", true },
    { "multi_build_steps", true },
    { "trace_reset", true },
    { "trace_checksum", true },
    { "trace_size", true },
    { "vault_secrets", false },
    { "cancelable", true },
    { "return_exit_code", true },
    { "service_variables", false },
    { "service_multiple_aliases", false },
    { "image_executor_opts", false },
    { "service_executor_opts", false },
    { "cancel_gracefully", true },
    { "native_steps_integration", false },
    { "two_phase_job_commit", true },
    { "job_inputs", true },
};

json_t *coordinator_info(const char *shell, json_t *labels)
{
    json_t *info = json_object_new_object(), *list = json_object_new_object(),
           *config = json_object_new_object();

    if (!info || !list || !config) {
        json_object_put(info);
        json_object_put(list);
        json_object_put(config);
        return NULL;
    }
    (void) json_add_str(info, "name", "flotilla");
    (void) json_add_str(info, "version", FLOTILLA_VERSION);
    (void) json_add_str(info, "platform", "linux");
    (void) json_add_str(info, "architecture", host_architecture());
    (void) json_add_str(info, "executor", "instance");
    (void) json_add_str(info, "shell", str_empty(shell) ? "bash" : shell);
    for (size_t i = 0; i < ARRAY_LEN(features); i++)
        (void) json_add_bool(list, features[i].name, features[i].built);
    (void) json_add(info, "features", list);
    (void) json_add_str(config, "gpus", "");
    (void) json_add(info, "config", config);
    if (labels && json_object_object_length(labels) > 0)
        (void) json_add(info, "labels", json_object_get(labels));
    return info;
}

void coordinator_info_add_terminal(json_t *info)
{
    json_t *list = NULL;

    (void) json_opt_object(info, "features", &list, NULL);
    (void) json_add_bool(list, "session", true);
    (void) json_add_bool(list, "terminal", true);
}
