/* core/job/git_config.h - the text of the three configuration files that the git stage writes beside
 * the clone (job-execution.md 4.2). get_sources.c puts them there.
 *
 * None of them holds a secret: the password comes from a helper that reads CI_JOB_TOKEN when git asks
 * (hardening.md S8), so that the job's own commands have it as long as the job runs. */
#pragma once

#include "core/base/buf.h"

struct job;

/* Their names below the job's private directory. */
#define GIT_TEMPLATE "git-template"
#define GIT_EXTERNAL ".gitlab-runner.ext.conf"
#define GIT_GLOBAL ".glr.gconf"

/* Without query and user: "https://host:port"; nothing for what is not spoken over HTTP. */
void git_add_origin(struct buf *out, const char *url);
/* Credentials, certificates, rewrites; the clone's and each submodule's configuration includes it.
 * With `correlation`, which may be NULL, requests can be found in the server's logs. */
void git_config_external(const struct job *job, const char *correlation, struct buf *out);
/* What a new repository's own configuration begins with. */
void git_config_template(const struct job *job, struct buf *out);
/* What git reads anywhere on the instance when the job asks for it: the user's own, and the first. */
void git_config_global(const struct job *job, struct buf *out);
