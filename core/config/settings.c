/* core/config/settings.c - the settings above all [[runners]], and with them the whole file. */
#include "core/config/settings.h"

/* As in GitLab Runner; fatal and panic are our error. */
static const char *const log_levels[] = { "error", "warning", "notice", "info", "debug",
                                          "warn",  "fatal",   "panic",  NULL };
static const char *const log_formats[] = { "runner", "text", "json", NULL };

static const struct setting session_settings[] = {
    TEXT("listen_address", struct config_session_server, listen_address),
    TEXT("advertise_address", struct config_session_server, advertise_address),
    { .name = "session_timeout",
      .kind = SETTING_SECONDS,
      .flags = SETTING_ZERO_IS_DEFAULT,
      .offset = offsetof(struct config_session_server, timeout_ms),
      .initial = 1800,
      .max = SECONDS_MAX },
};
static const struct section session_section = { .name = "[session_server]",
                                                .size = sizeof(struct config_session_server),
                                                .settings = session_settings,
                                                .n_settings = ARRAY_LEN(session_settings),
                                                .check = check_session_server };

/* Ours: what is served on listen_address beside what GitLab Runner serves there. */
static const struct setting web_settings[] = {
    SECRET("token", struct config_web, token),
    SECRET_FILE("token_file", struct config_web, token),
    TEXT("certificate_file", struct config_web, certificate_file, .check = check_file_is_here),
    TEXT("key_file", struct config_web, key_file, .check = check_key_file),
    BOOL("status_page", struct config_web, status_page, .initial = true),
    BOOL("exemplars", struct config_web, exemplars),
    { .name = "host_names",
      .kind = SETTING_TEXTS,
      .offset = offsetof(struct config_web, host_names),
      .count = offsetof(struct config_web, n_host_names),
      .check = check_host_names },
};
static const struct section web_section = { .name = "[web]",
                                            .size = sizeof(struct config_web),
                                            .settings = web_settings,
                                            .n_settings = ARRAY_LEN(web_settings),
                                            .check = check_web };

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
      .flags = SETTING_ZERO_IS_DEFAULT,
      .offset = offsetof(struct config, shutdown_timeout_ms),
      .initial = 30,
      .max = SECONDS_MAX },
    BOOL("stop_jobs", struct config, stop_jobs),
    DURATION("connection_max_age", struct config, connection_max_age_ms, 366 * MS_DAY,
             .initial = 15 * MS_MINUTE),
    INTEGER("keep_logs", struct config, keep_logs_mib, 0, 1024 * 1024, .initial = 64,
            .unit = "MiB"),
    TEXT("state_dir", struct config, state_dir, .check = check_state_dir),
    BOOL("worker_seccomp", struct config, worker_seccomp, .initial = true),
    CHECKED("log_level", SETTING_TEXT, .choices = log_levels, .initial_text = "info",
            .check = check_log_level),
    CHECKED("log_format", SETTING_TEXT, .choices = log_formats, .initial_text = "text",
            .check = check_log_format),
    { .name = "runners",
      .kind = SETTING_SECTIONS,
      .offset = offsetof(struct config, runners),
      .count = offsetof(struct config, n_runners),
      .section = &runner_section },
    TEXT("listen_address", struct config, listen_address, .check = check_listen_address),
    SECTION("web", struct config, web, &web_section),
    SECTION("session_server", struct config, session_server, &session_section),
    KNOWN("sentry_dsn"),
    KNOWN("experimental"),
    BOOL("strict_check_interval", struct config, strict_check_interval),
    KNOWN("metrics_server"),
    { .name = "labels",
      .kind = SETTING_JSON,
      .offset = offsetof(struct config, labels),
      .check = check_labels },
    OTHER_EXECUTOR("machine"),
    KNOWN("user"),
};
const struct section config_section = { .name = "[global]",
                                        .size = sizeof(struct config),
                                        .settings = global_settings,
                                        .n_settings = ARRAY_LEN(global_settings),
                                        .check = check_config };
