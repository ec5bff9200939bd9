/* nestingd/running.c - see running.h. */
#include "nestingd/running.h"

#include <errno.h>
#include <signal.h>
#include <string.h>

#include "core/base/clock.h"
#include "core/base/fs.h"
#include "core/base/mem.h"
#include "nestingd/fd.h"

int running_open(struct running *running, running_handler handle, void *arg, struct error *err)
{
    int r = fd_pipe(running->done);

    if (r < 0)
        return error_errno(err, r, "a pipe");
    (void) fs_set_nonblock(running->done[0]);
    running->handle = handle;
    running->arg = arg;
    running->runs = NULL;
    (void) pthread_mutex_init(&running->lock, NULL);
    return 0;
}

void running_close(struct running *running)
{
    (void) close(running->done[0]);
    (void) close(running->done[1]);
    (void) pthread_mutex_destroy(&running->lock);
}

void run_free(struct run *run)
{
    if (run->cancel_fd >= 0)
        (void) close(run->cancel_fd);
    if (run->call.cancel_fd >= 0)
        (void) close(run->call.cancel_fd);
    free(run->data);
    free(run->answer.data);
    free(run);
}
DEFINE_AUTO_PTR(struct run, run_free)

static void *run_call(void *arg)
{
    struct run *run = arg;
    struct running *running = run->running;

    running->handle(running->arg, run->method, run->data, run->len, &run->call, &run->answer);
    (void) pthread_mutex_lock(&running->lock);
    run->is_done = true;
    (void) pthread_mutex_unlock(&running->lock);
    /* The pipe is longer than there can be calls. */
    (void) fs_write_all(running->done[1], "", 1);
    return NULL;
}

static struct run *new_run(struct running *running, void *owner, const struct request *request)
{
    auto_ptr(run_free) struct run *run = mem_zero(sizeof(*run));
    int64_t now = clock_mono_ms(&clock_system);
    int ends[2];

    if (!run)
        return NULL;
    run->cancel_fd = run->call.cancel_fd = -1;
    run->data = mem_dup(request->data, request->len);
    if (!run->data || fd_pipe(ends) < 0)
        return NULL;
    run->call.cancel_fd = ends[0];
    run->cancel_fd = ends[1];
    run->call.deadline_mono_ms =
        request->timeout_ms > INT64_MAX - now ? INT64_MAX : now + request->timeout_ms;
    run->running = running;
    run->owner = owner;
    run->stream = request->stream;
    run->method = request->method;
    run->len = request->len;
    return take_ptr(run);
}

/* The daemon's signals are for its first thread. */
static int start_thread(struct run *run)
{
    sigset_t all, before;
    int r;

    (void) sigfillset(&all);
    (void) pthread_sigmask(SIG_SETMASK, &all, &before);
    r = pthread_create(&run->thread, NULL, run_call, run);
    (void) pthread_sigmask(SIG_SETMASK, &before, NULL);
    return -r;
}

int running_begin(struct running *running, void *owner, const struct request *request,
                  struct error *err)
{
    auto_ptr(run_free) struct run *run = new_run(running, owner, request);
    int r;

    if (!run)
        return error_set(err, -ENOMEM, "no memory or no descriptors for the call");
    r = start_thread(run);
    if (r < 0)
        return error_errno(err, r, "no thread for the call");
    run->next = running->runs;
    running->runs = take_ptr(run);
    return 0;
}

static void cancel(struct run *run)
{
    (void) fs_write_all(run->cancel_fd, "", 1);
}

void running_abandon(struct running *running, const void *owner, int32_t stream)
{
    for (struct run *run = running->runs; run; run = run->next)
        if (run->owner == owner && run->stream == stream) {
            run->owner = NULL;
            cancel(run);
        }
}

void running_abandon_all(struct running *running, const void *owner)
{
    for (struct run *run = running->runs; run; run = run->next)
        if (run->owner == owner) {
            run->owner = NULL;
            cancel(run);
        }
}

void running_cancel_all(struct running *running)
{
    for (struct run *run = running->runs; run; run = run->next)
        cancel(run);
}

int running_fd(const struct running *running)
{
    return running->done[0];
}

static bool is_done(const struct run *run)
{
    bool done;

    (void) pthread_mutex_lock(&run->running->lock);
    done = run->is_done;
    (void) pthread_mutex_unlock(&run->running->lock);
    return done;
}

struct run *running_take(struct running *running)
{
    struct run **at = &running->runs;
    struct run *run;
    char byte;

    if (read(running->done[0], &byte, 1) != 1)
        return NULL;
    while (*at && !is_done(*at))
        at = &(*at)->next;
    run = *at;
    if (!run) /* cannot be: a byte is written for each run that is done */
        return NULL;
    *at = run->next;
    (void) pthread_join(run->thread, NULL);
    return run;
}

bool running_any(const struct running *running)
{
    return running->runs != NULL;
}
