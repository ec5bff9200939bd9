/* core/exec/board.h - the live board of `flotilla exec`: stages and jobs, instances and slots, the
 * end of a running job's log.
 *
 * Pure: a state and a size go in, lines come out; screen.c puts them on the terminal. All text is
 * made fit for one here (hardening.md V18).
 */
#pragma once

#include "core/base/buf.h"
#include "core/exec/history.h"

struct board {
    const struct pipeline *pipeline;
    const struct history *history;
    const char *title;
    const char *note;    /* what was said last; NULL = nothing */
    const char *problem; /* the last line for the operator; NULL = none */
    const char *tail_of; /* the job whose log ends with `tail`; NULL = no log is shown */
    const char *const *tail;
    size_t n_tail;
    int64_t now_ms;
};

enum board_style {
    BOARD_PLAIN,
    BOARD_TITLE,
    BOARD_BUSY,
    BOARD_GOOD,
    BOARD_BAD,
    BOARD_FAINT,
};

#define BOARD_LINES_MAX 300
struct board_page {
    struct buf text; /* each line ends with a newline */
    enum board_style styles[BOARD_LINES_MAX];
    size_t n_lines;
};
void board_page_done(struct board_page *page);

/* At most `height` lines of at most `width` columns replace what the page held. */
void board_draw(const struct board *board, size_t width, size_t height, struct board_page *page);
