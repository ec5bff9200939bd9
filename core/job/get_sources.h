/* core/job/get_sources.h - what the files of the git stage share: get_sources.c has the order of
 * things, get_sources_repository.c the project itself, get_sources_clean.c takes away what earlier jobs left, get_sources_submodules.c is about
 * submodules. All of it but get_sources.c itself writes text for stage_own_sh(). */
#pragma once

#include <stdbool.h>

#include "core/job/job.h"
#include "core/job/shell/bash.h"
#include "core/job/shell/quote.h"

#define COMMAND(body, ...) script_command((body), (const char *const[]) { __VA_ARGS__, NULL })

/* `git` with what all its requests carry. No newline. */
void sources_add_git(struct buf *body);
/* Each word of a variable behind a blank; `none` stands for no words. */
void sources_add_flags(const struct job *job, struct buf *body, const char *name,
                       const char *fallback);

/* get_sources_clean.c */
/* `if`: the build directory has a repository of its own, and neither is a link to elsewhere. */
void clean_if_repository(const struct job *job, struct buf *body);
/* Locks, and what could make git run or trust something, in that repository (4.3). */
void clean_repository(const struct job *job, struct buf *body);
/* In the repository: files that would change what git writes. */
void clean_attributes(const struct job *job, struct buf *body);
void clean_hidden(struct buf *body);
/* Behind the checkout: each submodule's `.git` leads to .git/modules, or is gone. */
void clean_submodule_links(const struct job *job, struct buf *body);

/* get_sources_repository.c */
/* Leaves the shell in some directory; `$fresh` is empty when the repository is that of an earlier
 * job. */
void repository_add(const struct job *job, struct buf *body);

/* get_sources_submodules.c */
/* Behind repository_add(), in the repository. */
void submodules_add(const struct job *job, struct buf *body);
/* All that are there as they were committed, for the clean-up. */
void submodules_add_reset(const struct job *job, struct buf *body);
