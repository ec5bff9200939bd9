/* core/exec/show.c - lines, or the board that is drawn anew as time goes by (show.h).
 *
 * The end of every job's log is kept: the board shows the log that moved last, and when the board is
 * gone the logs of failed jobs tell why. */
#include "core/exec/show.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <unistd.h>

#include "core/base/clock.h"
#include "core/base/mem.h"
#include "core/base/str.h"
#include "core/exec/board.h"
#include "core/exec/job_log.h"
#include "core/exec/screen.h"

#define FRAME_MS 200
#define TAIL_LINES 60
#define TOLD_LINES 20 /* of a failed job's log */

/* The last lines of a log, in a ring. */
struct tail {
    char *lines[TAIL_LINES];
    size_t n; /* that were ever added */
};

struct output {
    struct show *show;
    struct job_log log;
    char *name; /* fit for a terminal */
    struct tail tail;
};

struct show {
    const struct pipeline *pipeline;
    const struct history *history;
    const char *title;
    struct output *outputs;     /* one for each job of the pipeline */
    const struct output *spoke; /* the one whose log moved last */
    char *note;
    struct board_page page;
    uv_timer_t frames;
    uv_signal_t resized, stopped;
    bool board; /* there is one */
};

/* Tails. */

static void tail_add(struct tail *tail, const char *text)
{
    char **line = &tail->lines[tail->n++ % TAIL_LINES];

    free(*line);
    *line = mem_strdup(text);
}

/* Oldest first; lines that there was no memory for are empty. */
static size_t tail_get(const struct tail *tail, const char *lines[TAIL_LINES])
{
    size_t count = MIN(tail->n, (size_t) TAIL_LINES);

    for (size_t i = 0; i < count; i++) {
        const char *line = tail->lines[(tail->n - count + i) % TAIL_LINES];

        lines[i] = line ? line : "";
    }
    return count;
}

static void tail_done(struct tail *tail)
{
    for (size_t i = 0; i < TAIL_LINES; i++)
        free(tail->lines[i]);
}

/* The board. */

/* The log that moved last, of jobs that run if one of them has said something. */
static const struct output *output_to_show(const struct show *show)
{
    const struct pipeline_job *jobs = show->pipeline->jobs;

    if (show->spoke && jobs[show->spoke - show->outputs].state == PIPELINE_JOB_RUNNING)
        return show->spoke;
    for (size_t i = 0; i < show->pipeline->n_jobs; i++)
        if (jobs[i].state == PIPELINE_JOB_RUNNING && show->outputs[i].tail.n > 0)
            return &show->outputs[i];
    return show->spoke;
}

static void draw(struct show *show, bool anew)
{
    const struct output *output = output_to_show(show);
    const char *lines[TAIL_LINES];
    autobuf struct buf problem = BUF_INIT;
    struct board board = { .pipeline = show->pipeline,
                           .history = show->history,
                           .title = show->title,
                           .note = show->note,
                           .tail_of = output ? output->name : NULL,
                           .tail = lines,
                           .n_tail = output ? tail_get(&output->tail, lines) : 0,
                           .now_ms = clock_mono_ms(&clock_system) };
    size_t width, height;

    screen_problem(&problem);
    board.problem = problem.len > 0 ? buf_str(&problem) : NULL;
    screen_size(&width, &height);
    board_draw(&board, width, height, &show->page);
    screen_show(&show->page, anew);
}

static void on_frame(uv_timer_t *timer)
{
    draw(timer->data, false);
}

static void on_resized(uv_signal_t *handle, int signum)
{
    (void) signum;
    draw(handle->data, true);
}

/* Ctrl-Z: the shell gets its screen, and we get ours back with `fg`. */
static void on_stopped(uv_signal_t *handle, int signum)
{
    (void) signum;
    screen_leave();
    (void) raise(SIGSTOP);
    screen_enter();
    draw(handle->data, true);
}

static void start_board(struct show *show, uv_loop_t *loop)
{
    show->board = true;
    (void) uv_timer_init(loop, &show->frames);
    (void) uv_signal_init(loop, &show->resized);
    (void) uv_signal_init(loop, &show->stopped);
    show->frames.data = show->resized.data = show->stopped.data = show;
    screen_enter();
    (void) uv_timer_start(&show->frames, on_frame, 0, FRAME_MS);
    (void) uv_signal_start(&show->resized, on_resized, SIGWINCH);
    (void) uv_signal_start(&show->stopped, on_stopped, SIGTSTP);
}

/* Lines. */

static void print(const char *text)
{
    (void) puts(text);
    (void) fflush(stdout);
}

