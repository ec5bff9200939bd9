/* core/exec/coordinator_git.h - a repository for jobs that do not share our files, such as those in VMs: its files over
 * HTTP, which git can fetch from ("dumb" HTTP). For coordinator.c, which has looked at the job's token.
 */
#pragma once

#include "core/exec/http_server.h"

/* `bare` is what snapshot_make_files() has made ready, `path` what the client asks for in it. */
void repository_answer(const char *bare, struct http_request *request, const char *path);
