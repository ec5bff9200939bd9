/* core/supervisor/terminals.h - GitLab's web terminals, from the supervisor's side (terminals.c): a session for each request
 * for a job, which is that job's until it ends.
 */
#pragma once

#include "core/supervisor/internal.h"

int terminals_start(struct supervisor *supervisor, struct error *err); /* if there are to be any */
void terminals_stop(struct supervisor *supervisor);
/* What GitLab is told of a manager that has them. */
void terminals_announce(const struct supervisor *supervisor, json_t *info);
/* The job came for a request with that session. */
int terminal_add(struct job *job, const struct session *session);
void terminal_remove(struct job *job);
/* Its session as its row keeps it, the caller's; NULL = no memory. */
struct secret *terminal_kept(const struct job *job);
/* From there; NULL = GitLab was offered none. */
int terminal_restore(struct job *job, const struct secret *kept);
/* Gives its worker who waits for a terminal, once there is one. */
void terminal_pass(struct job *job);