void show_say(struct show *show, const char *fmt, ...)
{
    autobuf struct buf text = BUF_INIT;
    va_list args;

    va_start(args, fmt);
    buf_vaddf(&text, fmt, args);
    va_end(args);
    if (!show || !show->board) {
        print(buf_str(&text));
        return;
    }
    free(show->note);
    show->note = mem_strdup(buf_str(&text));
    draw(show, false);
}

static void on_line(void *arg, const char *text)
{
    struct output *output = arg;

    if (output->show->board)
        tail_add(&output->tail, text);
    else
        show_say(output->show, "%s | %s", output->name, text);
    output->show->spoke = output;
}

void show_log(struct show *show, size_t job, const char *data, size_t len)
{
    job_log_add(&show->outputs[job].log, data, len);
}

void show_running(struct show *show, size_t job, const char *where)
{
    show_say(show, "job %s running%s%s", show->outputs[job].name, where ? " on " : "",
             where ? where : "");
}

static void say_ending(struct show *show, const char *name, const struct pipeline_job *job)
{
    const char *state = pipeline_state_name(job->state);

    if (job->exit_code != 0)
        show_say(show, "job %s %s: %s, exit code %d", name, state, job->reason, job->exit_code);
    else if (*job->reason)
        show_say(show, "job %s %s: %s", name, state, job->reason);
    else
        show_say(show, "job %s %s", name, state);
}

void show_ended(struct show *show, size_t index, const char *reason)
{
    const struct pipeline_job *job = &show->pipeline->jobs[index];
    struct output *output = &show->outputs[index];

    job_log_end(&output->log);
    if (job->state == PIPELINE_JOB_READY)
        show_say(show, "job %s failed: %s; trying again (%u of %u)", output->name, reason,
                 job->tries, job->job->retry.max);
    else
        say_ending(show, output->name, job);
}

/* The beginning and the end. */

static int make_outputs(struct show *show, struct error *err)
{
    bool colours = !show->board && isatty(STDOUT_FILENO) == 1;

    for (size_t i = 0; i < show->pipeline->n_jobs; i++) {
        const char *name = show->pipeline->jobs[i].job->name;
        struct output *output = &show->outputs[i];
        autobuf struct buf shown = BUF_INIT;

        str_display(&shown, name, strlen(name), SIZE_MAX);
        output->show = show;
        output->name = buf_take(&shown);
        if (!output->name)
            return error_set(err, -ENOMEM, "out of memory");
        output->log = (struct job_log) { .colours = colours, .on_line = on_line, .arg = output };
    }
    return 0;
}

int show_new(uv_loop_t *loop, const struct pipeline *pipeline, const struct history *history,
             const char *title, struct show **ret, struct error *err)
{
    auto_ptr(show_free) struct show *show = mem_zero(sizeof(*show));
    int r;

    if (!show || !(show->outputs = mem_array(pipeline->n_jobs + 1, sizeof(*show->outputs))))
        return error_set(err, -ENOMEM, "out of memory");
    show->pipeline = pipeline;
    show->history = history;
    show->title = title;
    show->board = screen_is_possible();
    r = make_outputs(show, err);
    if (r < 0)
        return r;
    if (show->board)
        start_board(show, loop);
    *ret = take_ptr(show);
    return 0;
}

static void tell_failures(const struct show *show)
{
    const char *lines[TAIL_LINES];

    for (size_t i = 0; i < show->pipeline->n_jobs; i++) {
        enum pipeline_state state = show->pipeline->jobs[i].state;
        const struct output *output = &show->outputs[i];
        size_t n = tail_get(&output->tail, lines);

        if ((state != PIPELINE_JOB_FAILED && state != PIPELINE_JOB_ALLOWED) || n == 0)
            continue;
        (void) printf("\nlog of %s, which %s:\n", output->name, pipeline_state_name(state));
        for (size_t k = n - MIN(n, (size_t) TOLD_LINES); k < n; k++)
            print(lines[k]);
    }
}

void show_close(struct show *show)
{
    if (!show || !show->board)
        return;
    show->board = false;
    screen_leave();
    uv_close((uv_handle_t *) &show->frames, NULL);
    uv_close((uv_handle_t *) &show->resized, NULL);
    uv_close((uv_handle_t *) &show->stopped, NULL);
    tell_failures(show);
}

void show_free(struct show *show)
{
    if (!show)
        return;
    for (size_t i = 0; show->outputs && i < show->pipeline->n_jobs; i++) {
        buf_done(&show->outputs[i].log.pending);
        tail_done(&show->outputs[i].tail);
        free(show->outputs[i].name);
    }
    free(show->outputs);
    free(show->note);
    board_page_done(&show->page);
    free(show);
}
