/* helper/env_file.h - a file of KEY="value" lines, by which the manager hands over what no command line
 * may hold: a store's credentials (job-execution.md 5.4). */
#pragma once

#include <stddef.h>

#include "core/base/error.h"

struct env_file {
    char **lines; /* "KEY=value" */
    size_t n;
};

/* A `path` that is NULL or "" is an empty file. */
int env_file_read(const char *path, struct env_file *ret, struct error *err);
void env_file_done(struct env_file *file);
#define auto_env_file __attribute__((cleanup(env_file_done)))
/* The file's value, else the environment's; NULL = neither has it. */
const char *env_file_get(const struct env_file *file, const char *key);
