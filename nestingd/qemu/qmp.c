/* nestingd/qemu/qmp.c - see qmp.h. */
#include "nestingd/qemu/qmp.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>

#include "core/base/mem.h"
#include "core/base/random.h"
#include "core/base/str.h"
#include "nestingd/qemu/wire.h"

enum { CONNECT_PAUSE_MS = 20, READ_SIZE = 16 * 1024, SYNC_MAX = 1 << 30 };

struct qmp {
    int fd;
    struct buf in;
};

/* A socket that nobody has taken from yet may be full: QEMU listens for one client. */
static int connect_to(const char *path, const struct call *call, int *ret, struct error *err)
{
    struct sockaddr_un address = { .sun_family = AF_UNIX };
    autoclose int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    int r;

    if (fd < 0)
        return error_errno(err, -errno, "a socket");
    if (str_copy(address.sun_path, sizeof(address.sun_path), path) < 0)
        return error_set(err, -EINVAL, "%s is too long a path for a socket", path);
    while (connect(fd, (const struct sockaddr *) &address, sizeof(address)) < 0) {
        if (errno != EAGAIN)
            return error_errno(err, -errno, "%s", path);
        r = call_sleep(call, CONNECT_PAUSE_MS, err);
        if (r < 0)
            return r;
    }
    *ret = take_fd(&fd);
    return 0;
}

static int has_gone(struct error *err)
{
    return error_set(err, -EPIPE, "it has ended");
}

static int wait_for(struct qmp *qmp, short events, const struct call *call, struct error *err)
{
    struct pollfd fds[] = { { 0 }, { .fd = qmp->fd, .events = events } };
    int r = call_poll(call, fds, ARRAY_LEN(fds), -1, err);

    return MIN(r, 0);
}

/* With `give_fd` >= 0 that descriptor goes along. */
static ssize_t send_some(int fd, const char *data, size_t len, int give_fd)
{
    union {
        char bytes[CMSG_SPACE(sizeof(int))];
        struct cmsghdr align;
    } control = { 0 };
    struct iovec part = { .iov_base = (char *) (uintptr_t) data, .iov_len = len };
    struct msghdr message = { .msg_iov = &part, .msg_iovlen = 1 };

    if (give_fd >= 0) {
        control.align = (struct cmsghdr) { .cmsg_len = CMSG_LEN(sizeof(int)),
                                           .cmsg_level = SOL_SOCKET,
                                           .cmsg_type = SCM_RIGHTS };
        (void) memcpy(CMSG_DATA(&control.align), &give_fd, sizeof(give_fd));
        message.msg_control = control.bytes;
        message.msg_controllen = sizeof(control.bytes);
    }
    return sendmsg(fd, &message, MSG_NOSIGNAL);
}

static int send_all(struct qmp *qmp, const struct call *call, const char *data, size_t len,
                    int give_fd, struct error *err)
{
    while (len > 0) {
        ssize_t n = send_some(qmp->fd, data, len, give_fd);
        int r;

        if (n > 0) {
            data += n;
            len -= (size_t) n;
            give_fd = -1;
        } else if (errno == EAGAIN) {
            r = wait_for(qmp, POLLOUT, call, err);
            if (r < 0)
                return r;
        } else if (errno != EINTR) {
            return has_gone(err);
        }
    }
    return 0;
}

static int read_more(struct qmp *qmp, const struct call *call, struct error *err)
{
    char data[READ_SIZE];
    int r = wait_for(qmp, POLLIN, call, err);
    ssize_t n;

    if (r < 0)
        return r;
    n = recv(qmp->fd, data, sizeof(data), 0);
    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return 0;
    if (n <= 0)
        return has_gone(err);
    buf_add(&qmp->in, data, (size_t) n);
    return buf_error(&qmp->in) < 0 ? error_errno(err, buf_error(&qmp->in), "its answer") : 0;
}

/* The next that is no event. */
static int read_answer(struct qmp *qmp, const struct call *call, enum wire_kind *kind,
                       json_t **body, struct error *err)
{
    for (;;) {
        int r = wire_take(&qmp->in, kind, body, err);

        if (r < 0 || (r > 0 && *kind != WIRE_EVENT))
            return MIN(r, 0);
        if (r == 0)
            r = read_more(qmp, call, err);
        if (r < 0)
            return r;
    }
}

static int read_return(struct qmp *qmp, const struct call *call, json_t **ret, struct error *err)
{
    autojson json_t *body = NULL;
    enum wire_kind kind = WIRE_EVENT;
    int r = read_answer(qmp, call, &kind, &body, err);

    if (r < 0)
        return r;
    if (kind == WIRE_ERROR)
        return -EREMOTEIO;
    if (kind != WIRE_RETURN)
        return error_set(err, -EPROTO, "an answer that nobody asked for");
    if (ret)
        *ret = take_ptr(body);
    return 0;
}

static int ask(struct qmp *qmp, const struct call *call, const char *command, json_t *arguments,
               int give_fd, json_t **ret, struct error *err)
{
    autojson json_t *request = json_object_new_object();
    autobuf struct buf line = BUF_INIT;
    int r = arguments ? json_add(request, "arguments", arguments) : 0;

    if (r == 0)
        r = json_add_str(request, "execute", command);
    if (r == 0) {
        buf_addf(&line, "%s\n", json_text(request));
        r = buf_error(&line);
    }
    if (r < 0)
        return error_errno(err, r, "%s", command);
    r = send_all(qmp, call, line.data, line.len, give_fd, err) ?: read_return(qmp, call, ret, err);
    return r < 0 ? error_wrap(err, r, "%s", command) : 0;
}

