/* core/base/feature_flags.h - the feature flags of GitLab Runner 19.4 with their defaults, one list for
 * configurations (core/config/settings_flags.c) and for jobs (core/job/flags.c).
 *
 * Jobs see the value of each; what flotilla itself acts on says so. Rules: job-execution.md 2.8. */
#pragma once

/* X(name, default, acted on here) */
#define FEATURE_FLAGS(X)                                                                           \
    X(FF_CLEAN_UP_FAILED_CACHE_EXTRACT, false, true)                                               \
    X(FF_CONCRETE, false, false)                                                                   \
    X(FF_DISABLE_AUTOMATIC_TOKEN_ROTATION, false, true)                                            \
    X(FF_DISABLE_POWERSHELL_STDIN, false, false)                                                   \
    X(FF_DISABLE_UMASK_FOR_DOCKER_EXECUTOR, false, false)                                          \
    X(FF_DISABLE_UMASK_FOR_KUBERNETES_EXECUTOR, false, false)                                      \
    X(FF_ENABLE_BASH_EXIT_CODE_CHECK, false, true)                                                 \
    X(FF_ENABLE_JOB_CLEANUP, false, true)                                                          \
    X(FF_ENABLE_JOB_INPUTS_INTERPOLATION, true, true)                                              \
    X(FF_EXPORT_HIGH_CARDINALITY_METRICS, false, true)                                             \
    X(FF_GIT_URLS_WITHOUT_TOKENS, false, true)                                                     \
    X(FF_HASH_CACHE_KEYS, false, true)                                                             \
    X(FF_KUBERNETES_HONOR_ENTRYPOINT, false, false)                                                \
    X(FF_LOG_IMAGES_CONFIGURED_FOR_JOB, false, false)                                              \
    X(FF_MASK_ALL_DEFAULT_TOKENS, true, true)                                                      \
    X(FF_NETWORK_PER_BUILD, false, false)                                                          \
    X(FF_POSIXLY_CORRECT_ESCAPES, false, false)                                                    \
    X(FF_PRINT_POD_EVENTS, false, false)                                                           \
    X(FF_RESOLVE_FULL_TLS_CHAIN, false, false)                                                     \
    X(FF_SCRIPT_SECTIONS, false, true)                                                             \
    X(FF_SCRIPT_TO_STEP_MIGRATION, false, false)                                                   \
    X(FF_SECRET_RESOLVING_FAILS_IF_MISSING, true, false)                                           \
    X(FF_SUSPENDABLE_ENVIRONMENTS, false, false)                                                   \
    X(FF_TIMESTAMPS, true, true)                                                                   \
    X(FF_USE_ADAPTIVE_REQUEST_CONCURRENCY, true, true)                                             \
    X(FF_USE_ADVANCED_POD_SPEC_CONFIGURATION, false, false)                                        \
    X(FF_USE_DIRECT_DOWNLOAD, true, true)                                                          \
    X(FF_USE_DOCKER_AUTOSCALER_DIAL_STDIO, true, false)                                            \
    X(FF_USE_DUMB_INIT_WITH_KUBERNETES_EXECUTOR, false, false)                                     \
    X(FF_USE_DYNAMIC_TRACE_FORCE_SEND_INTERVAL, false, false)                                      \
    X(FF_USE_EXPONENTIAL_BACKOFF_STAGE_RETRY, true, true)                                          \
    X(FF_USE_FASTZIP, true, false)                                                                 \
    X(FF_USE_FLEETING_ACQUIRE_HEARTBEATS, false, true)                                             \
    X(FF_USE_GITALY_CORRELATION_ID, true, true)                                                    \
    X(FF_USE_GIT_BUNDLE_URIS, true, true)                                                          \
    X(FF_USE_GIT_NATIVE_CLONE, false, true)                                                        \
    X(FF_USE_GIT_PROACTIVE_AUTH, false, true)                                                      \
    X(FF_USE_INIT_WITH_DOCKER_EXECUTOR, false, false)                                              \
    X(FF_USE_JOB_ROUTER, false, false)                                                             \
    X(FF_USE_LEGACY_BASH_EVAL, false, false)                                                       \
    X(FF_USE_LEGACY_GCS_CACHE_ADAPTER, false, false)                                               \
    X(FF_USE_LEGACY_KUBERNETES_EXECUTION_STRATEGY, false, false)                                   \
    X(FF_USE_LEGACY_S3_CACHE_ADAPTER, false, false)                                                \
    X(FF_USE_NATIVE_CONTAINER_STOP, false, false)                                                  \
    X(FF_USE_PARALLEL_ARTIFACT_TRANSFER, false, false)                                             \
    X(FF_USE_PARALLEL_CACHE_TRANSFER, false, false)                                                \
    X(FF_USE_POD_ACTIVE_DEADLINE_SECONDS, true, false)                                             \
    X(FF_USE_POWERSHELL_PATH_RESOLVER, false, false)                                               \
    X(FF_USE_WINDOWS_JOB_OBJECT, false, false)                                                     \
    X(FF_USE_WINDOWS_LEGACY_PROCESS_STRATEGY, false, false)                                        \
    X(FF_WAIT_FOR_POD_TO_BE_REACHABLE, false, false)

#define FEATURE_FLAG_NAME(name, initial, acted_on) name,
enum feature_flag { FEATURE_FLAGS(FEATURE_FLAG_NAME) FEATURE_FLAG_COUNT };
#undef FEATURE_FLAG_NAME
