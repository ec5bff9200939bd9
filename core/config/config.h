/* core/config/config.h - config.toml as the rest of flotilla sees it: validated once, defaults
 * filled in.
 *
 * config_load() reads the whole file before any part is used. Every finding is FILE:LINE:COLUMN:
 * sentence (hardening.md V19). Secrets are struct secret. Durations are milliseconds.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "core/base/feature_flags.h"
#include "core/base/json.h"
#include "core/base/log.h"
#include "core/base/secret.h"

struct config_policy {
    char **periods; /* NULL = always */
    size_t n_periods;
    char *timezone; /* NULL = the system's */
    int64_t idle_count, idle_time_ms, scale_factor_limit;
    double scale_factor;
    int preemptive; /* -1 unset, 0, 1 */
};

struct config_connector {
    char *username;
    struct secret *password;
    char *key_path; /* resolved against the process's working directory, as upstream */
    bool use_static_credentials, use_external_addr;
    int64_t protocol_port; /* 0 = the protocol's own */
    int64_t keepalive_ms, timeout_ms;
    /* pin, tofu, accept; NULL = pin when the provider gives keys, else tofu */
    char *host_key_policy;
    /* winrm+https: authorities, NULL = the system's; or certificates that are known by their key, as host keys are */
    char *tls_ca_file;
    bool accept_self_signed;
};

struct config_vm_isolation {
    bool enabled;
    char *plugin; /* what makes the VMs */
    char *image;  /* of jobs that name none */
    char *nesting_host;
    struct config_connector connector; /* from an instance into its VMs */
};
/* The plugin that has our own keys in the table; others have theirs. */
#define CONFIG_ISOLATION_NESTING "nesting"

struct config_throttle {
    int64_t limit, burst; /* 0 = the default; limit -1 = unlimited */
};

struct config_flags {            /* [runners.feature_flags] */
    int set[FEATURE_FLAG_COUNT]; /* -1 unset, 0, 1 */
};

struct config_storage {
    bool keep_instance_with_acquisitions;
};

struct config_s3 {
    char *server_address, *bucket, *region;
    struct secret *access_key, *secret_key, *session_token;
    bool insecure, dual_stack, accelerate;
    int path_style;       /* -1 = as the server is */
    char *authentication; /* iam, access-key; NULL = by what is given */
    char *encryption, *encryption_key;
    char *role, *upload_role;
};
struct config_gcs {
    char *access_id, *credentials_file, *bucket, *universe;
    struct secret *private_key;
};
struct config_azure {
    char *account, *container, *domain;
    struct secret *key;
};
struct config_cache {
    char *type; /* NULL = caches stay on the instances */
    char *path;
    bool shared;
    int64_t max_archive_bytes; /* 0 = any */
    struct config_s3 s3;
    struct config_gcs gcs;
    struct config_azure azure;
};
/* Are the keys the configuration's? Else they are the machine's own (iam). */
bool config_cache_names_keys(const struct config_s3 *s3);
enum config_store { CONFIG_NO_STORE, CONFIG_S3, CONFIG_GCS, CONFIG_AZURE };
enum config_store config_cache_store(const struct config_cache *cache);
/* Why that store cannot be used as it is configured, in a sentence that says what to do, and the setting
 * it is about (may be NULL, for the store's table); NULL = it can. */
const char *config_cache_problem(const struct config_cache *cache, const char **ret_setting);

/* Upper bounds of a histogram, rising; none = the metric's own. */
struct config_buckets {
    double *bounds;
    size_t n;
};
struct config_instance_buckets {
    struct config_buckets operation_time, creation_time, is_running_time, deletion_time,
        readiness_time, life_duration;
};

