/* core/job/git_settings.h - what the job asks git for, read and checked before anything runs
 * (job-execution.md 3.3, 4.1, 4.2); get_sources.c makes a script of it.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "core/base/buf.h"
#include "core/base/error.h"
#include "core/base/json.h"

struct job;

/* What separates words in GIT_CLEAN_FLAGS and the like. */
#define GIT_BLANKS " \t\r\n\v\f"

enum git_strategy { GIT_CLONE, GIT_FETCH, GIT_NONE, GIT_EMPTY };
enum git_submodules { GIT_SUBMODULES_NONE, GIT_SUBMODULES_NORMAL, GIT_SUBMODULES_RECURSIVE };

/* What git will be given can't be an option or lead elsewhere (hardening.md V7, V8): -EINVAL with a
 * sentence; -EPERM for what the job's own variables have wrong. */
int git_settings_check(const struct job *job, struct error *err);
/* Puts into the log's warnings which variables have values that are none. */
void git_settings_warn(struct job *job);

enum git_strategy git_strategy(const struct job *job);
enum git_submodules git_submodules(const struct job *job);
int64_t git_depth(const struct job *job); /* 0 = all */
int64_t git_submodule_depth(const struct job *job);
json_t *git_refspecs(const struct job *job);
const char *git_sha(const struct job *job);
const char *git_ref(const struct job *job);
bool git_is_sha256(const struct job *job);
/* GIT_CHECKOUT: without it the working tree stays as it is. */
bool git_checks_out(const struct job *job);
/* Whether an earlier job's configuration and hooks are removed (4.3). */
bool git_cleans_config(const struct job *job);
/* Without user and password. */
void git_add_remote_url(const struct job *job, struct buf *out);
/* The same of git_info.repo_url, where clone_url leads elsewhere. */
void git_add_repo_url(const struct job *job, struct buf *out);
