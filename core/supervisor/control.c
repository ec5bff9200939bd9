/* core/supervisor/control.c - the control socket: questions of the operator's commands, and job
 * workers that come back after a restart (docs/design/processes.md, hardening.md P6). */
#include "core/supervisor/internal.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include "core/base/descriptors.h"
#include "core/base/frame.h"
#include "core/base/json.h"
#include "core/base/mem.h"
#include "core/base/str.h"
#include "core/supervisor/audit.h"
#include "core/supervisor/enter.h"
#include "core/supervisor/explain.h"
#include "core/supervisor/job_log.h"
#include "core/supervisor/operator.h"
#include "core/supervisor/strangers.h"

#define LOG_TOPIC "control"
#include "core/base/log.h"

#define MAX_CLIENTS 512

struct control_client {
    struct control *control;
    struct channel *channel;
    struct control_client *next;
};

struct control {
    struct supervisor *supervisor;
    uv_poll_t poll;
    int fd;
    struct control_client *clients;
    unsigned n_clients;
    bool paused; /* there was no descriptor for a connection */
};

static void forget_client(struct control_client *client)
{
    struct control *control = client->control;

    audit_forget(control->supervisor, client);
    enter_forget(control->supervisor, client);

    for (struct control_client **at = &control->clients; *at; at = &(*at)->next)
        if (*at == client) {
            *at = client->next;
            control->n_clients--;
            break;
        }
    free(client);
}

static void on_client_closed(void *arg, const char *why)
{
    (void) why;
    forget_client(arg);
}

/* A worker proves itself with the key of its row; one that can't is let go and ends its job. */
static void attach_worker(struct control_client *client, json_t *frame)
{
    struct supervisor *supervisor = client->control->supervisor;
    struct channel *channel = client->channel;
    const char *key = NULL;
    int64_t seq = 0;
    struct job *job = NULL;

    if (json_need_i64(frame, "seq", 1, INT64_MAX, &seq, NULL) == 0 &&
        json_need_str(frame, "key", &key, NULL) == 0)
        job = job_find(supervisor, seq);
    if (!job || strlen(key) != strlen(job->worker_key) || strlen(key) != 32 ||
        !mem_equal_secret(key, job->worker_key, 32)) {
        if (!job && key && strangers_attach(supervisor, seq, key, channel)) {
            forget_client(client);
            return;
        }
        log_warning("a worker of job row %" PRId64 " came back that is not expected, refused", seq);
        forget_client(client);
        channel_close(channel);
        return;
    }
    forget_client(client);
    worker_attach(job, channel, frame);
}

static void on_audited(void *arg, json_t *answer)
{
    struct control_client *client = arg;

    channel_send(client->channel, answer, FRAME_MAX_ANSWER);
}

static void refuse(struct control_client *client, const struct error *err)
{
    autojson json_t *refusal = json_frame("error");

    (void) json_add_str(refusal, "message", err->message);
    if (refusal)
        channel_send(client->channel, refusal, FRAME_MAX_ANSWER);
}

static void answer_audit(struct control_client *client)
{
    struct error err = { 0 };

    if (audit_start(client->control->supervisor, on_audited, client, &err) < 0)
        refuse(client, &err);
}

static void on_entered(void *arg, json_t *answer)
{
    struct control_client *client = arg;

    channel_send_secret(client->channel, answer, FRAME_MAX_ANSWER);
}

/* Who asks, for logs and holds. */
static void name_peer(const struct control_client *client, char *who, size_t size)
{
    struct ucred peer = { 0 };
    socklen_t len = sizeof(peer);

    (void) str_copy(who, size, "somebody");
    if (getsockopt(channel_fd(client->channel), SOL_SOCKET, SO_PEERCRED, &peer, &len) == 0)
        (void) snprintf(who, size, "user %" PRIu32 " (process %" PRId32 ")", peer.uid, peer.pid);
}

/* It is told what opens an instance. */
static void answer_enter(struct control_client *client, json_t *request)
{
    struct error err = { 0 };
    char who[64];

    name_peer(client, who, sizeof(who));
    if (enter_start(client->control->supervisor, request, who, on_entered, client, &err) < 0)
        refuse(client, &err);
}

/* With the log itself, where there is one: the answer's descriptor is read by whoever asked. */
static void answer_log(struct control_client *client, json_t *request)
{
    autoclose int fd = -1;
    autojson json_t *answer = job_log_report(client->control->supervisor, request, &fd);
    struct error err = { 0 };

    if (!answer)
        return;
    if (fd < 0)
        channel_send(client->channel, answer, FRAME_MAX_ANSWER);
    else if (channel_send_with(client->channel, answer, FRAME_MAX_OPERATOR, fd, &err) < 0)
        log_warning("control socket: a log could not be handed over: %s", err.message);
}

static json_t *refuse_unknown(struct supervisor *supervisor, json_t *request)
{
    json_t *answer = json_frame("error");

    (void) supervisor;
    (void) request;
    (void) json_add_str(answer, "message", "this supervisor does not know that request");
    return answer;
}

