/* core/config/settings_runner.c - [[runners]] and its smaller tables (job-execution.md,
 * coordinator-protocol.md 3). */
#include "core/config/settings.h"

static const struct setting instance_settings[] = {
    CHECKED("allowed_images", SETTING_TEXTS),
    CHECKED("use_common_build_dir", SETTING_BOOL),
};
static const struct section instance_section =
    CHECKED_SECTION("[runners.instance]", instance_settings);

static const struct setting build_dir_settings[] = {
    CHECKED("enabled", SETTING_BOOL),
};
static const struct section build_dir_section =
    CHECKED_SECTION("[runners.custom_build_dir]", build_dir_settings);

static const struct setting artifact_settings[] = {
    CHECKED("upload_timeout", SETTING_DURATION, .max = 366 * MS_DAY),
    CHECKED("response_header_timeout", SETTING_DURATION, .max = 366 * MS_DAY),
};
static const struct section artifact_section =
    CHECKED_SECTION("[runners.artifact]", artifact_settings);

static const struct setting runner_settings[] = {
    TEXT("name", struct config_runner, name, .initial_text = ""),
    TEXT("url", struct config_runner, url, .check = check_url),
    { .name = "token",
      .kind = SETTING_SECRET,
      .offset = offsetof(struct config_runner, token),
      .check = check_token },
    CHECKED("token_file", SETTING_TEXT, .check = check_token_file),
    INTEGER("id", struct config_runner, id, 0, INT64_MAX, .initial = 0),
    INTEGER("limit", struct config_runner, limit, 0, COUNT_MAX, .initial = 0),
    INTEGER("request_concurrency", struct config_runner, request_concurrency, 1, 10000,
            .initial = 1, .flags = SETTING_ZERO_IS_DEFAULT | SETTING_NOT_YET,
            .note = "is not acted on yet: each runner has one request at a time"),
    INTEGER("output_limit", struct config_runner, output_limit_kib, 1, 4 * 1024 * 1024,
            .initial = 4096, .flags = SETTING_ZERO_IS_DEFAULT, .unit = "KiB"),
    CHECKED("executor", SETTING_TEXT, .check = check_executor),
    TEXT("shell", struct config_runner, shell, .initial_text = "bash", .check = check_shell),
    TEXT("builds_dir", struct config_runner, builds_dir, .check = check_directory),
    TEXT("cache_dir", struct config_runner, cache_dir, .check = check_directory,
         .flags = SETTING_NOT_YET, .note = "is not acted on yet: caches are not supported"),
    TEXT("clone_url", struct config_runner, clone_url, .check = check_clone_url),
    TEXT("tls-ca-file", struct config_runner, tls_ca_file, .check = check_file_is_here),
    TEXT("tls-cert-file", struct config_runner, tls_cert_file, .check = check_file_is_here),
    TEXT("tls-key-file", struct config_runner, tls_key_file, .check = check_key_file),
    { .name = "environment",
      .kind = SETTING_TEXTS,
      .flags = SETTING_PRIVATE,
      .offset = offsetof(struct config_runner, environment),
      .count = offsetof(struct config_runner, n_environment),
      .check = check_environment },
    TEXT("pre_get_sources_script", struct config_runner, pre_get_sources_script,
         .flags = SETTING_PRIVATE),
    TEXT("post_get_sources_script", struct config_runner, post_get_sources_script,
         .flags = SETTING_PRIVATE),
    TEXT("pre_build_script", struct config_runner, pre_build_script, .flags = SETTING_PRIVATE),
    TEXT("post_build_script", struct config_runner, post_build_script, .flags = SETTING_PRIVATE),
    { .name = "autoscaler",
      .kind = SETTING_SECTION,
      .offset = offsetof(struct config_runner, autoscaler),
      .section = &autoscaler_section },
    { .name = "token_obtained_at", .kind = SETTING_IGNORED },
    { .name = "token_expires_at", .kind = SETTING_IGNORED },
    NOT_YET("prepare_timeout", SETTING_DURATION, .max = 366 * MS_DAY),
    NOT_YET("get_sources_timeout", SETTING_DURATION, .max = 366 * MS_DAY),
    NOT_YET("debug_trace_disabled", SETTING_BOOL),
    NOT_YET("safe_directory_checkout", SETTING_BOOL),
    NOT_YET("clean_git_config", SETTING_BOOL),
    NOT_YET("proxy_exec", SETTING_BOOL),
    NOT_YET("use_slot_cgroups", SETTING_BOOL),
    NOT_YET("slot_cgroup_template", SETTING_TEXT),
    NOT_YET("strict_check_interval", SETTING_BOOL),
    NOT_YET("unhealthy_requests_limit", SETTING_INTEGER, .max = COUNT_MAX),
    NOT_YET("unhealthy_interval", SETTING_DURATION, .max = 366 * MS_DAY),
    NOT_YET("job_status_final_update_retry_limit", SETTING_INTEGER, .max = COUNT_MAX),
    NOT_YET("step_runner_image", SETTING_TEXT),
    NOT_YET("custom_build_dir", SETTING_SECTION, .section = &build_dir_section),
    NOT_YET("artifact", SETTING_SECTION, .section = &artifact_section),
    NOT_YET("instance", SETTING_SECTION, .section = &instance_section),
    { .name = "feature_flags",
      .kind = SETTING_SECTION,
      .offset = offsetof(struct config_runner, autoscaler.flags),
      .section = &flags_section },
    NOT_YET("cache", SETTING_SECTION, .section = &cache_section),
    KNOWN("experimental"),
    KNOWN("referees"),
    KNOWN("monitoring"),
    KNOWN("labels"),
    KNOWN("pre_clone_script"),
    KNOWN("post_clone_script"),
    KNOWN("graceful_kill_timeout"),
    KNOWN("force_kill_timeout"),
    KNOWN("docker"),
    KNOWN("machine"),
    KNOWN("kubernetes"),
    KNOWN("ssh"),
    KNOWN("parallels"),
    KNOWN("virtualbox"),
    KNOWN("custom"),
};
const struct section runner_section = { .name = "[[runners]]",
                                        .size = sizeof(struct config_runner),
                                        .settings = runner_settings,
                                        .n_settings = ARRAY_LEN(runner_settings),
                                        .check = check_runner };
