/* core/provider/worker.c - the provider worker process: hidden subcommand `provider`.
 *
 * The main thread runs requests, a second one reads the link and flips the cancel descriptor. It
 * dies with the supervisor in three ways: the parent-death signal, the end of its link, and the
 * epoch in every changing call for the moment in between (architecture.md §1, hardening.md §5). */
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "core/base/frame.h"
#include "core/base/fs.h"
#include "core/base/harden.h"
#include "core/base/mem.h"
#include "core/base/str.h"
#include "core/provider/client.h"
#include "core/provider/files.h"
#include "core/provider/memory.h"
#include "core/provider/session.h"

#define LOG_TOPIC "provider"
#include "core/base/log.h"

#define LINK_FD 3
#define QUEUE_MAX 16
#define BREACH_WAIT_MS 10000
#define FILES_MAX 4096 /* connections of a cloud client, and what the local plugin's sshd needs */

struct worker {
    struct session *session;
    pthread_mutex_t lock;
    pthread_cond_t arrived;
    json_t *queue[QUEUE_MAX];
    unsigned head, count;
};

/* The supervisor is gone, or broke the link: nothing may go on here. */
static _Noreturn void leave(int status)
{
    _exit(status);
}

static void send_or_leave(json_t *frame)
{
    struct error err = { 0 };

    if (frame && frame_send(LINK_FD, frame, FRAME_MAX_LINK, 10000, &err) == 0)
        return;
    log_error("the link to the supervisor failed: %s", frame ? err.message : "out of memory");
    leave(1);
}

/* The plugin can no longer be trusted in this process. The supervisor hears why, as the reason of the
 * calls that end with it, and kills us; it must not hear of our end first. */
static _Noreturn void leave_for_breach(const char *text)
{
    autojson json_t *frame = json_frame("breach");

    (void) json_add_str(frame, "text", text);
    send_or_leave(frame);
    (void) poll(NULL, 0, BREACH_WAIT_MS);
    leave(3);
}

static void send_reply(json_t *reply)
{
    struct error err = { 0 };

    if (!reply)
        leave_for_breach("the provider worker is out of memory");
    if (frame_send(LINK_FD, reply, FRAME_MAX_LINK, 10000, &err) == 0)
        return;
    if (err.code == -EMSGSIZE)
        leave_for_breach("the plugin's answer is over the limit of 1 MiB");
    log_error("the link to the supervisor failed: %s", err.message);
    leave(1);
}

/* Called on the main thread only, between the frames of replies. */
static void on_plugin_log(void *arg, enum log_level level, const char *text)
{
    autojson json_t *frame = json_frame("log");
    autobuf struct buf shown = BUF_INIT;

    (void) arg;
    str_display(&shown, text, strlen(text), 4000);
    if (frame) {
        (void) json_add_i64(frame, "level", level);
        (void) json_add_str(frame, "text", buf_str(&shown));
    }
    send_or_leave(frame);
}

static void enqueue(struct worker *worker, json_t *request)
{
    (void) pthread_mutex_lock(&worker->lock);
    if (worker->count == QUEUE_MAX)
        leave(1); /* the supervisor sends one at a time */
    worker->queue[(worker->head + worker->count++) % QUEUE_MAX] = request;
    (void) pthread_cond_signal(&worker->arrived);
    (void) pthread_mutex_unlock(&worker->lock);
}

static void *read_link(void *arg)
{
    struct worker *worker = arg;
    struct frame_decoder decoder;
    struct error err = { 0 };

    frame_decoder_init(&decoder, FRAME_MAX_LINK);
    for (;;) {
        json_t *frame = NULL;
        const char *type = "";
        int64_t id = 0;
        int r = frame_recv(LINK_FD, &decoder, -1, &frame, &err);

        if (r == 0)
            leave(0);
        if (r < 0) {
            log_error("the link to the supervisor broke: %s", err.message);
            leave(1);
        }
        (void) json_opt_str(frame, "type", &type, NULL);
        if (!str_eq(type, "cancel")) {
            enqueue(worker, frame);
            continue;
        }
        if (json_need_i64(frame, "cancel_id", 1, INT64_MAX, &id, NULL) == 0)
            session_cancel(worker->session, id);
        json_object_put(frame);
    }
    return NULL;
}

static json_t *next_request(struct worker *worker)
{
    json_t *request;

    (void) pthread_mutex_lock(&worker->lock);
    while (worker->count == 0)
        (void) pthread_cond_wait(&worker->arrived, &worker->lock);
    request = worker->queue[worker->head];
    worker->head = (worker->head + 1) % QUEUE_MAX;
    worker->count--;
    (void) pthread_mutex_unlock(&worker->lock);
    return request;
}

/* Who made the link. */
static pid_t supervisor_pid(void)
{
    struct ucred peer = { 0 };
    socklen_t len = sizeof(peer);

    return getsockopt(LINK_FD, SOL_SOCKET, SO_PEERCRED, &peer, &len) == 0 ? peer.pid : -1;
}

static int confine(void)
{
    int r;

    (void) prctl(PR_SET_NAME, "flotilla-prov");
    if (prctl(PR_SET_PDEATHSIG, SIGKILL) < 0)
        return -errno;
    r = harden_process();
    if (r == 0)
        r = harden_limit(RLIMIT_NOFILE, FILES_MAX);
    if (r == 0)
        r = memory_limit();
    if (r < 0)
        return r;
    /* The parent may have died before the signal was armed. PID 1 may well be the supervisor: in a
     * container that runs nothing else. */
    if (getppid() != supervisor_pid())
        return -ESRCH;
    (void) signal(SIGPIPE, SIG_IGN);
    /* An interrupt at the terminal is for the supervisor. */
    (void) setpgid(0, 0);
    return fs_set_cloexec(LINK_FD);
}

int provider_worker_main(void)
{
    struct worker worker = { .lock = PTHREAD_MUTEX_INITIALIZER,
                             .arrived = PTHREAD_COND_INITIALIZER };
    struct error err = { 0 };
    pthread_t reader;

    if (confine() < 0) {
        log_error("the provider worker is started by the supervisor, not by hand");
        return 125;
    }
    if (session_new(on_plugin_log, &worker, &worker.session, &err) < 0 ||
        pthread_create(&reader, NULL, read_link, &worker) != 0) {
        log_error("the provider worker cannot start: out of memory");
        return 125;
    }
    for (;;) {
        autojson json_t *request = next_request(&worker), *reply = NULL;
        const char *type = "";

        (void) json_opt_str(request, "type", &type, NULL);
        if ((str_eq(type, "load") || str_eq(type, "inspect")) && files_confine(request, &err) < 0)
            leave_for_breach(err.message);
        reply = session_run(worker.session, request);
        if (reply && files_outdated())
            (void) json_add_bool(reply, "outdated", true);
        if (session_breach(worker.session))
            leave_for_breach(session_breach(worker.session));
        send_reply(reply);
        if (str_eq(type, "close"))
            leave(0);
    }
}
