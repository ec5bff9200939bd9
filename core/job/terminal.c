/* core/job/terminal.c - GitLab's web terminal: a person's shell on the instance, or in the job's VM, while the job runs
 * and for some time behind it (coordinator-protocol.md 6.5, job-execution.md 9.7). For job.c and stage.c.
 *
 * The person's end comes from the supervisor as a socket, with bytes that nobody but the instance's terminal reads. The
 * shell runs over the job's own connection, and what it prints hides what the job's log hides. */
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "core/base/clock.h"
#include "core/base/mem.h"
#include "core/base/str.h"
#include "core/job/connect/pty.h"
#include "core/job/job.h"
#include "core/job/trace/filter.h"

static int show(void *arg, const void *data, size_t len, struct buf *out)
{
    const struct job *job = arg;

    return filter_write(job->terminal_filter, data, len, out);
}

static int echo(void *arg, const char *typed, size_t len, struct buf *out)
{
    const struct job *job = arg;

    return filter_show_typed(job->terminal_filter, typed, len, out);
}

static int end_shown(void *arg, struct buf *out)
{
    const struct job *job = arg;

    return job->terminal_filter ? filter_end(job->terminal_filter, out) : 0;
}

int terminal_prepare(struct job *job)
{
    const struct pty_screen screen = { .show = show, .echo = echo, .end = end_shown, .arg = job };

    job->terminal_fd = -1;
    if (job->session_timeout_ms == 0)
        return 0;
    job->pty = pty_new(screen);
    return job->pty ? 0 : -ENOMEM;
}

void terminal_done(struct job *job)
{
    if (!job->pty)
        return;
    terminal_over(job);
    pty_free(job->pty);
    filter_free(job->terminal_filter);
}

void terminal_ready(struct job *job)
{
    job->terminal_phase = TERMINAL_READY;
}

static void turn_away(struct job *job, const char *why)
{
    if (job->terminal_fd < 0)
        return;
    pty_say(job->terminal_fd, why);
    (void) close(job->terminal_fd);
    job->terminal_fd = -1;
}

static int begin(struct job *job, struct error *err)
{
    autobuf struct buf command = BUF_INIT;
    int r = job->terminal_filter ? 0 : filter_new(job->trace, &job->terminal_filter);

    job->shell->add_terminal(job->shell, &command, job->build_dir);
    if (r < 0 || buf_error(&command) < 0)
        return error_set(err, -ENOMEM, "the terminal cannot be opened: memory is short");
    return remote_pty(job->remote, job->pty, buf_str(&command), job->terminal_fd, err);
}

static void admit(struct job *job)
{
    struct error err = { 0 };

    if (begin(job, &err) == 0)
        job->terminal_fd = -1; /* it is the terminal's */
    else
        turn_away(job, err.message);
}

static const char *why_stopped(const struct report_orders *orders)
{
    if (orders->instance_lost)
        return "The job's instance is lost.";
    return orders->abort || orders->cancel ? "The job was canceled." : NULL;
}

void terminal_look(struct job *job, const struct report_orders *orders)
{
    const char *stopped = why_stopped(orders);
    int fd = report_take_terminal(job->report);

    if (!job->pty) {
        if (fd >= 0)
            (void) close(fd);
        return;
    }
    if (fd >= 0) {
        turn_away(job, "Another terminal was opened.");
        job->terminal_fd = fd;
        if (job->terminal_phase == TERMINAL_EARLY)
            pty_say(fd, "The shell comes when the job has its sources.");
    }
    if (stopped) {
        pty_end(job->pty, stopped);
        turn_away(job, stopped);
    } else if (job->terminal_phase == TERMINAL_OVER) {
        turn_away(job, "The job has ended.");
    } else if (job->terminal_fd >= 0 && job->terminal_phase == TERMINAL_READY &&
               pty_is_idle(job->pty)) {
        admit(job);
    }
}

static bool somebody_is_there(const struct job *job)
{
    return pty_is_connected(job->pty) || job->terminal_fd >= 0;
}

/* Ends the wait when the person has gone. */
static int poll_connected(void *arg)
{
    struct job *job = arg;
    const struct report_orders *orders = report_poll(job->report);
    int stopped = report_stopped(orders);

    terminal_look(job, orders);
    if (stopped < 0)
        return stopped;
    return somebody_is_there(job) ? 0 : -ENOTCONN;
}

static void wait_for_person(struct job *job, int64_t limit_ms)
{
    int64_t seconds = (limit_ms + 500) / 1000;
    struct remote_watch watch = stage_watch(job);
    autobuf struct buf limit = BUF_INIT;
    struct error err = { 0 };
    int r;

    format_duration(&limit, seconds * 1000);
    (void) trace_line(job->trace, TRACE_INFO, "Terminal is connected, will time out in %s...",
                      buf_str(&limit));
    watch.poll_control = poll_connected;
    remote_set_watch(job->remote, watch);
    r = remote_idle(job->remote, clock_mono_ms(&clock_system) + limit_ms, &err);
    if (r == 0)
        (void) trace_line(job->trace, TRACE_INFO,
                          "terminal session timed out (maximum time allowed - %s)",
                          buf_str(&limit));
    else if (r == -ENOTCONN)
        (void) trace_line(job->trace, TRACE_INFO, "Terminal disconnected");
    else if (!remote_was_stopped(r))
        job->lost = true;
}

void terminal_wait(struct job *job)
{
    int64_t left = job->deadline_ms - clock_mono_ms(&clock_system);
    int64_t limit = MIN(job->session_timeout_ms, left);

    if (job->pty && !job->lost && limit > 0 && somebody_is_there(job))
        wait_for_person(job, limit);
    job->terminal_phase = TERMINAL_OVER;
    if (job->pty)
        pty_end(job->pty, "The job has ended.");
}

void terminal_over(struct job *job)
{
    job->terminal_phase = TERMINAL_OVER;
    if (!job->pty)
        return;
    turn_away(job, "The job has ended.");
    pty_end(job->pty, "The job has ended.");
    pty_drop(job->pty);
}
