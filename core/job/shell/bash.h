/* core/job/shell/bash.h - scripts for bash and sh (dash, busybox): the frame, the variables,
 * commands.
 *
 * A body is collected by the calls below in the order in which it runs; script_wrap() puts it into
 * the frame that is fed to the instance's shell on stdin. Directories are absolute. Facts:
 * reference/job-execution.md 2.2 to 2.5.
 */
#pragma once

#include <stdbool.h>

#include "core/base/buf.h"
#include "core/base/json.h"

/* `export NAME='value'`; the name was checked (hardening.md V4). */
void script_export(struct buf *body, const char *name, const char *value);

/* Writes the value into DIR/NAME, readable only by us before it has content (S4, Q7), and exports
 * the path. */
void script_file_variable(struct buf *body, const char *dir, const char *name, const char *value);

/* `GITLAB_ENV`: variables that earlier stages handed on. */
void script_load_env(struct buf *body, const char *tmp_dir);

/* Shows each command from here on: behind the exports, which hold secrets in a form that no mask
 * knows. */
void script_trace(struct buf *body);

/* Lines for people: in green as the peer prints its notices, and in yellow. */
void script_notice(struct buf *body, const char *text);
void script_warning(struct buf *body, const char *text);

/* A plain command of ours. */
void script_command(struct buf *body, const char *const *words);

/* How the commands of the job are written. */
struct script_commands {
    const char *sections; /* NULL = none */
    bool check_status; /* the script ends behind a command that fails, whatever it did to errexit */
};
/* Each echoed as `$ command`, then as written. Of several lines the echo is the first one and a note;
 * with sections, it is all of them, in a collapsed section that is named after those and the command's
 * place. */
void script_user_command(struct buf *body, const char *command, struct script_commands how,
                         size_t place);
void script_user_commands(struct buf *body, json_t *lines, struct script_commands how);

/* What stands between these two is ours: it runs in a subshell without the variables that could
 * make git or the shell load or run other code, and ends at an unset variable (S8, Q6). The job's
 * exported variables of such names are removed one by one. */
void script_own_begin(struct buf *body);
bool script_name_is_hostile(const char *name);
void script_unset(struct buf *body, const char *name);
void script_own_end(struct buf *body);

/* The frame: makes the stage's private directory and leaves in it which process this is, then runs the
 * body with an empty stdin. */
void script_wrap(struct buf *out, const char *shell, const char *tmp_dir, const char *body);

/* Leaves in `tmp_dir` which process this is, for script_kill(). */
void script_note_process(struct buf *out, const char *tmp_dir);

/* A script of its own that stops the stage that is noted in `tmp_dir`: TERM, a moment, KILL, and proof:
 * it ends with 0 only when no process of the stage's session is left, which sshd made for it. A process
 * that made a session of its own was meant to outlive the script, and does. */
void script_kill(struct buf *out, const char *tmp_dir);
