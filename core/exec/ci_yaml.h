/* core/exec/ci_yaml.h - .gitlab-ci.yml as `flotilla exec` understands it: stages and jobs, defaults
 * already applied.
 *
 * Every finding is FILE:LINE:COLUMN: sentence. A keyword that is not supported is a warning when
 * leaving it out does no harm on one's own machine, and an error when the jobs would mean something
 * else without it.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "core/base/autoclean.h"
#include "core/base/error.h"
#include "core/config/config.h"

struct ci_lines {
    char **items;
    size_t count;
};

struct ci_variable {
    char *key, *value;
    bool raw; /* `expand: false` */
};
struct ci_variables {
    struct ci_variable *items;
    size_t count;
};

struct ci_job {
    char *name;
    size_t stage; /* index in ci_config.stages */
    struct ci_lines script, before_script, after_script;
    struct ci_variables variables;
    bool has_needs; /* `needs: []` starts at once */
    struct ci_lines needs;
    bool allow_failure;    /* whatever the exit code is */
    int *allow_exit_codes; /* else these */
    size_t n_allow_exit_codes;
    int line, column; /* of its name */
};

struct ci_config {
    char **stages; /* in order, .pre and .post included */
    size_t n_stages;
    struct ci_variables variables; /* global */
    struct ci_job *jobs;           /* as in the file, hidden ones left out */
    size_t n_jobs;
};

/* The jobs that a person named; none = all. A named job runs whatever the file says about when it
 * does, and about the jobs that are not named there are no findings. */
struct ci_selection {
    const char *const *names;
    size_t count;
};
bool ci_selects(const struct ci_selection *selection, const char *name); /* NULL: always */

/* Reads `text`; `file` is its name in findings; `selection` NULL is all. 0 and *ret when no finding is an error and each
 * selected job is there; findings are filled in both cases (free with config_findings_done()). */
int ci_config_parse(const char *file, const char *text, size_t len,
                    const struct ci_selection *selection, struct ci_config **ret,
                    struct config_findings *findings, struct error *err);
void ci_config_free(struct ci_config *config);
DEFINE_AUTO_PTR(struct ci_config, ci_config_free)

const struct ci_job *ci_config_find(const struct ci_config *config, const char *name);
