/* core/supervisor/spawner.c - the supervisor's end of the spawner (spawner.h). */
#include "core/supervisor/spawner.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/socket.h>

#include "core/base/channel.h"
#include "core/base/frame.h"
#include "core/base/mem.h"
#include "core/base/rights.h"
#include "core/base/str.h"

#define LOG_TOPIC "spawner"
#include "core/base/log.h"

/* One exec'd process. A retired one gets no new work and goes when its workers are gone. */
struct spawner_link {
    uv_process_t process;
    struct spawner *owner; /* NULL once the spawner itself was stopped */
    struct spawner_link *next;
    struct channel *channel;
    unsigned asked, workers; /* asked: requests without an answer */
    bool retired, process_ended;
};

struct spawner {
    uv_loop_t *loop;
    char *self_exe;
    bool filter_calls;
    struct spawner_events events;
    struct spawner_link *links; /* the first one that is not retired takes the work */
};

static void on_process_closed(uv_handle_t *handle)
{
    free(handle->data);
}

/* Its end and that of its connection come in either order; the later one frees the link. */
static void close_if_over(struct spawner_link *link)
{
    if (link->process_ended && !link->channel)
        uv_close((uv_handle_t *) &link->process, on_process_closed);
}

static void on_process_exit(uv_process_t *process, int64_t status, int signal)
{
    struct spawner_link *link = process->data;

    (void) status;
    if (signal != 0)
        log_warning("the spawner was killed by signal %d, starting another with the next job",
                    signal);
    link->process_ended = true;
    close_if_over(link);
}

static void unlink_link(struct spawner_link *link)
{
    struct spawner *spawner = link->owner;

    if (!spawner)
        return;
    for (struct spawner_link **at = &spawner->links; *at; at = &(*at)->next)
        if (*at == link) {
            *at = link->next;
            break;
        }
    link->owner = NULL;
    channel_close(link->channel); /* the process sees the end of its link and exits */
    link->channel = NULL;
    close_if_over(link);
}

/* A retired one stays until it has told what became of all its workers. */
static void unlink_if_over(struct spawner_link *link)
{
    if (link->retired && link->workers == 0 && link->asked == 0)
        unlink_link(link);
}

static void on_link_closed(void *arg, const char *why)
{
    struct spawner_link *link = arg;

    (void) why;
    link->channel = NULL;
    unlink_link(link);
}

static void on_link_frame(void *arg, json_t *frame)
{
    struct spawner_link *link = arg;
    struct spawner *spawner = link->owner;
    struct error err = { 0 };
    const char *type = "", *message = "";
    int64_t tag = 0, pid = 0, status = 0, signal = 0;

    if (json_need_str(frame, "type", &type, &err) < 0 ||
        json_need_i64(frame, "tag", INT64_MIN, INT64_MAX, &tag, &err) < 0 ||
        json_opt_i64(frame, "pid", 1, INT32_MAX, &pid, &err) < 0 ||
        json_opt_str(frame, "message", &message, &err) < 0 ||
        json_opt_i64(frame, "status", 0, 255, &status, &err) < 0 ||
        json_opt_i64(frame, "signal", 0, 128, &signal, &err) < 0) {
        log_error("the spawner broke its protocol: %s", err.message);
        unlink_link(link);
        return;
    }
    if (str_eq(type, "spawned")) {
        link->asked -= MIN(link->asked, 1U);
        link->workers++;
        spawner->events.on_spawned(spawner->events.arg, tag, pid, NULL);
    } else if (str_eq(type, "failed")) {
        link->asked -= MIN(link->asked, 1U);
        spawner->events.on_spawned(spawner->events.arg, tag, 0, message);
        unlink_if_over(link);
    } else if (str_eq(type, "exited")) {
        if (link->workers > 0)
            link->workers--;
        /* Forks share one address layout: whoever crashed a worker gets no second try at it. */
        if (signal != 0)
            link->retired = true;
        spawner->events.on_exited(spawner->events.arg, tag, (int) status, (int) signal);
        unlink_if_over(link);
    }
}

