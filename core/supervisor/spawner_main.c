/* core/supervisor/spawner_main.c - the spawner process: receives descriptors, forks, reports the
 * end. It parses nothing but our own small frames and holds no secret (hardening.md §5, X1). */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core/base/frame.h"
#include "core/base/fs.h"
#include "core/base/harden.h"
#include "core/base/mem.h"
#include "core/base/rights.h"
#include "core/base/str.h"
#include "core/job/worker.h"
#include "core/supervisor/spawner.h"

#define LOG_TOPIC "spawner"
#include "core/base/log.h"

#define LINK_FD 3
#define WORKER_CONTROL_FD 3
#define WORKER_SPOOL_FD 4
#define SPAWNER_FRAME_MAX 4096
#define NICE 5 /* in a rush of jobs the manager goes first: all of them wait for it */

struct child {
    pid_t pid;
    int64_t tag;
};

struct spawner_process {
    struct child *children;
    size_t count, cap;
    int signal_fd;
};

/* One request and its descriptors arrive together, the descriptors on its first byte. 1 = got one, 0 = the
 * supervisor is gone. */
static int receive_request(json_t **ret, int fds[2], struct error *err)
{
    char data[SPAWNER_FRAME_MAX];
    size_t len;
    ssize_t n;

    do
        n = rights_recv(LINK_FD, data, 4, MSG_WAITALL, fds, 2);
    while (n == -EINTR);
    if (n == 0)
        return 0;
    if (n != 4)
        return error_set(err, -EPROTO, "link: short frame header");
    len = (size_t) (unsigned char) data[0] << 24 | (size_t) (unsigned char) data[1] << 16 |
          (size_t) (unsigned char) data[2] << 8 | (size_t) (unsigned char) data[3];
    if (len > sizeof(data))
        return error_set(err, -EPROTO, "link: frame of %zu bytes", len);
    n = recv(LINK_FD, data, len, MSG_WAITALL);
    if (n < 0 || (size_t) n != len)
        return error_set(err, -EPROTO, "link: short frame");
    if (json_parse(data, len, ret, err) < 0)
        return err ? err->code : -EPROTO;
    return 1;
}

static void send_or_die(json_t *frame)
{
    struct error err = { 0 };

    if (!frame || frame_send(LINK_FD, frame, SPAWNER_FRAME_MAX, 10000, &err) < 0)
        _exit(0); /* the supervisor is gone; workers go on without us */
}

static void send_spawned(int64_t tag, pid_t pid)
{
    autojson json_t *frame = json_frame("spawned");

    if (frame) {
        (void) json_add_i64(frame, "tag", tag);
        (void) json_add_i64(frame, "pid", pid);
    }
    send_or_die(frame);
}

static void send_failed(int64_t tag, const char *message)
{
    autojson json_t *frame = json_frame("failed");

    if (frame) {
        (void) json_add_i64(frame, "tag", tag);
        (void) json_add_str(frame, "message", message);
    }
    send_or_die(frame);
}

struct request {
    int64_t tag, seconds; /* of a probe: how long it may live */
    bool probe;
    int control_fd, spool_fd; /* a probe has no spool */
    const char *isolation;    /* the plugin's file, or NULL */
};

/* In the child: the descriptors take their places, everything else of the spawner's goes. */
static void become_child(struct spawner_process *process, const struct request *request)
{
    sigset_t none;
    int control = fcntl(request->control_fd, F_DUPFD_CLOEXEC, 10);
    int spool = request->probe ? -1 : fcntl(request->spool_fd, F_DUPFD_CLOEXEC, 10);

    free(process->children);
    if (control < 0 || dup3(control, WORKER_CONTROL_FD, O_CLOEXEC) < 0 ||
        (!request->probe && (spool < 0 || dup3(spool, WORKER_SPOOL_FD, O_CLOEXEC) < 0)) ||
        close_range(request->probe ? WORKER_SPOOL_FD : WORKER_SPOOL_FD + 1, ~0U, 0) < 0)
        _exit(125);
    (void) sigemptyset(&none);
    (void) sigprocmask(SIG_SETMASK, &none, NULL);
    (void) setpriority(PRIO_PROCESS, 0, NICE);
    if (request->probe)
        _exit(
            probe_worker_main(WORKER_CONTROL_FD, (unsigned) request->seconds, request->isolation));
    _exit(job_worker_main(WORKER_CONTROL_FD, WORKER_SPOOL_FD, request->isolation));
}

