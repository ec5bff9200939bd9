/* core/config/settings_autoscaler.c - [runners.autoscaler] and what is below it (autoscaler.md 12). */
#include "core/config/settings.h"

static const struct setting policy_settings[] = {
    { .name = "periods",
      .kind = SETTING_TEXTS,
      .offset = offsetof(struct config_policy, periods),
      .count = offsetof(struct config_policy, n_periods) },
    TEXT("timezone", struct config_policy, timezone),
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
    /* These are the plugin's to act on: it gets the table as it is written. */
    CHECKED("os", SETTING_TEXT),
    CHECKED("arch", SETTING_TEXT),
    CHECKED("protocol", SETTING_TEXT, .check = check_protocol),
    INTEGER("protocol_port", struct config_connector, protocol_port, 0, 65535, .initial = 0),
    TEXT("username", struct config_connector, username),
    { .name = "password",
      .kind = SETTING_SECRET,
      .offset = offsetof(struct config_connector, password) },
    SECRET_FILE("password_file", struct config_connector, password),
    TEXT("key_path", struct config_connector, key_path, .check = check_key_file),
    BOOL("use_static_credentials", struct config_connector, use_static_credentials),
    BOOL("use_external_addr", struct config_connector, use_external_addr),
    DURATION("keepalive", struct config_connector, keepalive_ms, MS_DAY, .initial = 30000,
             .flags = SETTING_ZERO_IS_DEFAULT),
    DURATION("timeout", struct config_connector, timeout_ms, 7 * MS_DAY, .initial = 10 * MS_MINUTE,
             .flags = SETTING_ZERO_IS_DEFAULT),
    TEXT("host_key_policy", struct config_connector, host_key_policy, .choices = host_key_policies),
    TEXT("tls_ca_file", struct config_connector, tls_ca_file),
    BOOL("accept_self_signed", struct config_connector, accept_self_signed),
};
#define NOT_OF_VMS 2 /* at the end of these */
static const struct section connector_section = { .name = "[runners.autoscaler.connector_config]",
                                                  .size = sizeof(struct config_connector),
                                                  .settings = connector_settings,
                                                  .n_settings = ARRAY_LEN(connector_settings),
                                                  .check = check_connector };

/* nesting.md 6.4: the way from the instance into the VM. */
static const struct section vm_connector_section = {
    .name = "[runners.autoscaler.vm_isolation.connector_config]",
    .size = sizeof(struct config_connector),
    .settings = connector_settings,
    .n_settings = ARRAY_LEN(connector_settings) - NOT_OF_VMS,
    .check = check_vm_connector
};

static const struct setting vm_isolation_settings[] = {
    BOOL("enabled", struct config_vm_isolation, enabled),
    TEXT("plugin", struct config_vm_isolation, plugin, .initial_text = CONFIG_ISOLATION_NESTING,
         .check = check_isolation_plugin),
    TEXT("nesting_host", struct config_vm_isolation, nesting_host),
    CHECKED("nesting_config", SETTING_JSON),
    TEXT("image", struct config_vm_isolation, image),
    SECTION("connector_config", struct config_vm_isolation, connector, &vm_connector_section),
};
static const struct section vm_isolation_section = {
    .name = "[runners.autoscaler.vm_isolation]",
    .size = sizeof(struct config_vm_isolation),
    .settings = vm_isolation_settings,
    .n_settings = ARRAY_LEN(vm_isolation_settings),
    .check = check_vm_isolation,
    .has_others = isolation_has_own_keys,
};

static const struct setting throttle_settings[] = {
    INTEGER("limit", struct config_throttle, limit, -1, COUNT_MAX, .initial = 0),
    INTEGER("burst", struct config_throttle, burst, 0, COUNT_MAX, .initial = 0),
};
static const struct section throttle_section = { .name = "[runners.autoscaler.scale_throttle]",
                                                 .size = sizeof(struct config_throttle),
                                                 .settings = throttle_settings,
                                                 .n_settings = ARRAY_LEN(throttle_settings) };

static const struct setting storage_settings[] = {
    NOT_YET("enabled", SETTING_BOOL,
            .note = "is always on: the ledger in the state directory keeps the instances"),
    NOT_YET("dir", SETTING_TEXT, .note = "is not used: the ledger is in the state directory"),
    BOOL("keep_instance_with_acquisitions", struct config_storage, keep_instance_with_acquisitions),
};
static const struct section storage_section = { .name = "[runners.autoscaler.state_storage]",
                                                .size = sizeof(struct config_storage),
                                                .settings = storage_settings,
                                                .n_settings = ARRAY_LEN(storage_settings) };

static const char *const plugin_hosts[] = { "worker", "inline", NULL };

#define BUCKETS(key, field)                                                                        \
    {                                                                                              \
        .name = (key), .kind = SETTING_REALS,                                                      \
        .offset = offsetof(struct config_autoscaler, field.bounds),                                \
        .count = offsetof(struct config_autoscaler, field.n)                                       \
    }
static const struct setting autoscaler_settings[] = {
    TEXT("plugin", struct config_autoscaler, plugin, .check = check_plugin),
    CHECKED("plugin_host", SETTING_TEXT, .choices = plugin_hosts, .initial_text = "worker",
            .check = check_plugin_host),
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
            .flags = SETTING_ZERO_IS_DEFAULT),
    BOOL("delete_instances_on_shutdown", struct config_autoscaler, delete_instances_on_shutdown),
    BOOL("reservation_throttling", struct config_autoscaler, reservation_throttling, .initial = 1),
    { .name = "instance_price",
      .kind = SETTING_REAL,
      .offset = offsetof(struct config_autoscaler, instance_price),
      .max = COUNT_MAX },
    DURATION("instance_minimum_billed", struct config_autoscaler, instance_minimum_billed_ms,
             366 * MS_DAY, .initial = 0),
    DURATION("instance_minimum_life", struct config_autoscaler, instance_minimum_life_ms,
             366 * MS_DAY, .initial = 0),
    BOOL("log_internal_ip", struct config_autoscaler, log_internal_ip),
    BOOL("log_external_ip", struct config_autoscaler, log_external_ip),
    TEXT("instance_ready_command", struct config_autoscaler, instance_ready_command,
         .flags = SETTING_PRIVATE),
    { .name = "vm_isolation",
      .kind = SETTING_JSON,
      .offset = offsetof(struct config_autoscaler, isolation_table) },
    SECTION("vm_isolation", struct config_autoscaler, vm_isolation, &vm_isolation_section),
    { .name = "scale_throttle",
      .kind = SETTING_SECTION,
      .offset = offsetof(struct config_autoscaler, throttle),
      .section = &throttle_section },
    { .name = "state_storage",
      .kind = SETTING_SECTION,
      .offset = offsetof(struct config_autoscaler, storage),
      .section = &storage_section },
    BUCKETS("instance_operation_time_buckets", buckets.operation_time),
    BUCKETS("instance_creation_time_buckets", buckets.creation_time),
    BUCKETS("instance_is_running_time_buckets", buckets.is_running_time),
    BUCKETS("instance_deletion_time_buckets", buckets.deletion_time),
    BUCKETS("instance_readiness_time_buckets", buckets.readiness_time),
    BUCKETS("instance_life_duration_buckets", buckets.life_duration),
};
const struct section autoscaler_section = { .name = "[runners.autoscaler]",
                                            .size = sizeof(struct config_autoscaler),
                                            .settings = autoscaler_settings,
                                            .n_settings = ARRAY_LEN(autoscaler_settings),
                                            .check = check_autoscaler };
