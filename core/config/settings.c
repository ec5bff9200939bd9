/* core/config/settings.c - every setting of config.toml that we act on or know of.
 *
 * The tables follow the chapters of GitLab Runner's documentation. A setting it has and we do not
 * act on stays KNOWN, so that a configuration written for it loads with a note and no warning. What
 * must hold between settings is in checks.c.
 */
#include "core/base/str.h"
#include "core/config/checks.h"

#define COUNT_MAX 1000000 /* jobs, instances, uses: more is a typing error */
#define SECONDS_MAX (366 * 24 * 3600)
#define MS_DAY INT64_C(86400000)
#define MS_MINUTE INT64_C(60000)

#define KNOWN(text)                                                                                \
    {                                                                                              \
        .name = (text), .kind = SETTING_KNOWN                                                      \
    }
#define TEXT(key, type, field, ...)                                                                \
    {                                                                                              \
        .name = (key), .kind = SETTING_TEXT,                                                       \
        .offset = offsetof(type, field) __VA_OPT__(, ) __VA_ARGS__                                 \
    }
#define BOOL(key, type, field, ...)                                                                \
    {                                                                                              \
        .name = (key), .kind = SETTING_BOOL,                                                       \
        .offset = offsetof(type, field) __VA_OPT__(, ) __VA_ARGS__                                 \
    }
#define INTEGER(key, type, field, least, most, ...)                                                \
    {                                                                                              \
        .name = (key), .kind = SETTING_INTEGER, .offset = offsetof(type, field), .min = (least),   \
        .max = (most), __VA_ARGS__                                                                 \
    }
#define DURATION(key, type, field, most, ...)                                                      \
    {                                                                                              \
        .name = (key), .kind = SETTING_DURATION, .offset = offsetof(type, field), .max = (most),   \
        __VA_ARGS__                                                                                \
    }

static const struct setting policy_settings[] = {
    { .name = "periods",
      .kind = SETTING_TEXTS,
      .flags = SETTING_NOT_YET,
      .offset = offsetof(struct config_policy, periods),
      .count = offsetof(struct config_policy, n_periods),
      .note = "is not acted on yet: the last policy holds at all times" },
    TEXT("timezone", struct config_policy, timezone, .check = check_timezone),
    INTEGER("idle_count", struct config_policy, idle_count, 0, COUNT_MAX, .initial = 0),
    DURATION("idle_time", struct config_policy, idle_time_ms, 3660 * MS_DAY, .initial = 0),
    { .name = "scale_factor",
      .kind = SETTING_REAL,
      .offset = offsetof(struct config_policy, scale_factor),
      .max = 1000 },
    INTEGER("scale_factor_limit", struct config_policy, scale_factor_limit, 0, COUNT_MAX,
            .initial = 0),
    { .name = "preemptive_mode",
      .kind = SETTING_TRISTATE,
      .offset = offsetof(struct config_policy, preemptive) },
};
static const struct section policy_section = { .name = "[[runners.autoscaler.policy]]",
                                               .size = sizeof(struct config_policy),
                                               .settings = policy_settings,
                                               .n_settings = ARRAY_LEN(policy_settings) };

static const char *const host_key_policies[] = { "pin", "tofu", "accept", NULL };

static const struct setting connector_settings[] = {
    TEXT("os", struct config_connector, os),
    TEXT("arch", struct config_connector, arch),
    TEXT("protocol", struct config_connector, protocol, .check = check_protocol),
    INTEGER("protocol_port", struct config_connector, protocol_port, 0, 65535, .initial = 0),
    TEXT("username", struct config_connector, username),
    { .name = "password",
      .kind = SETTING_SECRET,
      .offset = offsetof(struct config_connector, password) },
    TEXT("key_path", struct config_connector, key_path),
    { .name = "use_static_credentials",
      .kind = SETTING_BOOL,
      .flags = SETTING_NOT_YET,
      .offset = offsetof(struct config_connector, use_static_credentials),
      .note = "is not acted on yet: what the provider gives comes first, these fill the gaps" },
    BOOL("use_external_addr", struct config_connector, use_external_addr),
    DURATION("keepalive", struct config_connector, keepalive_ms, MS_DAY, .initial = 30000,
             .flags = SETTING_ZERO_IS_DEFAULT),
    DURATION("timeout", struct config_connector, timeout_ms, 7 * MS_DAY, .initial = 10 * MS_MINUTE,
             .flags = SETTING_ZERO_IS_DEFAULT),
    TEXT("host_key_policy", struct config_connector, host_key_policy, .choices = host_key_policies),
};
static const struct section connector_section = { .name = "[runners.autoscaler.connector_config]",
                                                  .size = sizeof(struct config_connector),
                                                  .settings = connector_settings,
                                                  .n_settings = ARRAY_LEN(connector_settings),
                                                  .check = check_connector };

