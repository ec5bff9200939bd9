/* core/exec/board.c - what of a run fits into a window (board.h).
 *
 * From top to bottom: a title, jobs in the order of stages, instances, the end of a log, one line
 * for what happened last and one for a problem. When the window is low, the log gives way first, then
 * instances, then jobs: those that are over and those that wait become one line of numbers. */
#include "core/exec/board.h"

#include <inttypes.h>
#include <stdio.h>

#include "core/base/columns.h"
#include "core/base/mem.h"
#include "core/base/str.h"

#define TAIL_MIN 4 /* lines of a log that jobs and instances leave room for, with its heading */

/* How much a person wants to see a job. */
enum interest { INTEREST_BUSY, INTEREST_BAD, INTEREST_NEXT, INTEREST_LATER, INTEREST_OVER };

static const struct look {
    char mark;
    enum board_style style;
    enum interest interest;
} looks[] = {
    [PIPELINE_JOB_WAITING] = { ' ', BOARD_FAINT, INTEREST_LATER },
    [PIPELINE_JOB_READY] = { ' ', BOARD_PLAIN, INTEREST_NEXT },
    [PIPELINE_JOB_GIVEN] = { '.', BOARD_PLAIN, INTEREST_BUSY },
    [PIPELINE_JOB_RUNNING] = { '>', BOARD_BUSY, INTEREST_BUSY },
    [PIPELINE_JOB_PASSED] = { '+', BOARD_GOOD, INTEREST_OVER },
    [PIPELINE_JOB_ALLOWED] = { '!', BOARD_BAD, INTEREST_BAD },
    [PIPELINE_JOB_FAILED] = { '!', BOARD_BAD, INTEREST_BAD },
    [PIPELINE_JOB_SKIPPED] = { '-', BOARD_FAINT, INTEREST_OVER },
    [PIPELINE_JOB_CANCELED] = { '-', BOARD_FAINT, INTEREST_OVER },
    [PIPELINE_JOB_MANUAL] = { '-', BOARD_FAINT, INTEREST_OVER },
    [PIPELINE_JOB_BLOCKED] = { '-', BOARD_FAINT, INTEREST_OVER },
};

struct sheet {
    const struct board *board;
    struct board_page *page;
    size_t width;
    size_t stage_width, name_width, state_width; /* of the columns of jobs */
};

void board_page_done(struct board_page *page)
{
    buf_done(&page->text);
    page->n_lines = 0;
}

static void add_line(struct sheet *sheet, enum board_style style, const char *text)
{
    if (sheet->page->n_lines == BOARD_LINES_MAX)
        return;
    columns_add(&sheet->page->text, text, sheet->width);
    buf_add_char(&sheet->page->text, '\n');
    sheet->page->styles[sheet->page->n_lines++] = style;
}

static void add_time(struct buf *out, int64_t from_ms, int64_t to_ms)
{
    int64_t seconds = from_ms >= 0 && to_ms > from_ms ? (to_ms - from_ms) / 1000 : 0;

    buf_addf(out, "%3" PRId64 ":%02" PRId64, seconds / 60, seconds % 60);
}

static void add_title(struct sheet *sheet)
{
    const struct board *board = sheet->board;
    autobuf struct buf line = BUF_INIT;
    size_t over = 0;

    for (size_t i = 0; i < board->pipeline->n_jobs; i++) {
        enum interest interest = looks[board->pipeline->jobs[i].state].interest;

        over += interest == INTEREST_BAD || interest == INTEREST_OVER;
    }
    add_time(&line, board->history->began_ms, board->now_ms);
    buf_addf(&line, "  %zu of %zu jobs done  ", over, board->pipeline->n_jobs);
    buf_add_str(&line, board->title);
    add_line(sheet, BOARD_TITLE, buf_str(&line));
}

/* Jobs. */

