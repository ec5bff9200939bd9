/* core/exec/exec.h - `flotilla exec`: one pipeline on this machine, through the whole manager; and
 * `flotilla coordinator`, which leaves the jobs to other runners.
 *
 * The jobs of a .gitlab-ci.yml are given out by an embedded coordinator: to a supervisor in the same
 * process, which runs them on instances as it would run GitLab's, or to whoever has the token.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

struct vm_options;

struct exec_options {
    const char *file;        /* NULL = .gitlab-ci.yml */
    const char *config;      /* NULL = built in */
    const char *state_dir;   /* NULL = a private one, removed at the end */
    const char *plugin_dirs; /* NULL = the default */
    const char *self_exe;
    const char *listen; /* HOST:PORT: no supervisor, other runners take the jobs there; else NULL */
    const char *report; /* NULL = none */
    const char *artifacts;        /* where they are kept; NULL = until the end */
    const char *cache;            /* the same of caches */
    const struct vm_options *vms; /* NULL = jobs run on instances themselves */
    const char *const *names;     /* of jobs; none = all */
    size_t n_names;
};

/* Prints as it goes; returns the exit status: 0 only when the pipeline passed. */
int exec_run(const struct exec_options *options);