static const struct setting autoscaler_settings[] = {
    TEXT("plugin", struct config_autoscaler, plugin, .check = check_plugin),
    { .name = "plugin_host", .kind = SETTING_CUSTOM, .check = check_plugin_host },
    { .name = "plugin_config",
      .kind = SETTING_JSON,
      .offset = offsetof(struct config_autoscaler, plugin_config) },
    { .name = "connector_config",
      .kind = SETTING_JSON,
      .offset = offsetof(struct config_autoscaler, connector_config) },
    { .name = "connector_config",
      .kind = SETTING_SECTION,
      .offset = offsetof(struct config_autoscaler, connector),
      .section = &connector_section },
    { .name = "policy",
      .kind = SETTING_SECTIONS,
      .offset = offsetof(struct config_autoscaler, policies),
      .count = offsetof(struct config_autoscaler, n_policies),
      .section = &policy_section },
    INTEGER("capacity_per_instance", struct config_autoscaler, capacity_per_instance, 1, 10000,
            .initial = 1, .flags = SETTING_ZERO_IS_DEFAULT),
    INTEGER("max_use_count", struct config_autoscaler, max_use_count, 0, COUNT_MAX, .initial = 0),
    INTEGER("max_instances", struct config_autoscaler, max_instances, 0, COUNT_MAX, .initial = 0),
    DURATION("instance_acquire_timeout", struct config_autoscaler, instance_acquire_timeout_ms,
             7 * MS_DAY, .initial = 15 * MS_MINUTE, .flags = SETTING_ZERO_IS_DEFAULT),
    DURATION("update_interval", struct config_autoscaler, update_interval_ms, MS_DAY,
             .initial = MS_MINUTE, .flags = SETTING_ZERO_IS_DEFAULT),
    DURATION("update_interval_when_expecting", struct config_autoscaler,
             update_interval_when_expecting_ms, MS_DAY, .initial = 2000,
             .flags = SETTING_ZERO_IS_DEFAULT),
    DURATION("deletion_retry_interval", struct config_autoscaler, deletion_retry_interval_ms,
             MS_DAY, .initial = MS_MINUTE, .flags = SETTING_ZERO_IS_DEFAULT),
    DURATION("shutdown_deletion_interval", struct config_autoscaler, shutdown_deletion_interval_ms,
             MS_DAY, .initial = 10000, .flags = SETTING_ZERO_IS_DEFAULT),
    INTEGER("shutdown_deletion_retries", struct config_autoscaler, shutdown_deletion_retries, 1,
            1000, .initial = 3, .flags = SETTING_ZERO_IS_DEFAULT),
    INTEGER("failure_threshold", struct config_autoscaler, failure_threshold, 1, 1000, .initial = 3,
            .flags = SETTING_ZERO_IS_DEFAULT | SETTING_NOT_YET),
    BOOL("delete_instances_on_shutdown", struct config_autoscaler, delete_instances_on_shutdown),
    BOOL("log_internal_ip", struct config_autoscaler, log_internal_ip),
    BOOL("log_external_ip", struct config_autoscaler, log_external_ip),
    TEXT("instance_ready_command", struct config_autoscaler, instance_ready_command,
         .flags = SETTING_NOT_YET,
         .note = "is not acted on yet: an instance takes jobs as soon as it runs"),
    { .name = "vm_isolation", .kind = SETTING_CUSTOM, .check = check_vm_isolation },
    { .name = "state_storage",
      .kind = SETTING_KNOWN,
      .note = "is not needed: the ledger in the state directory keeps the instances" },
    KNOWN("scale_throttle"),
    KNOWN("reservation_throttling"),
    KNOWN("instance_operation_time_buckets"),
    KNOWN("instance_creation_time_buckets"),
    KNOWN("instance_is_running_time_buckets"),
    KNOWN("instance_deletion_time_buckets"),
    KNOWN("instance_readiness_time_buckets"),
    KNOWN("instance_life_duration_buckets"),
};
static const struct section autoscaler_section = { .name = "[runners.autoscaler]",
                                                   .size = sizeof(struct config_autoscaler),
                                                   .settings = autoscaler_settings,
                                                   .n_settings = ARRAY_LEN(autoscaler_settings),
                                                   .check = check_autoscaler };