struct config_autoscaler {
    char *plugin;
    json_t *plugin_config;    /* object, never NULL */
    json_t *connector_config; /* the table as written, for the plugin; the core adds "key" */
    struct config_connector connector;
    struct config_vm_isolation vm_isolation;
    json_t *isolation_table; /* vm_isolation as written, for its plugin */
    int64_t capacity_per_instance, max_use_count, max_instances;
    int64_t instance_acquire_timeout_ms, update_interval_ms, update_interval_when_expecting_ms,
        deletion_retry_interval_ms;
    int64_t shutdown_deletion_interval_ms, shutdown_deletion_retries, failure_threshold;
    struct config_throttle throttle;
    double instance_price; /* an hour; 0 here and below = what the provider says */
    int64_t instance_minimum_billed_ms, instance_minimum_life_ms;
    char *instance_ready_command;
    bool plugin_inline; /* plugin_host = "inline" */
    bool reservation_throttling;
    bool delete_instances_on_shutdown, log_internal_ip, log_external_ip;
    struct config_storage storage;
    struct config_instance_buckets buckets;
    struct config_flags flags;
    struct config_policy *policies;
    size_t n_policies;
};

struct config_build_dir { /* [runners.custom_build_dir] */
    bool enabled;
};

struct config_instance {   /* [runners.instance] */
    char **allowed_images; /* patterns; none = all */
    size_t n_allowed_images;
    bool use_common_build_dir;
};

struct config_hold {  /* [runners.hold] */
    char *on_failure; /* never, asked, always */
    int64_t for_ms, max;
};
struct config_artifact {
    int64_t upload_timeout_ms, response_header_timeout_ms;
};

/* Jobs that waited at GitLab for longer than is acceptable are counted. */
struct config_queuing { /* [[runners.monitoring.job_queuing_durations]] */
    char **periods;     /* NULL = never */
    size_t n_periods;
    char *timezone;       /* NULL = the system's */
    int64_t threshold_ms; /* 0 = nothing is counted */
    char *running; /* a regular expression for how many jobs of its project run; NULL, "" = all */
};

struct config_monitoring { /* [runners.monitoring] */
    struct config_queuing *queuing;
    size_t n_queuing;
};

struct config_runner {
    char *name, *url, *shell, *builds_dir, *cache_dir, *helper, *clone_url, *tls_ca_file,
        *tls_cert_file, *tls_key_file;
    struct secret *token;
    int64_t token_obtained_ms, token_expires_ms; /* wall clock; 0 = not known; never */
    json_t *labels;                              /* the manager's, too */
    int64_t id, limit, request_concurrency, output_limit_kib;
    bool strict_check_interval;
    int64_t unhealthy_requests_limit, unhealthy_interval_ms;
    int64_t
        final_update_limit; /* failed tries to tell a final state; 0 = as long as it is wanted */
    char **environment;     /* KEY=VALUE */
    size_t n_environment;
    char *pre_get_sources_script, *post_get_sources_script, *pre_build_script, *post_build_script;
    int64_t prepare_timeout_ms, get_sources_timeout_ms; /* 0 = the job's own */
    bool debug_trace_disabled, use_slot_cgroups;
    char *slot_cgroup_template;
    struct config_build_dir custom_build_dir;
    struct config_instance instance;
    struct config_artifact artifact;
    struct config_hold hold;
    struct config_monitoring monitoring;
    bool safe_directory_checkout;
    int clean_git_config; /* -1: as the job's strategy has it */
    struct config_autoscaler autoscaler;
    struct config_cache cache;
    int line;   /* of [[runners]], for messages */
    bool named; /* `name` is the configuration's */
};

/* When it is another, somebody wrote, replaced or touched the file. */
struct config_stamp {
    uint64_t device, inode;
    int64_t size, changed_ns;
};
/* Zero when there is no file. */
struct config_stamp config_stamp(const char *file);
bool config_stamp_equal(const struct config_stamp *a, const struct config_stamp *b);

#define CONFIG_WEB_PORT 9252 /* where listen_address names none */

struct config_web { /* [web] */
    struct secret *token;
    char *certificate_file, *key_file; /* both or none */
    bool status_page, exemplars;
    char **host_names; /* under which this machine finds itself, beside localhost */
    size_t n_host_names;
};

