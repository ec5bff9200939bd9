/* core/exec/ci_config.h - what a .gitlab-ci.yml comes to: the stages and the jobs of one pipeline.
 *
 * Everything is decided: includes, extends and defaults are merged, parallel jobs are written out,
 * rules have said which jobs there are. Filled by ci_yaml.c, read by pipeline.c and payload.c.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/base/autoclean.h"
#include "core/exec/artifact_type.h"

struct ci_lines {
    char **items;
    size_t count;
};
int ci_lines_add(struct ci_lines *lines, const char *text); /* 0 or -ENOMEM */
bool ci_lines_have(const struct ci_lines *lines, const char *text);
void ci_lines_done(struct ci_lines *lines);

struct ci_variable {
    char *key, *value;
    bool raw;  /* `expand: false` */
    bool file; /* the value is a file's content, the variable holds its path */
};
struct ci_variables {
    struct ci_variable *items;
    size_t count;
};
const struct ci_variable *ci_variables_find(const struct ci_variables *variables, const char *key);
/* Adds a copy, or replaces what has its key. */
int ci_variables_set(struct ci_variables *variables, const struct ci_variable *variable);
int ci_variables_add(struct ci_variables *variables, const char *key, const char *value, bool raw);
int ci_variables_copy(struct ci_variables *to, const struct ci_variables *from);
void ci_variables_done(struct ci_variables *variables);

struct ci_codes {
    int *items;
    size_t count;
};
bool ci_codes_have(const struct ci_codes *codes, int code);

enum ci_when { CI_WHEN_ON_SUCCESS, CI_WHEN_ON_FAILURE, CI_WHEN_ALWAYS, CI_WHEN_MANUAL };

struct ci_retry {
    unsigned max; /* how often it is tried again */
    struct ci_lines reasons;
    struct ci_codes exit_codes; /* no reasons and no codes: whatever it failed with */
};

/* What a job keeps: its archive, or one report. */
struct ci_artifact {
    const struct artifact_type *type;
    const char *when;       /* "on_success", "on_failure" or "always" */
    char *name, *expire_in; /* NULL = none is given */
    struct ci_lines paths, exclude;
    bool untracked;
};
struct ci_artifacts {
    struct ci_artifact *items;
    size_t count;
};
void ci_artifact_done(struct ci_artifact *artifact);
void ci_artifacts_done(struct ci_artifacts *artifacts);

struct ci_cache {
    char *key, *policy; /* policy: NULL = "pull-push" */
    const char *when;   /* as of an artifact */
    struct ci_lines paths, fallback_keys;
    bool untracked;
};
struct ci_caches {
    struct ci_cache *items;
    size_t count;
};
void ci_caches_done(struct ci_caches *caches);

struct ci_job {
    char *name;
    char *base;   /* the name in the file, that of all jobs of one `parallel` */
    size_t stage; /* index in ci_config.stages */
    struct ci_lines script, before_script, after_script, pre_get_sources;
    struct ci_variables variables; /* global ones come before them, as far as ci_job_inherits() */
    bool inherits_all;
    struct ci_lines inherits; /* else these */
    bool has_needs;           /* `needs: []` starts at once */
    struct ci_lines needs;    /* names of jobs */
    bool picks;               /* it gets the artifacts of certain jobs, not of all earlier stages */
    struct ci_lines picked;   /* those */
    struct ci_artifacts artifacts;
    struct ci_caches caches;
    enum ci_when when;
    bool allow_failure;               /* whatever the exit code is */
    struct ci_codes allow_exit_codes; /* else these */
    struct ci_retry retry;
    int64_t timeout_s;               /* 0 = the pipeline's */
    unsigned node_index, node_total; /* of a parallel job, from 1; else 0 */
    char *place;                     /* FILE:LINE of its name */
};
bool ci_job_inherits(const struct ci_job *job, const char *variable);

struct ci_config {
    char **stages; /* in order, .pre and .post included */
    size_t n_stages;
    struct ci_variables variables; /* global */
    struct ci_job *jobs;           /* as in the file, hidden ones left out */
    size_t n_jobs;
    struct ci_lines files; /* that were included, with their files */
    bool never;            /* workflow:rules: there is no pipeline */
};
void ci_job_done(struct ci_job *job);
void ci_config_free(struct ci_config *config);
DEFINE_AUTO_PTR(struct ci_config, ci_config_free)

const struct ci_job *ci_config_find(const struct ci_config *config, const char *name);

/* The jobs that a person named; none = all. A named job runs whatever the file says about when it
 * does, and about the jobs that are not named there are no findings. */
struct ci_selection {
    const char *const *names;
    size_t count;
};
bool ci_selects(const struct ci_selection *selection, const struct ci_job *job); /* NULL: all */