static int start_link(struct spawner *spawner, struct spawner_link **ret, struct error *err)
{
    char *args[] = { spawner->self_exe, (char[]) { "spawner" },
                     spawner->filter_calls ? NULL : (char[]) { "--no-seccomp" }, NULL };
    uv_stdio_container_t stdio[4] = { { .flags = UV_IGNORE },
                                      { .flags = UV_IGNORE },
                                      { .flags = UV_INHERIT_FD, .data.fd = 2 } };
    uv_process_options_t options = { .exit_cb = on_process_exit,
                                     .file = spawner->self_exe,
                                     .args = args,
                                     .stdio_count = (int) ARRAY_LEN(stdio),
                                     .stdio = stdio };
    autoclose int child_fd = -1;
    struct spawner_link *link;
    int fds[2];
    int r;

    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) < 0)
        return error_errno(err, -errno, "spawner: socketpair");
    child_fd = fds[1];
    stdio[3] = (uv_stdio_container_t) { .flags = UV_INHERIT_FD, .data.fd = child_fd };
    link = mem_zero(sizeof(*link));
    if (!link) {
        (void) close(fds[0]);
        return error_set(err, -ENOMEM, "spawner: out of memory");
    }
    link->owner = spawner;
    link->process.data = link;
    r = uv_spawn(spawner->loop, &link->process, &options);
    if (r < 0) {
        (void) close(fds[0]);
        uv_close((uv_handle_t *) &link->process, on_process_closed);
        return error_set(err, r, "spawner: cannot start %s: %s", spawner->self_exe, uv_strerror(r));
    }
    if (channel_open(spawner->loop, fds[0], FRAME_MAX_OPERATOR, on_link_frame, on_link_closed, link,
                     &link->channel, err) < 0)
        return err ? err->code : -EIO; /* the process sees its link end; freed when it has exited */
    link->next = spawner->links;
    spawner->links = link;
    *ret = link;
    return 0;
}

int spawner_start(uv_loop_t *loop, const struct spawner_options *options,
                  const struct spawner_events *events, struct spawner **ret, struct error *err)
{
    struct spawner *spawner = mem_zero(sizeof(*spawner));
    struct spawner_link *link;
    int r;

    if (!spawner || !(spawner->self_exe = mem_strdup(options->self_exe))) {
        free(spawner);
        return error_set(err, -ENOMEM, "spawner: out of memory");
    }
    spawner->loop = loop;
    spawner->filter_calls = options->filter_calls;
    spawner->events = *events;
    r = start_link(spawner, &link, err);
    if (r < 0) {
        spawner_stop(spawner);
        return r;
    }
    *ret = spawner;
    return 0;
}

/* Nothing ran when this fails: the process is gone, or reads no more. */
static int request_process(struct spawner *spawner, const struct buf *data, const int *fds,
                           size_t n_fds, struct error *err)
{
    struct spawner_link *link = spawner->links;
    int r = 0;

    while (link && (link->retired || link->process_ended))
        link = link->next;
    if (!link)
        r = start_link(spawner, &link, err);
    if (!link)
        return r;
    r = rights_send(channel_fd(link->channel), data, fds, n_fds);
    if (r == 0) {
        link->asked++;
        return 0;
    }
    if (r == -EAGAIN)
        link->retired = true; /* it may still tell of the workers that it has */
    else
        unlink_link(link);
    return error_errno(err, r, "spawner: asking for a worker");
}

static int request(struct spawner *spawner, json_t *frame, const int *fds, size_t n_fds,
                   struct error *err)
{
    autobuf struct buf data = BUF_INIT;
    int r = frame_encode(&data, frame, FRAME_MAX_OPERATOR, err);

    if (r < 0)
        return r;
    r = request_process(spawner, &data, fds, n_fds, err);
    if (r < 0) /* once more, of a fresh process */
        r = request_process(spawner, &data, fds, n_fds, err);
    return r;
}

int spawner_spawn(struct spawner *spawner, int64_t tag, int control_fd, int spool_fd,
                  const char *isolation, struct error *err)
{
    autojson json_t *frame = json_frame("spawn");
    const int fds[] = { control_fd, spool_fd };

    if (!frame || json_add_i64(frame, "tag", tag) < 0 ||
        json_add_str(frame, "isolation", isolation) < 0)
        return error_set(err, -ENOMEM, "spawner: out of memory");
    return request(spawner, frame, fds, ARRAY_LEN(fds), err);
}

int spawner_probe(struct spawner *spawner, int64_t tag, int control_fd, int64_t seconds,
                  const char *isolation, struct error *err)
{
    autojson json_t *frame = json_frame("probe");

    if (!frame || json_add_i64(frame, "tag", tag) < 0 ||
        json_add_i64(frame, "seconds", seconds) < 0 ||
        json_add_str(frame, "isolation", isolation) < 0)
        return error_set(err, -ENOMEM, "spawner: out of memory");
    return request(spawner, frame, &control_fd, 1, err);
}

int spawner_replace(struct spawner *spawner, bool filter_calls, struct error *err)
{
    bool filtered = spawner->filter_calls;
    struct spawner_link *fresh = NULL, *next;
    int r;

    spawner->filter_calls = filter_calls;
    r = start_link(spawner, &fresh, err);
    if (r < 0) {
        spawner->filter_calls = filtered;
        return r;
    }
    for (struct spawner_link *link = fresh ? fresh->next : NULL; link; link = next) {
        next = link->next;
        link->retired = true;
        unlink_if_over(link);
    }
    return 0;
}

void spawner_stop(struct spawner *spawner)
{
    if (!spawner)
        return;
    while (spawner->links)
        unlink_link(spawner->links);
    free(spawner->self_exe);
    free(spawner);
}
