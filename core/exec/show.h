/* core/exec/show.h - what a person sees of a run while it goes on: a board on a terminal, else lines.
 */
#pragma once

#include <uv.h>

#include "core/exec/history.h"

struct show;

/* What it is given is borrowed and must outlive it. `title` says what runs. The board is there from
 * now on. */
int show_new(uv_loop_t *loop, const struct pipeline *pipeline, const struct history *history,
             const char *title, struct show **ret, struct error *err);
/* Gives the terminal back. Where a board was, what failed is told now, as a board keeps nothing; the
 * loop must turn once more before show_free(). Accepts NULL; nothing happens the second time. */
void show_close(struct show *show);
void show_free(struct show *show); /* accepts NULL */
DEFINE_AUTO_PTR(struct show, show_free)

/* A line about the run; `show` NULL = it has not begun or is over. */
void show_say(struct show *show, const char *fmt, ...) PRINTF_LIKE(2, 3);

/* Of jobs, by their index in the pipeline. */
void show_log(struct show *show, size_t job, const char *data, size_t len);
void show_running(struct show *show, size_t job, const char *where); /* NULL = nobody says where */
/* `reason` is what this try failed with; the job may be ready for the next one. */
void show_ended(struct show *show, size_t job, const char *reason);
