/* nestingd/process.c - see process.h.
 *
 * POSIX has no descriptor that tells of the end of a child, so each child has a thread that waits for it and then
 * closes a pipe. The thread leaves the child unreaped (WNOWAIT) as long as somebody holds the process: its number
 * can't become another's before the last signal to it.
 */
#include "nestingd/process.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <spawn.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/wait.h>

#include "core/base/fs.h"
#include "core/base/mem.h"
#include "core/base/str.h"
#include "nestingd/fd.h"

enum { SAID_MAX = 300, LINE_MAX_BYTES = 512, READ_MAX = 8192, READS_MAX = 16 };

extern char **environ;

struct process {
    pid_t pid;
    int exit_fd;   /* the holder's end of the thread's pipe */
    int waiter_fd; /* the thread's */
    pthread_mutex_t lock;
    siginfo_t end;     /* once ended */
    atomic_bool ended; /* set under the lock */
    bool let_go;       /* under the lock */
};

static void destroy(struct process *process)
{
    (void) pthread_mutex_destroy(&process->lock);
    if (process->exit_fd >= 0)
        (void) close(process->exit_fd);
    if (process->waiter_fd >= 0)
        (void) close(process->waiter_fd);
    free(process);
}

static void reap(const struct process *process)
{
    while (waitpid(process->pid, NULL, 0) < 0 && errno == EINTR)
        continue;
}

static void *wait_for_end(void *arg)
{
    struct process *process = arg;
    siginfo_t end = { 0 };
    bool let_go;

    while (waitid(P_PID, (id_t) process->pid, &end, WEXITED | WNOWAIT) < 0 && errno == EINTR)
        continue;
    (void) pthread_mutex_lock(&process->lock);
    process->end = end;
    atomic_store(&process->ended, true);
    let_go = process->let_go;
    (void) close(take_fd(&process->waiter_fd));
    (void) pthread_mutex_unlock(&process->lock);
    if (let_go) {
        reap(process);
        destroy(process);
    }
    return NULL;
}

/* No signal of the daemon is for such a thread. */
static int start_waiter(struct process *process)
{
    pthread_attr_t attributes;
    pthread_t thread;
    sigset_t all, old;
    int r;

    (void) sigfillset(&all);
    (void) pthread_attr_init(&attributes);
    (void) pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
    (void) pthread_sigmask(SIG_SETMASK, &all, &old);
    r = pthread_create(&thread, &attributes, wait_for_end, process);
    (void) pthread_sigmask(SIG_SETMASK, &old, NULL);
    (void) pthread_attr_destroy(&attributes);
    return -r;
}

static int set_attributes(posix_spawnattr_t *attributes)
{
    int flags = POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSID;
    sigset_t none, all;

#ifdef POSIX_SPAWN_CLOEXEC_DEFAULT
    flags |= POSIX_SPAWN_CLOEXEC_DEFAULT;
#endif
    (void) sigemptyset(&none);
    (void) sigfillset(&all);
    return posix_spawnattr_setsigmask(attributes, &none)
               ?: posix_spawnattr_setsigdefault(attributes, &all)
               ?: posix_spawnattr_setflags(attributes, (short) flags);
}

static int set_outputs(posix_spawn_file_actions_t *actions, int out_fd, int err_fd)
{
    int r = posix_spawn_file_actions_addopen(actions, 0, "/dev/null", O_RDONLY, 0);
    const int fds[] = { out_fd, err_fd };

    for (int i = 0; i < 2 && r == 0; i++)
        r = fds[i] < 0 ? posix_spawn_file_actions_addopen(actions, i + 1, "/dev/null", O_WRONLY, 0)
                       : posix_spawn_file_actions_adddup2(actions, fds[i], i + 1);
    return r;
}

static int spawn(const char *const *argv, int out_fd, int err_fd, pid_t *ret)
{
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attributes;
    int r = posix_spawn_file_actions_init(&actions);

    if (r != 0)
        return -r;
    r = posix_spawnattr_init(&attributes);
    if (r == 0) {
        /* posix_spawn() takes the array without const and leaves it alone. */
        r = set_attributes(&attributes)
                ?: set_outputs(&actions, out_fd, err_fd)
                ?: posix_spawnp(ret, argv[0], &actions, &attributes, (char **) (uintptr_t) argv,
                                environ);
        (void) posix_spawnattr_destroy(&attributes);
    }
    (void) posix_spawn_file_actions_destroy(&actions);
    return -r;
}

static int cannot_start(int code, const char *name, struct error *err)
{
    if (code == -ENOENT && !strchr(name, '/'))
        return error_set(err, code, "exec: \"%s\": executable file not found in $PATH", name);
    return error_errno(err, code, "exec: \"%s\"", name);
}