static void spawn_child(struct spawner_process *process, const struct request *request)
{
    int64_t tag = request->tag;
    pid_t pid;

    if (request->control_fd < 0 || (!request->probe && request->spool_fd < 0)) {
        send_failed(tag, "the request came without its descriptors");
        return;
    }
    if (process->count == process->cap) {
        size_t cap = process->cap ? process->cap * 2 : 16;
        struct child *grown = mem_resize(process->children, cap, sizeof(*grown));

        if (!grown) {
            send_failed(tag, "out of memory");
            return;
        }
        process->children = grown;
        process->cap = cap;
    }
    pid = fork();
    if (pid == 0)
        become_child(process, request);
    if (pid < 0) {
        send_failed(tag, strerror(errno));
        return;
    }
    process->children[process->count++] = (struct child) { .pid = pid, .tag = tag };
    send_spawned(tag, pid);
}

static void reap_children(struct spawner_process *process)
{
    int status;
    pid_t pid;

    while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
        for (size_t i = 0; i < process->count; i++) {
            autojson json_t *frame = NULL;

            if (process->children[i].pid != pid)
                continue;
            frame = json_frame("exited");
            if (frame) {
                (void) json_add_i64(frame, "tag", process->children[i].tag);
                (void) json_add_i64(frame, "pid", pid);
                (void) json_add_i64(frame, "status", WIFEXITED(status) ? WEXITSTATUS(status) : 0);
                (void) json_add_i64(frame, "signal", WIFSIGNALED(status) ? WTERMSIG(status) : 0);
            }
            process->children[i] = process->children[--process->count];
            send_or_die(frame);
            break;
        }
    }
}

static int handle_request(struct spawner_process *process)
{
    autojson json_t *frame = NULL;
    autoclose int control_fd = -1, spool_fd = -1;
    struct request request = { 0 };
    struct error err = { 0 };
    const char *type = NULL;
    int fds[2];
    int r;

    r = receive_request(&frame, fds, &err);
    control_fd = fds[0];
    spool_fd = fds[1];
    request.control_fd = control_fd;
    request.spool_fd = spool_fd;
    if (r <= 0)
        return r;
    if (json_need_str(frame, "type", &type, &err) < 0 ||
        json_need_i64(frame, "tag", INT64_MIN, INT64_MAX, &request.tag, &err) < 0 ||
        json_opt_str(frame, "isolation", &request.isolation, &err) < 0)
        return -EPROTO;
    request.probe = str_eq(type, "probe");
    if (request.probe ? json_need_i64(frame, "seconds", 1, UINT32_MAX, &request.seconds, &err) < 0
                      : !str_eq(type, "spawn"))
        return -EPROTO;
    spawn_child(process, &request);
    return 1;
}

int spawner_main(bool filter_calls)
{
    struct spawner_process process = { 0 };
    struct error err = { 0 };
    struct pollfd fds[2];
    sigset_t chld;

    (void) prctl(PR_SET_NAME, "flotilla-spawn");
    (void) signal(SIGPIPE, SIG_IGN);
    /* A terminal's interrupt is for the supervisor, which decides what becomes of the jobs. */
    (void) setpgid(0, 0);
    (void) sigemptyset(&chld);
    (void) sigaddset(&chld, SIGCHLD);
    if (harden_process() < 0 || fs_set_cloexec(LINK_FD) < 0 ||
        sigprocmask(SIG_BLOCK, &chld, NULL) < 0)
        return 125;
    process.signal_fd = signalfd(-1, &chld, SFD_CLOEXEC | SFD_NONBLOCK);
    if (process.signal_fd < 0)
        return 125;
    if (job_worker_prepare(filter_calls, &err) < 0) {
        log_error("%s; worker_seccomp = false does without", err.message);
        return 125;
    }

    fds[0] = (struct pollfd) { .fd = LINK_FD, .events = POLLIN };
    fds[1] = (struct pollfd) { .fd = process.signal_fd, .events = POLLIN };
    for (;;) {
        if (poll(fds, ARRAY_LEN(fds), -1) < 0 && errno != EINTR)
            return 125;
        if (fds[1].revents) {
            struct signalfd_siginfo info;

            while (read(process.signal_fd, &info, sizeof(info)) > 0)
                continue;
            reap_children(&process);
        }
        if (fds[0].revents && handle_request(&process) <= 0) {
            free(process.children);
            return 0;
        }
    }
}