static const struct setting runner_settings[] = {
    TEXT("name", struct config_runner, name, .initial_text = ""),
    TEXT("url", struct config_runner, url, .check = check_url),
    { .name = "token",
      .kind = SETTING_SECRET,
      .offset = offsetof(struct config_runner, token),
      .check = check_token },
    { .name = "token_file", .kind = SETTING_CUSTOM, .check = check_token_file },
    INTEGER("id", struct config_runner, id, 0, INT64_MAX, .initial = 0),
    INTEGER("limit", struct config_runner, limit, 0, COUNT_MAX, .initial = 0),
    INTEGER("request_concurrency", struct config_runner, request_concurrency, 1, 10000,
            .initial = 1, .flags = SETTING_ZERO_IS_DEFAULT | SETTING_NOT_YET,
            .note = "is not acted on yet: each runner has one request at a time"),
    INTEGER("output_limit", struct config_runner, output_limit_kib, 1, 4 * 1024 * 1024,
            .initial = 4096, .flags = SETTING_ZERO_IS_DEFAULT),
    TEXT("executor", struct config_runner, executor, .check = check_executor),
    TEXT("shell", struct config_runner, shell, .initial_text = "bash", .check = check_shell),
    TEXT("builds_dir", struct config_runner, builds_dir, .check = check_directory),
    TEXT("cache_dir", struct config_runner, cache_dir, .check = check_directory,
         .flags = SETTING_NOT_YET, .note = "is not acted on yet: caches are not supported"),
    TEXT("clone_url", struct config_runner, clone_url, .check = check_clone_url),
    TEXT("tls-ca-file", struct config_runner, tls_ca_file),
    TEXT("tls-cert-file", struct config_runner, tls_cert_file),
    TEXT("tls-key-file", struct config_runner, tls_key_file),
    { .name = "environment",
      .kind = SETTING_TEXTS,
      .offset = offsetof(struct config_runner, environment),
      .count = offsetof(struct config_runner, n_environment),
      .check = check_environment },
    TEXT("pre_get_sources_script", struct config_runner, pre_get_sources_script),
    TEXT("post_get_sources_script", struct config_runner, post_get_sources_script),
    TEXT("pre_build_script", struct config_runner, pre_build_script),
    TEXT("post_build_script", struct config_runner, post_build_script),
    { .name = "autoscaler",
      .kind = SETTING_SECTION,
      .offset = offsetof(struct config_runner, autoscaler),
      .section = &autoscaler_section },
    { .name = "token_obtained_at", .kind = SETTING_IGNORED },
    { .name = "token_expires_at", .kind = SETTING_IGNORED },
    KNOWN("instance"),
    KNOWN("cache"),
    KNOWN("custom_build_dir"),
    KNOWN("feature_flags"),
    KNOWN("referees"),
    KNOWN("monitoring"),
    KNOWN("labels"),
    KNOWN("clean_git_config"),
    KNOWN("debug_trace_disabled"),
    KNOWN("pre_clone_script"),
    KNOWN("post_clone_script"),
    KNOWN("unhealthy_requests_limit"),
    KNOWN("unhealthy_interval"),
    KNOWN("strict_check_interval"),
    KNOWN("job_status_final_update_retry_limit"),
    KNOWN("graceful_kill_timeout"),
    KNOWN("force_kill_timeout"),
    KNOWN("proxy_exec"),
    KNOWN("use_slot_cgroups"),
    KNOWN("slot_cgroup_template"),
    KNOWN("docker"),
    KNOWN("machine"),
    KNOWN("kubernetes"),
    KNOWN("ssh"),
    KNOWN("parallels"),
    KNOWN("virtualbox"),
    KNOWN("custom"),
};
static const struct section runner_section = { .name = "[[runners]]",
                                               .size = sizeof(struct config_runner),
                                               .settings = runner_settings,
                                               .n_settings = ARRAY_LEN(runner_settings),
                                               .check = check_runner };

static const struct setting global_settings[] = {
    INTEGER("concurrent", struct config, concurrent, 1, COUNT_MAX, .initial = 1),
    { .name = "check_interval",
      .kind = SETTING_SECONDS,
      .flags = SETTING_ZERO_IS_DEFAULT,
      .offset = offsetof(struct config, check_interval_ms),
      .initial = 3,
      .max = SECONDS_MAX },
    { .name = "shutdown_timeout",
      .kind = SETTING_SECONDS,
      .flags = SETTING_ZERO_IS_DEFAULT | SETTING_NOT_YET,
      .offset = offsetof(struct config, shutdown_timeout_ms),
      .initial = 30,
      .max = SECONDS_MAX,
      .note = "is not acted on yet: jobs go on and are adopted at the next start" },
    DURATION("connection_max_age", struct config, connection_max_age_ms, 366 * MS_DAY,
             .initial = 15 * MS_MINUTE, .flags = SETTING_NOT_YET,
             .note = "is not acted on yet: connections are 15 minutes old at most"),
    TEXT("state_dir", struct config, state_dir, .check = check_state_dir),
    BOOL("worker_seccomp", struct config, worker_seccomp, .initial = true),
    { .name = "log_level", .kind = SETTING_CUSTOM, .check = check_log_level },
    { .name = "log_format", .kind = SETTING_CUSTOM, .check = check_log_format },
    { .name = "runners",
      .kind = SETTING_SECTIONS,
      .offset = offsetof(struct config, runners),
      .count = offsetof(struct config, n_runners),
      .section = &runner_section },
    KNOWN("session_server"),
    KNOWN("listen_address"),
    KNOWN("sentry_dsn"),
    KNOWN("experimental"),
    KNOWN("strict_check_interval"),
    KNOWN("metrics_server"),
};
const struct section config_section = { .name = "[global]",
                                        .size = sizeof(struct config),
                                        .settings = global_settings,
                                        .n_settings = ARRAY_LEN(global_settings),
                                        .check = check_config };