int qmp_ask(struct qmp *qmp, const struct call *call, const char *command, json_t *arguments,
            json_t **ret, struct error *err)
{
    return ask(qmp, call, command, arguments, -1, ret, err);
}

int qmp_give_fd(struct qmp *qmp, const struct call *call, const char *name, int fd,
                struct error *err)
{
    json_t *arguments = json_object_new_object();

    if (!arguments || json_add_str(arguments, "fdname", name) < 0) {
        json_object_put(arguments);
        return error_errno(err, -ENOMEM, "getfd");
    }
    return ask(qmp, call, "getfd", arguments, fd, NULL, err);
}

static int open_socket(const char *path, const struct call *call, struct qmp **ret,
                       struct error *err)
{
    auto_ptr(qmp_close) struct qmp *qmp = mem_zero(sizeof(*qmp));
    int r;

    if (!qmp)
        return error_errno(err, -ENOMEM, "%s", path);
    qmp->fd = -1;
    r = connect_to(path, call, &qmp->fd, err);
    if (r == 0)
        *ret = take_ptr(qmp);
    return r;
}

static int read_greeting(struct qmp *qmp, const struct call *call, struct error *err)
{
    autojson json_t *body = NULL;
    enum wire_kind kind = WIRE_EVENT;
    int r = read_answer(qmp, call, &kind, &body, err);

    if (r == 0 && kind != WIRE_GREETING)
        r = error_set(err, -EPROTO, "its first word is no greeting");
    return r;
}

int qmp_open_monitor(const char *path, const struct call *call, struct qmp **ret, struct error *err)
{
    auto_ptr(qmp_close) struct qmp *qmp = NULL;
    int r = open_socket(path, call, &qmp, err);

    if (r == 0)
        r = read_greeting(qmp, call, err)
                ?: qmp_ask(qmp, call, "qmp_capabilities", NULL, NULL, err);
    if (r < 0)
        return error_wrap(err, r, "QEMU's monitor");
    *ret = take_ptr(qmp);
    return 0;
}

static int skip_to_mark(struct qmp *qmp, const struct call *call, struct error *err)
{
    int r = 0;

    while (r == 0 && !wire_skip_to_mark(&qmp->in))
        r = read_more(qmp, call, err);
    return r;
}

/* The agent may still have answers for who asked before us, or may not run yet: what comes behind the mark and has our
 * number is for us. */
static int sync_agent(struct qmp *qmp, const struct call *call, struct error *err)
{
    int64_t number = (int64_t) rng_below(&rng_system, SYNC_MAX);
    autofree char *line =
        mem_printf("\xff{\"execute\":\"guest-sync-delimited\",\"arguments\":{\"id\":%lld}}\n",
                   (long long) number);
    int r = line ? send_all(qmp, call, line, strlen(line), -1, err)
                 : error_errno(err, -ENOMEM, "guest-sync");

    for (;;) {
        autojson json_t *body = NULL;

        r = r ?: skip_to_mark(qmp, call, err);
        r = r ?: read_return(qmp, call, &body, err);
        if (r < 0)
            return r;
        if (json_object_is_type(body, json_type_int) && json_object_get_int64(body) == number)
            return 0;
    }
}

int qmp_open_agent(const char *path, const struct call *call, struct qmp **ret, struct error *err)
{
    auto_ptr(qmp_close) struct qmp *qmp = NULL;
    int r = open_socket(path, call, &qmp, err) ?: sync_agent(qmp, call, err);

    if (r < 0)
        return error_wrap(err, r, "the guest's agent");
    *ret = take_ptr(qmp);
    return 0;
}

void qmp_close(struct qmp *qmp)
{
    if (!qmp)
        return;
    if (qmp->fd >= 0)
        (void) close(qmp->fd);
    buf_done(&qmp->in);
    free(qmp);
}

/* A QEMU that hangs takes no more connections at some time, and lives. */
bool qmp_is_heard(const char *path)
{
    struct call at_once = call_fresh(0);
    autoclose int fd = -1;
    int r = connect_to(path, &at_once, &fd, NULL);

    return r == 0 || r == -ETIMEDOUT;
}

/* While the connection lives so does the process, and its number is its own. */
static int open_listener(int fd, int *ret, struct error *err)
{
    struct pollfd state = { .fd = fd };
    struct ucred peer;
    socklen_t len = sizeof(peer);
    autoclose int process = -1;

    if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &len) < 0)
        return error_errno(err, -errno, "who listens");
    process = (int) syscall(SYS_pidfd_open, peer.pid, 0);
    if (process < 0 && errno != ESRCH)
        return error_errno(err, -errno, "process %d", (int) peer.pid);
    if (process < 0 || (poll(&state, 1, 0) > 0 && (state.revents & (POLLHUP | POLLERR))))
        return -ESRCH;
    *ret = take_fd(&process);
    return 0;
}

int qmp_kill(const char *path, const struct call *call, struct error *err)
{
    struct pollfd end[] = { { 0 }, { .events = POLLIN } };
    autoclose int fd = -1;
    autoclose int process = -1;
    int r = connect_to(path, call, &fd, err);

    if (r == -ENOENT || r == -ECONNREFUSED)
        return 0;
    if (r == 0)
        r = open_listener(fd, &process, err);
    if (r < 0)
        return r == -ESRCH ? 0 : r;
    if (syscall(SYS_pidfd_send_signal, process, SIGKILL, NULL, 0) < 0 && errno != ESRCH)
        return error_errno(err, -errno, "killing QEMU");
    end[1].fd = process;
    r = call_poll(call, end, ARRAY_LEN(end), -1, err);
    return MIN(r, 0);
}