static void answer_operator(struct control_client *client, const char *type, json_t *request)
{
    static const struct {
        const char *type;
        json_t *(*answer)(struct supervisor *supervisor, json_t *request);
    } requests[] = {
        { "status", status_report }, { "explain", explain_report },   { "fleet", fleet_report },
        { "drain", operator_drain }, { "undrain", operator_undrain }, { "remove", operator_remove },
        { "hold", operator_hold },   { "release", operator_release }, { "reload", reload_request },
    };
    json_t *(*answer_fn)(struct supervisor *, json_t *) = refuse_unknown;
    autojson json_t *answer = NULL;
    char who[64];

    name_peer(client, who, sizeof(who));
    (void) json_add_str(request, "who", who);
    for (size_t i = 0; i < ARRAY_LEN(requests); i++)
        if (str_eq(type, requests[i].type))
            answer_fn = requests[i].answer;
    answer = answer_fn(client->control->supervisor, request);
    if (answer)
        channel_send(client->channel, answer, FRAME_MAX_ANSWER);
}

static void on_client_frame(void *arg, json_t *frame)
{
    struct control_client *client = arg;
    const char *type = "";

    (void) json_opt_str(frame, "type", &type, NULL);
    if (str_eq(type, "attach"))
        attach_worker(client, frame);
    else if (str_eq(type, "audit"))
        answer_audit(client);
    else if (str_eq(type, "enter"))
        answer_enter(client, frame);
    else if (str_eq(type, "log"))
        answer_log(client, frame);
    else
        answer_operator(client, type, frame);
}

static bool peer_allowed(int fd)
{
    struct ucred cred = { 0 };
    socklen_t len = sizeof(cred);

    return getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &cred, &len) == 0 &&
           (cred.uid == 0 || cred.uid == geteuid());
}

/* Whoever waits goes on waiting: else the loop would turn for each of them without end. */
static void pause_if_short(struct control *control, int error)
{
    if (error == -EAGAIN || !descriptors_were_short(error))
        return;
    if (!control->paused)
        log_warning("control socket: %s, trying again", strerror(-error));
    control->paused = true;
    (void) uv_poll_stop(&control->poll);
}

static void on_connection(uv_poll_t *poll, int status, int events)
{
    struct control *control = poll->data;
    struct control_client *client;
    struct error err = { 0 };
    int fd;

    (void) events;
    if (status < 0)
        return;
    fd = accept4(control->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
    if (fd < 0) {
        pause_if_short(control, -errno);
        return;
    }
    client = mem_zero(sizeof(*client));
    if (!client || !peer_allowed(fd) || control->n_clients >= MAX_CLIENTS) {
        log_warning("a connection to the control socket was refused");
        (void) close(fd);
        free(client);
        return;
    }
    client->control = control;
    if (channel_open(control->supervisor->loop, fd, FRAME_MAX_OPERATOR, on_client_frame,
                     on_client_closed, client, &client->channel, &err) < 0) {
        log_warning("control socket: %s", err.message);
        free(client);
        return;
    }
    client->next = control->clients;
    control->clients = client;
    control->n_clients++;
}

static int listen_at(const char *path, struct error *err)
{
    struct sockaddr_un address = { .sun_family = AF_UNIX };
    autoclose int fd = -1;

    if (str_copy(address.sun_path, sizeof(address.sun_path), path) < 0)
        return error_set(err, -ENAMETOOLONG,
                         "control socket %s: the path is longer than the %zu bytes a socket may "
                         "have; choose a shorter state directory",
                         path, sizeof(address.sun_path) - 1);
    fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return error_errno(err, -errno, "control socket");
    /* The state directory's lock says that nobody else listens here. */
    (void) unlink(path);
    if (bind(fd, (struct sockaddr *) &address, sizeof(address)) < 0 || chmod(path, 0600) < 0 ||
        listen(fd, 64) < 0)
        return error_errno(err, -errno, "control socket %s", path);
    return take_fd(&fd);
}

int control_start(struct supervisor *supervisor, struct error *err)
{
    struct control *control = mem_zero(sizeof(*control));

    if (!control)
        return error_set(err, -ENOMEM, "control socket: out of memory");
    control->supervisor = supervisor;
    control->fd = listen_at(supervisor->control_path, err);
    if (control->fd < 0) {
        int r = control->fd;

        free(control);
        return r;
    }
    (void) uv_poll_init(supervisor->loop, &control->poll, control->fd);
    control->poll.data = control;
    (void) uv_poll_start(&control->poll, UV_READABLE, on_connection);
    supervisor->control = control;
    return 0;
}

void control_tick(struct supervisor *supervisor)
{
    struct control *control = supervisor->control;

    if (!control || !control->paused || !descriptors_left(1))
        return;
    control->paused = false;
    (void) uv_poll_start(&control->poll, UV_READABLE, on_connection);
}

static void on_poll_closed(uv_handle_t *handle)
{
    free(handle->data);
}

void control_stop(struct supervisor *supervisor)
{
    struct control *control = supervisor->control;

    if (!control)
        return;
    supervisor->control = NULL;
    for (struct control_client *client = control->clients, *next; client; client = next) {
        next = client->next;
        channel_close(client->channel);
        forget_client(client);
    }
    (void) uv_poll_stop(&control->poll);
    (void) close(control->fd);
    (void) unlink(supervisor->control_path);
    uv_close((uv_handle_t *) &control->poll, on_poll_closed);
}