static void describe_state(struct buf *out, const struct pipeline_job *job)
{
    buf_add_str(out,
                job->state == PIPELINE_JOB_GIVEN ? "starting" : pipeline_state_name(job->state));
    if (job->exit_code != 0)
        buf_addf(out, ", exit code %d", job->exit_code);
    if (job->tries > 0 && job->ended_ms < 0)
        buf_addf(out, ", try %u", job->tries + 1);
}

static void measure(struct sheet *sheet)
{
    const struct pipeline *pipeline = sheet->board->pipeline;

    for (size_t i = 0; i < pipeline->n_jobs; i++) {
        const struct pipeline_job *job = &pipeline->jobs[i];
        autobuf struct buf state = BUF_INIT, name = BUF_INIT, stage = BUF_INIT;

        describe_state(&state, job);
        columns_add(&stage, pipeline->config->stages[job->job->stage], sheet->width / 5);
        columns_add(&name, job->job->name, sheet->width / 3);
        sheet->stage_width = MAX(sheet->stage_width, columns_of(buf_str(&stage)));
        sheet->name_width = MAX(sheet->name_width, columns_of(buf_str(&name)));
        sheet->state_width = MAX(sheet->state_width, columns_of(buf_str(&state)));
    }
}

static void add_job(struct sheet *sheet, const struct pipeline_job *job, bool names_stage)
{
    const struct board *board = sheet->board;
    const struct look *look = &looks[job->state];
    autobuf struct buf line = BUF_INIT, state = BUF_INIT;

    describe_state(&state, job);
    columns_add_padded(&line, names_stage ? board->pipeline->config->stages[job->job->stage] : "",
                       sheet->stage_width);
    buf_addf(&line, " %c ", look->mark);
    columns_add_padded(&line, job->job->name, sheet->name_width);
    buf_add_str(&line, "  ");
    if (job->started_ms < 0) {
        buf_add_str(&line, buf_str(&state));
        add_line(sheet, look->style, buf_str(&line));
        return;
    }
    columns_add_padded(&line, buf_str(&state), sheet->state_width);
    add_time(&line, job->started_ms, job->ended_ms >= 0 ? job->ended_ms : board->now_ms);
    if (job->instance)
        buf_addf(&line, "  %s", job->instance);
    add_line(sheet, look->style, buf_str(&line));
}

/* "and 12 more: 8 passed, 4 waiting" */
static void add_others(struct sheet *sheet, const bool *shown)
{
    const struct pipeline *pipeline = sheet->board->pipeline;
    size_t counts[ARRAY_LEN(looks)] = { 0 }, all = 0;
    const char *separator = ": ";
    autobuf struct buf line = BUF_INIT;

    for (size_t i = 0; i < pipeline->n_jobs; i++)
        if (!shown[i]) {
            counts[pipeline->jobs[i].state]++;
            all++;
        }
    buf_addf(&line, "and %zu more", all);
    for (size_t state = 0; state < ARRAY_LEN(looks); state++)
        if (counts[state] > 0) {
            buf_addf(&line, "%s%zu %s", separator, counts[state],
                     pipeline_state_name((enum pipeline_state) state));
            separator = ", ";
        }
    add_line(sheet, BOARD_FAINT, buf_str(&line));
}

/* Marks the `room` jobs that a person wants to see most. */
static void choose(const struct pipeline *pipeline, size_t room, bool *shown)
{
    for (int interest = INTEREST_BUSY; interest <= INTEREST_OVER; interest++)
        for (size_t i = 0; i < pipeline->n_jobs && room > 0; i++)
            if (looks[pipeline->jobs[i].state].interest == (enum interest) interest) {
                shown[i] = true;
                room--;
            }
}

