/* core/job/shell/bash.h - scripts for bash and sh (dash, busybox): the frame, the variables,
 * commands.
 *
 * A body is collected by the calls below in the order in which it runs; script_wrap() puts it into
 * the frame that is fed to the instance's shell on stdin. Facts: reference/job-execution.md 2.2
 * to 2.5.
 */
#pragma once

#include <stdbool.h>

#include "core/base/buf.h"

/* `export NAME='value'`; the name was checked (hardening.md V4). */
void script_export(struct buf *body, const char *name, const char *value);

/* Writes the value into DIR/NAME, readable only by us before it has content (S4, Q7), and exports
 * the path. */
void script_file_variable(struct buf *body, const char *dir, const char *name, const char *value);

/* `export NAME=DIR/NAME` for a file that an earlier stage wrote. */
void script_file_path(struct buf *body, const char *dir, const char *name);

/* A line for people, in green as the peer prints its notices. */
void script_notice(struct buf *body, const char *text);

/* A plain command of ours. */
void script_command(struct buf *body, const char *const *words);

/* A command of the job, echoed as `$ command` (several lines: the first and a note), then as
 * written. */
void script_user_command(struct buf *body, const char *command);

/* `GITLAB_ENV`: variables that earlier stages handed on. */
void script_load_env(struct buf *body, const char *tmp_dir);

/* For scripts of ours, after the exports: removes what could make git or the shell run other
 * programs (S8). */
void script_unset_hostile(struct buf *body);

struct script_frame {
    const char *shell; /* bash or sh */
    const char
        *tag_dir;   /* the stage's process group id is left here for an abort; NULL = nowhere */
    bool trace;     /* xtrace */
    bool own_stage; /* a script of ours: hostile variables are unset first (S8) */
};
void script_wrap(struct buf *out, const struct script_frame *frame, const char *body);
