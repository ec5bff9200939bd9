/* core/cli/grid.c - lays out a table (grid.h). */
#include "core/cli/grid.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "core/base/columns.h"
#include "core/base/mem.h"
#include "core/base/str.h"

#define GAP 2
#define CELL_MAX_BYTES 512
#define CUT_TO 8 /* what is left of any column */

void grid_add(struct grid *grid, const char *cell)
{
    struct buf shown = BUF_INIT;

    if (grid->error)
        return;
    if (grid->n_cells == grid->cap) {
        size_t cap = grid->cap ? grid->cap * 2 : 64;
        struct buf *grown = mem_resize(grid->cells, cap, sizeof(*grown));

        if (!grown) {
            grid->error = -ENOMEM;
            return;
        }
        grid->cells = grown;
        grid->cap = cap;
    }
    cell = str_empty(cell) ? "-" : cell;
    str_display(&shown, cell, strlen(cell), CELL_MAX_BYTES);
    grid->cells[grid->n_cells++] = shown;
}

void grid_done(struct grid *grid)
{
    for (size_t i = 0; i < grid->n_cells; i++)
        buf_done(&grid->cells[i]);
    free(grid->cells);
    *grid = (struct grid) { 0 };
}

struct layout {
    size_t widths[GRID_COLUMNS_MAX]; /* 0 = dropped */
};

static size_t total_width(const struct grid *grid, const struct layout *layout)
{
    size_t sum = 0;

    for (size_t c = 0; c < grid->n_columns; c++)
        if (layout->widths[c] > 0)
            sum += layout->widths[c] + (sum > 0 ? GAP : 0);
    return sum;
}

/* True when one went. */
static bool drop_one(const struct grid *grid, struct layout *layout)
{
    size_t victim = grid->n_columns;

    for (size_t c = 0; c < grid->n_columns; c++)
        if (layout->widths[c] > 0 && grid->columns[c].drop_at > 0 &&
            (victim == grid->n_columns || grid->columns[c].drop_at > grid->columns[victim].drop_at))
            victim = c;
    if (victim == grid->n_columns)
        return false;
    layout->widths[victim] = 0;
    return true;
}

/* `last`: nothing else helps, so that every column may be cut. */
static void cut_widest(const struct grid *grid, struct layout *layout, size_t width, bool last)
{
    for (size_t total; (total = total_width(grid, layout)) > width;) {
        size_t widest = grid->n_columns, most = 0, cut;

        for (size_t c = 0; c < grid->n_columns; c++) {
            size_t floor = last ? CUT_TO : grid->columns[c].cut_to;
            size_t may_lose =
                floor > 0 && layout->widths[c] > floor ? layout->widths[c] - floor : 0;

            if (may_lose > most) {
                most = may_lose;
                widest = c;
            }
        }
        if (most == 0)
            return;
        cut = MIN(most, total - width);
        layout->widths[widest] -= cut;
    }
}

static struct layout natural(const struct grid *grid)
{
    struct layout layout = { { 0 } };

    for (size_t c = 0; c < grid->n_columns; c++) {
        size_t widest = columns_of(grid->columns[c].heading);

        for (size_t i = c; i < grid->n_cells; i += grid->n_columns)
            widest = MAX(widest, columns_of(buf_str(&grid->cells[i])));
        layout.widths[c] = widest;
    }
    return layout;
}

static struct layout lay_out(const struct grid *grid, size_t width)
{
    struct layout layout = natural(grid), tried = layout;

    if (width == 0)
        return layout;
    for (;;) {
        cut_widest(grid, &tried, width, false);
        if (total_width(grid, &tried) <= width)
            return tried;
        if (!drop_one(grid, &layout))
            break;
        tried = layout;
    }
    cut_widest(grid, &layout, width, true);
    return layout;
}

static void add_row(const struct grid *grid, const struct layout *layout, const char *const *cells,
                    struct buf *out)
{
    size_t last = 0;
    bool first = true;

    for (size_t c = 0; c < grid->n_columns; c++)
        last = layout->widths[c] > 0 ? c : last;
    for (size_t c = 0; c < grid->n_columns; c++) {
        size_t width = layout->widths[c], used = columns_of(cells[c]);

        if (width == 0)
            continue;
        if (!first)
            buf_addf(out, "%*s", GAP, "");
        first = false;
        if (grid->columns[c].number && used < width)
            buf_addf(out, "%*s", (int) (width - used), "");
        if (grid->columns[c].number || c == last)
            columns_add(out, cells[c], width);
        else
            columns_add_padded(out, cells[c], width);
    }
    buf_add_char(out, '\n');
}

int grid_format(const struct grid *grid, size_t width, struct buf *out)
{
    struct layout layout = lay_out(grid, width);
    const char *cells[GRID_COLUMNS_MAX];

    if (grid->error)
        return grid->error;
    for (size_t c = 0; c < grid->n_columns; c++)
        cells[c] = grid->columns[c].heading;
    add_row(grid, &layout, cells, out);
    for (size_t i = 0; i + grid->n_columns <= grid->n_cells; i += grid->n_columns) {
        for (size_t c = 0; c < grid->n_columns; c++)
            cells[c] = buf_str(&grid->cells[i + c]);
        add_row(grid, &layout, cells, out);
    }
    return buf_error(out);
}

size_t grid_terminal_width(void)
{
    struct winsize size = { 0 };

    return ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 ? size.ws_col : 0;
}