static void add_jobs(struct sheet *sheet, size_t room)
{
    const struct pipeline *pipeline = sheet->board->pipeline;
    autofree bool *shown = mem_array(pipeline->n_jobs + 1, sizeof(*shown));
    bool all = pipeline->n_jobs <= room;

    if (!shown || room == 0)
        return;
    choose(pipeline, all ? room : room - 1, shown);
    measure(sheet);
    for (size_t stage = 0; stage < pipeline->config->n_stages; stage++) {
        bool first = true;

        for (size_t i = 0; i < pipeline->n_jobs; i++)
            if (shown[i] && pipeline->jobs[i].job->stage == stage) {
                add_job(sheet, &pipeline->jobs[i], first);
                first = false;
            }
    }
    if (!all)
        add_others(sheet, shown);
}

/* Instances. */

static size_t count_instances(const struct history *history)
{
    size_t count = 0;

    for (size_t i = 0; i < history->n_instances; i++)
        count += history->instances[i].gone_ms < 0;
    return count;
}

static void add_instance(struct sheet *sheet, const struct history_instance *instance)
{
    const struct board *board = sheet->board;
    autobuf struct buf line = BUF_INIT;

    buf_addf(&line, "instance %s  %-8s ", instance->id,
             instance->removing_ms >= 0 ? "removing"
             : instance->ready_ms >= 0  ? "ready"
                                        : "starting");
    add_time(&line, instance->appeared_ms, board->now_ms);
    for (unsigned slot = 0; slot < instance->slots; slot++) {
        const struct history_try *attempt = history_on_slot(board->history, instance->id, slot);

        buf_addf(&line, "  [%s]", attempt ? board->pipeline->jobs[attempt->job].job->name : "free");
    }
    add_line(sheet,
             instance->ready_ms >= 0 && instance->removing_ms < 0 ? BOARD_PLAIN : BOARD_FAINT,
             buf_str(&line));
}

static void add_instances(struct sheet *sheet, size_t room)
{
    const struct history *history = sheet->board->history;
    size_t left = count_instances(history);
    autobuf struct buf line = BUF_INIT;

    for (size_t i = 0; i < history->n_instances && room > 0; i++) {
        if (history->instances[i].gone_ms >= 0)
            continue;
        if (room == 1 && left > 1) {
            buf_addf(&line, "and %zu more instances", left);
            add_line(sheet, BOARD_FAINT, buf_str(&line));
            return;
        }
        add_instance(sheet, &history->instances[i]);
        room--;
        left--;
    }
}

/* A heading and as many of the last lines as there is room for. */
static void add_tail(struct sheet *sheet, size_t room)
{
    const struct board *board = sheet->board;
    autobuf struct buf line = BUF_INIT;

    if (room < 2 || !board->tail_of)
        return;
    buf_addf(&line, "log of %s:", board->tail_of);
    add_line(sheet, BOARD_TITLE, buf_str(&line));
    for (size_t i = board->n_tail - MIN(board->n_tail, room - 1); i < board->n_tail; i++)
        add_line(sheet, BOARD_PLAIN, board->tail[i]);
}

void board_draw(const struct board *board, size_t width, size_t height, struct board_page *page)
{
    struct sheet sheet = { .board = board, .page = page, .width = width };
    size_t room = MIN(height, (size_t) BOARD_LINES_MAX), jobs, instances, tail;

    buf_clear(&page->text);
    page->n_lines = 0;
    if (room == 0)
        return;
    add_title(&sheet);
    room--;
    room -= MIN(room, (size_t) (board->note != NULL) + (board->problem != NULL));
    jobs = board->pipeline->n_jobs;
    instances = count_instances(board->history);
    tail = board->tail_of ? MIN((size_t) TAIL_MIN, room / 3) : 0;
    jobs = MIN(jobs, room - tail - MIN(instances, room / 4));
    instances = MIN(instances, room - tail - jobs);
    add_jobs(&sheet, jobs);
    add_instances(&sheet, instances);
    add_tail(&sheet, room - jobs - instances);
    if (board->note && page->n_lines < height)
        add_line(&sheet, BOARD_FAINT, board->note);
    if (board->problem && page->n_lines < height)
        add_line(&sheet, BOARD_BAD, board->problem);
}