static int start(const char *const *argv, int out_fd, int err_fd, struct process **ret,
                 struct error *err)
{
    struct process *process = mem_zero(sizeof(*process));
    int ends[2] = { -1, -1 };
    int r;

    if (!process)
        return error_errno(err, -ENOMEM, "exec: \"%s\"", argv[0]);
    (void) pthread_mutex_init(&process->lock, NULL);
    r = fd_pipe(ends);
    process->exit_fd = ends[0];
    process->waiter_fd = ends[1];
    if (r == 0)
        r = spawn(argv, out_fd, err_fd, &process->pid);
    if (r < 0) {
        destroy(process);
        return cannot_start(r, argv[0], err);
    }
    r = start_waiter(process);
    if (r < 0) {
        (void) kill(-process->pid, SIGKILL);
        reap(process);
        destroy(process);
        return error_errno(err, r, "exec: \"%s\": a thread to wait for it", argv[0]);
    }
    *ret = process;
    return 0;
}

int process_start(const char *const *argv, int output_fd, struct process **ret, struct error *err)
{
    return start(argv, output_fd, output_fd, ret, err);
}

pid_t process_pid(const struct process *process)
{
    return process->pid;
}

int process_exit_fd(const struct process *process)
{
    return process->exit_fd;
}

/* The thread wrote the end before this. */
static bool has_ended(const struct process *process)
{
    return atomic_load(&process->ended);
}

int process_result(const struct process *process, struct error *err)
{
    if (!has_ended(process))
        return error_set(err, -EAGAIN, "it runs");
    if (process->end.si_code != CLD_EXITED)
        return error_set(err, -EIO, "signal %d", process->end.si_status);
    if (process->end.si_status != 0)
        return error_set(err, -EIO, "exit status %d", process->end.si_status);
    return 0;
}

int process_wait(const struct process *process, const struct call *call, struct error *err)
{
    struct pollfd fds[] = { { 0 }, { .fd = process->exit_fd, .events = POLLIN } };
    int r = call_poll(call, fds, ARRAY_LEN(fds), -1, err);

    return MIN(r, 0);
}

void process_signal(struct process *process, int signal)
{
    if (!has_ended(process))
        (void) kill(-process->pid, signal);
}

void process_stop(struct process *process, int64_t grace_ms)
{
    struct call grace = call_fresh(grace_ms), for_ever = call_fresh(INT64_MAX);

    if (grace_ms > 0 && !has_ended(process))
        (void) kill(process->pid, SIGINT);
    if (grace_ms > 0 && process_wait(process, &grace, NULL) == 0)
        return;
    process_signal(process, SIGKILL);
    (void) process_wait(process, &for_ever, NULL);
}

void process_free(struct process *process)
{
    bool ended;

    if (!process)
        return;
    (void) pthread_mutex_lock(&process->lock);
    ended = has_ended(process);
    process->let_go = true;
    (void) pthread_mutex_unlock(&process->lock);
    if (ended) {
        reap(process);
        destroy(process);
    }
}

/* One of the two outputs of a program that is awaited. */
struct output {
    int fd; /* ours, not blocking; -1 = at its end */
    struct buf *whole;
    char line[LINE_MAX_BYTES];
    size_t line_len;
};

/* What a program said, while it runs. */
struct hearing {
    struct output out, err;
    char said[SAID_MAX + 1]; /* the end of its error output */
    size_t said_len;
    struct process_listener listener;
};

static void tell_line(struct hearing *hearing, struct output *output)
{
    output->line[output->line_len] = '\0';
    if (output->line_len > 0)
        hearing->listener.line(hearing->listener.arg, output->line);
    output->line_len = 0;
}

static void hear_lines(struct hearing *hearing, struct output *output, const char *data, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        bool end = strchr("\n\r", data[i]) != NULL; /* a NUL ends one, too */

        if (!end)
            output->line[output->line_len++] = data[i];
        if (end || output->line_len == sizeof(output->line) - 1)
            tell_line(hearing, output);
    }
}

static void keep_end(struct hearing *hearing, const char *data, size_t len)
{
    size_t keep;

    if (len > SAID_MAX) {
        data += len - SAID_MAX;
        len = SAID_MAX;
    }
    keep = MIN(hearing->said_len, SAID_MAX - len);
    memmove(hearing->said, hearing->said + hearing->said_len - keep, keep);
    memcpy(hearing->said + keep, data, len);
    hearing->said_len = keep + len;
}