/* [session_server]; off without a listen_address. */
struct config_session_server {
    char *listen_address, *advertise_address; /* NULL = the former */
    int64_t timeout_ms;
};
#define CONFIG_SESSION_PORT 8093 /* where none is said */

struct config {
    unsigned refs;
    char *file;
    struct config_stamp stamp; /* of the file, before it was read */
    int64_t concurrent, check_interval_ms, shutdown_timeout_ms, connection_max_age_ms;
    int64_t keep_logs_mib;
    char *state_dir;      /* NULL = the default */
    char *listen_address; /* NULL = nothing is served */
    struct config_web web;
    json_t *labels;
    bool worker_seccomp, strict_check_interval, stop_jobs;
    enum log_level log_level;
    enum log_format log_format;
    struct config_session_server session_server;
    struct config_runner *runners;
    size_t n_runners;
};

enum config_severity { CONFIG_NOTE, CONFIG_WARNING, CONFIG_ERROR };
struct config_finding {
    enum config_severity severity;
    int line, column;
    bool on_file;         /* about the file as a whole, or what it lacks */
    char *text;           /* "FILE:LINE:COLUMN: sentence" */
    const char *sentence; /* in `text` */
    char *key;            /* "runners[0].autoscaler.plugin"; NULL where no setting is meant */
};
struct config_findings {
    struct config_finding *items;
    size_t count;
};
const char *config_severity_name(enum config_severity severity); /* "note", "warning", "error" */
/* Those of the severity `least` and above. */
void config_findings_print(const struct config_findings *findings, enum config_severity least,
                           FILE *out);
size_t config_findings_count(const struct config_findings *findings, enum config_severity severity);
void config_findings_done(struct config_findings *findings);

/* Reads and validates `file` (or `text` when not NULL, with `file` as its name in messages). 0 and
 * *ret when there is no finding of severity error; findings are filled in both cases. */
int config_load(const char *file, const char *text, struct config **ret,
                struct config_findings *findings, struct error *err);
/* Where the state of the file's manager is: of a file that may be wrong otherwise, as while somebody edits it.
 * *ret is NULL for the default; else the caller frees. */
int config_load_state_dir(const char *file, char **ret, struct error *err);
/* Whom config_check() asks about plugins. */
struct config_plugins {
    /* The keys of the plugin's plugin_config, as `load` answers them (docs/design/processes.md): 0
     * and *ret, which the caller puts. -ENOENT: this machine has no such plugin; any other error:
     * it has one that cannot be used. */
    int (*keys)(void *arg, const char *plugin, json_t **ret, struct error *err);
    /* Can the plugin isolate jobs? As above. */
    int (*isolation)(void *arg, const char *plugin, struct error *err);
    void *arg;
};
/* As config_load() for somebody who edits the file, perhaps on another machine than it is for:
 * plugin_config is checked against the plugins, and a token_file that is not here is a note. What
 * makes it fail is always among the findings. */
int config_check(const char *file, const struct config_plugins *plugins,
                 struct config_findings *findings);
/* A configuration is never changed once it is read. Whoever holds on to one, or to a piece of it, takes a
 * reference; config_free() gives one back. */
struct config *config_ref(struct config *config);
void config_free(struct config *config);
DEFINE_AUTO_PTR(struct config, config_free)

/* What a runner without an id is known by, whatever its token: its name, or "". */
const char *config_identity(const struct config_runner *runner);

/* Is a project's build directory the same for all its jobs? Only where an instance sees one at a time. */
bool config_common_build_dir(const struct config_runner *runner);

/* Are two entries one runner of one GitLab? */
bool config_same_runner(const struct config_runner *a, const struct config_runner *b);
/* Who the instance group is for the ledger (hardening.md R10), whatever the runner's token: the caller
 * frees. */
char *config_group_key(const struct config_runner *runner);
/* Do two entries name one group of the cloud? */
bool config_same_cloud(const struct config_autoscaler *a, const struct config_autoscaler *b);
