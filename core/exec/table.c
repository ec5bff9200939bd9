/* core/exec/table.c - columns as wide as what is in them. */
#include "core/exec/table.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "core/base/columns.h"
#include "core/base/str.h"

enum { COLUMN_JOB, COLUMN_STAGE, COLUMN_STATE, COLUMN_WAIT, COLUMN_RUN, COLUMN_INSTANCE, COLUMNS };

struct row {
    char cells[COLUMNS][128];
};

static const struct row heading = { { "job", "stage", "state", "wait s", "run s", "instance" } };

void table_seconds(char *out, size_t size, int64_t from_ms, int64_t to_ms)
{
    if (from_ms < 0 || to_ms < from_ms)
        (void) str_copy(out, size, "-");
    else
        (void) snprintf(out, size, "%" PRId64 ".%" PRId64, (to_ms - from_ms) / 1000,
                        (to_ms - from_ms) % 1000 / 100);
}

/* Names come from the file: control bytes are shown, long ones are cut. */
static void format_name(char *out, size_t size, const char *name)
{
    autobuf struct buf shown = BUF_INIT;

    str_display(&shown, name, strlen(name), size / 2);
    (void) str_copy(out, size, buf_str(&shown));
}

static void fill(struct row *row, const struct pipeline *pipeline, const struct pipeline_job *job)
{
    const char *state = pipeline_state_name(job->state);

    format_name(row->cells[COLUMN_JOB], sizeof(row->cells[0]), job->job->name);
    format_name(row->cells[COLUMN_STAGE], sizeof(row->cells[0]),
                pipeline->config->stages[job->job->stage]);
    if (job->exit_code != 0)
        (void) snprintf(row->cells[COLUMN_STATE], sizeof(row->cells[0]), "%s, exit code %d", state,
                        job->exit_code);
    else if (*job->reason && !str_eq(job->reason, "job_canceled"))
        (void) snprintf(row->cells[COLUMN_STATE], sizeof(row->cells[0]), "%s, %s", state,
                        job->reason);
    else
        (void) str_copy(row->cells[COLUMN_STATE], sizeof(row->cells[0]), state);
    table_seconds(row->cells[COLUMN_WAIT], sizeof(row->cells[0]), job->ready_ms,
                  job->started_ms >= 0 ? job->started_ms : job->ended_ms);
    table_seconds(row->cells[COLUMN_RUN], sizeof(row->cells[0]), job->started_ms, job->ended_ms);
    format_name(row->cells[COLUMN_INSTANCE], sizeof(row->cells[0]),
                job->instance ? job->instance : "-");
}

static void add_row(struct buf *out, const struct row *row, const size_t *widths)
{
    for (size_t c = 0; c < COLUMNS; c++) {
        bool number = c == COLUMN_WAIT || c == COLUMN_RUN;
        size_t pad = widths[c] - columns_of(row->cells[c]);

        if (number)
            buf_addf(out, "%*s", (int) pad, "");
        buf_add_str(out, row->cells[c]);
        if (!number && c + 1 < COLUMNS)
            buf_addf(out, "%*s", (int) pad, "");
        buf_add_str(out, c + 1 < COLUMNS ? "  " : "\n");
    }
}

static void widen(size_t *widths, const struct row *row)
{
    for (size_t c = 0; c < COLUMNS; c++)
        widths[c] = MAX(widths[c], columns_of(row->cells[c]));
}

const char *table_verdict(const struct pipeline *pipeline)
{
    if (pipeline_passed(pipeline))
        return "passed";
    return pipeline->canceled ? "interrupted" : "failed";
}

void table_format(struct buf *out, const struct pipeline *pipeline, int64_t took_ms)
{
    size_t widths[COLUMNS] = { 0 };
    char took[32];
    struct row row;

    widen(widths, &heading);
    for (size_t i = 0; i < pipeline->n_jobs; i++) {
        fill(&row, pipeline, &pipeline->jobs[i]);
        widen(widths, &row);
    }
    add_row(out, &heading, widths);
    for (size_t stage = 0; stage < pipeline->config->n_stages; stage++)
        for (size_t i = 0; i < pipeline->n_jobs; i++)
            if (pipeline->jobs[i].job->stage == stage) {
                fill(&row, pipeline, &pipeline->jobs[i]);
                add_row(out, &row, widths);
            }
    table_seconds(took, sizeof(took), 0, took_ms);
    buf_addf(out, "pipeline %s in %s s\n", table_verdict(pipeline), took);
}
