/* core/job/shell/bash.h - scripts for bash and sh (dash, busybox): the writer of shell.h, and what of it the files of
 * the git stage call by name, as they write sh whatever the job's shell is. Facts: reference/job-execution.md 2.2 to
 * 2.5.
 */
#pragma once

#include "core/job/shell/shell.h"

extern const struct shell shell_bash, shell_sh;

/* `export NAME='value'`. */
void script_export(struct buf *body, const char *name, const char *value);
void script_notice(struct buf *body, const char *text);
void script_warning(struct buf *body, const char *text);
/* A plain command of ours. */
void script_command(struct buf *body, const char *const *words);
void script_remove(struct buf *body, const char *dir, const char *const *names, size_t n);
void script_remove_tree(struct buf *body, const char *dir);

/* What text for shell->sh() is under. */
void script_own_settings(struct buf *body);

/* Leaves in `tmp_dir` which process this is, for script_kill(). */
void script_note_process(struct buf *out, const char *tmp_dir);

/* A script of its own that stops the stage that is noted in `tmp_dir`: TERM, a moment, KILL, and proof:
 * it ends with 0 only when no process of the stage's session is left, which sshd made for it. A process
 * that made a session of its own was meant to outlive the script, and does. */
void script_kill(struct buf *out, const char *tmp_dir);
