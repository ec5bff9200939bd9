/* core/cli/grid.h - a table of text for a terminal of any width: columns as wide as what is in them;
 * where that is too wide, long sentences are cut, then the least important columns go. */
#pragma once

#include "core/base/buf.h"

#define GRID_COLUMNS_MAX 16

struct grid_column {
    const char *heading;
    bool number;      /* to the right */
    unsigned drop_at; /* where it is narrow the highest go first; 0 = it stays */
    size_t cut_to;    /* it is cut down to that before any goes; 0 = it is not */
};
struct grid {
    const struct grid_column *columns;
    size_t n_columns, n_cells, cap;
    struct buf *cells; /* row by row; made safe to show */
    int error;
};
#define GRID(of) ((struct grid) { .columns = (of), .n_columns = ARRAY_LEN(of) })

void grid_add(struct grid *grid, const char *cell); /* the next one; NULL and "" show as "-" */
int grid_format(const struct grid *grid, size_t width, struct buf *out); /* 0 = as wide as it is */
void grid_done(struct grid *grid);

size_t grid_terminal_width(void); /* of stdout; 0 when that is no terminal */
