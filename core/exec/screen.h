/* core/exec/screen.h - the terminal while a board is on it: the other screen, without a cursor and
 * without echo; and given back on every end.
 *
 * One at a time. What is written to stderr meanwhile, by us and by processes that inherit it, is
 * kept and comes out when the terminal is given back: it would tear the board.
 */
#pragma once

#include "core/base/buf.h"
#include "core/exec/board.h"

/* Whether stdout is a terminal that can hold a board, and ours: not that of a shell that runs us in
 * the background. */
bool screen_is_possible(void);

void screen_enter(void);
void screen_leave(void); /* also when it was not entered */

void screen_size(size_t *ret_width, size_t *ret_height);
/* Shows the page; `anew` after the size changed. */
void screen_show(const struct board_page *page, bool anew);

/* The last line that went to stderr since screen_enter(). */
void screen_problem(struct buf *out);