/* Takes what there is now, as much as a pipe holds and no more, should it be filled all the time: 0, or -EFBIG. */
static int hear(struct hearing *hearing, struct output *output)
{
    char data[READ_MAX];
    ssize_t n = 1;

    for (int reads = 0; output->fd >= 0 && reads < READS_MAX; reads++) {
        n = read(output->fd, data, sizeof(data));
        if (n <= 0)
            break;
        if (output == &hearing->err)
            keep_end(hearing, data, (size_t) n);
        if (output->whole)
            buf_add(output->whole, data, (size_t) n);
        if (output->whole && buf_error(output->whole) < 0)
            return buf_error(output->whole);
        if (hearing->listener.line)
            hear_lines(hearing, output, data, (size_t) n);
    }
    if (output->fd >= 0 && (n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR)))
        (void) close(take_fd(&output->fd));
    return 0;
}

/* Until the program has ended, whoever else holds its outputs; then what is left in them. */
static int hear_all(struct hearing *hearing, const struct process *process, const struct call *call,
                    struct error *err)
{
    const struct process *beside = hearing->listener.beside;
    bool ended = false;

    while (!ended) {
        struct pollfd fds[] = { { 0 },
                                { .fd = process->exit_fd, .events = POLLIN },
                                { .fd = beside ? beside->exit_fd : -1, .events = POLLIN },
                                { .fd = hearing->out.fd, .events = POLLIN },
                                { .fd = hearing->err.fd, .events = POLLIN } };
        int r = call_poll(call, fds, ARRAY_LEN(fds), -1, err);

        if (r < 0)
            return r;
        ended = fds[1].revents != 0;
        if (!ended && fds[2].revents)
            return error_set(err, -ESRCH, "what it waits for has ended");
        r = hear(hearing, &hearing->err);
        if (r == 0)
            r = hear(hearing, &hearing->out);
        if (r == -EFBIG)
            return error_set(err, r, "it prints more than %zu bytes", PROCESS_OUTPUT_MAX);
        if (r < 0)
            return error_errno(err, r, "its output");
    }
    if (hearing->listener.line) {
        tell_line(hearing, &hearing->out);
        tell_line(hearing, &hearing->err);
    }
    return 0;
}

void process_quote(struct error *err, char *said, size_t len)
{
    autobuf struct buf shown = BUF_INIT;
    char how[sizeof(err->message)];

    if (!err)
        return;
    if (len > SAID_MAX) {
        said += len - SAID_MAX;
        len = SAID_MAX;
    }
    for (size_t i = 0; i < len; i++)
        if (strchr("\n\r\t", said[i]))
            said[i] = ' ';
    while (len > 0 && said[len - 1] == ' ')
        len--;
    str_display(&shown, said, len, SAID_MAX);
    (void) str_copy(how, sizeof(how), err->message);
    (void) error_set(err, err->code, "%s (%s)", how, buf_str(&shown));
}

static int open_output(struct output *output, int *ret_theirs)
{
    int ends[2];
    int r = fd_pipe(ends);

    if (r < 0)
        return r;
    output->fd = ends[0];
    *ret_theirs = ends[1];
    return fs_set_nonblock(output->fd);
}

static int run(struct hearing *hearing, const char *const *argv, const struct call *call,
               struct error *err)
{
    auto_ptr(process_free) struct process *process = NULL;
    autoclose int out = -1;
    autoclose int error_out = -1;
    int r = open_output(&hearing->out, &out);

    if (r == 0)
        r = open_output(&hearing->err, &error_out);
    if (r < 0)
        return cannot_start(r, argv[0], err);
    r = start(argv, out, error_out, &process, err);
    if (!process)
        return r;
    (void) close(take_fd(&out));
    (void) close(take_fd(&error_out));
    r = hear_all(hearing, process, call, err);
    if (r < 0) {
        process_stop(process, 0);
        return r;
    }
    r = process_result(process, err);
    if (r < 0)
        process_quote(err, hearing->said, hearing->said_len);
    return r;
}

int process_run(const char *const *argv, const struct call *call, struct buf *out,
                const struct process_listener *listener, struct error *err)
{
    struct hearing hearing = { .out = { .fd = -1, .whole = out },
                               .err = { .fd = -1 },
                               .listener = listener ? *listener : (struct process_listener) { 0 } };
    int r;

    if (out)
        out->max = PROCESS_OUTPUT_MAX;
    r = run(&hearing, argv, call, err);
    if (hearing.out.fd >= 0)
        (void) close(hearing.out.fd);
    if (hearing.err.fd >= 0)
        (void) close(hearing.err.fd);
    return r;
}
