/* core/job/isolation.c - see the header: calls of the plugin's process, which are waited for while the relay moves. */
#include "core/job/isolation.h"

#include <errno.h>
#include <flotilla/isolation.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "core/base/clock.h"
#include "core/base/fault.h"
#include "core/base/frame.h"
#include "core/base/mem.h"
#include "core/base/rights.h"
#include "core/base/str.h"
#include "core/job/connect/remote_wait.h"
#include "core/job/isolation_process.h"
#include "core/plugin/plugin.h"

#define LOG_TOPIC "isolation"
#include "core/base/log.h"

#define OPEN_MS 10000
#define SEND_MS 5000
#define LATE_MS 2000   /* behind its deadline (hardening.md L4) */
#define CANCEL_MS 3000 /* behind a cancel, of which it may take one */
#define LOG_LINES_MAX 100

struct isolation {
    int fd;
    struct frame_decoder decoder;
};

int isolation_start(const char *file, struct isolation **ret)
{
    struct isolation *isolation = mem_zero(sizeof(*isolation));
    int ends[2], parent = getpid();
    pid_t pid;

    if (!isolation)
        return -ENOMEM;
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) < 0) {
        free(isolation);
        return -errno;
    }
    pid = fork();
    if (pid == 0)
        isolation_process_run(ends[1], parent, file);
    (void) close(ends[1]);
    isolation->fd = ends[0];
    frame_decoder_init(&isolation->decoder, FRAME_MAX_LINK);
    if (pid < 0) {
        isolation_stop(isolation);
        return -EAGAIN;
    }
    *ret = isolation;
    return 0;
}

static void lose(struct isolation *isolation)
{
    if (isolation->fd >= 0)
        (void) close(isolation->fd);
    isolation->fd = -1;
}

/* The process ends when its link does. */
void isolation_stop(struct isolation *isolation)
{
    if (!isolation)
        return;
    lose(isolation);
    frame_decoder_done(&isolation->decoder);
    free(isolation);
}

/* A call that runs. */
struct running {
    struct isolation *isolation;
    const struct isolation_wait *wait;
    int cancel_fd; /* the plugin's end is readable once this is closed; -1 = it was cancelled */
    int stopped;   /* why it was; 0 = it was not */
    int64_t limit_ms;
    size_t lines;
};

static int fell(struct running *running, struct error *err, const char *how)
{
    lose(running->isolation);
    return error_set(err, -ESHUTDOWN, "the isolation plugin %s", how);
}

static void take_log(struct running *running, json_t *frame)
{
    int64_t level = FLT_LOG_DEBUG;
    const char *text = "";

    (void) json_opt_i64(frame, "level", FLT_LOG_ERROR, FLT_LOG_DEBUG, &level, NULL);
    (void) json_opt_str(frame, "text", &text, NULL);
    if (running->lines++ < LOG_LINES_MAX)
        log_line((enum log_level) level, LOG_TOPIC, "%s", text);
}

static int32_t dial_result(int r)
{
    switch (r) {
    case -EINVAL:
        return FLT_E_INVALID;
    case -EPERM:
        return FLT_E_AUTH;
    case -ETIMEDOUT:
        return FLT_E_TIMEOUT;
    case -ECANCELED:
    case -EINTR:
    case -ENETRESET:
        return FLT_E_CANCELLED;
    default:
        return FLT_E_UNAVAILABLE;
    }
}

static int send_with(int fd, json_t *frame, const int *fds, size_t n, struct error *err)
{
    autobuf struct buf data = BUF_INIT;
    int r = frame_encode(&data, frame, FRAME_MAX_LINK, err);

    if (r == 0)
        r = rights_send(fd, &data, fds, n);
    return r;
}

static int answer_dial(struct running *running, json_t *frame, struct error *err)
{
    autojson json_t *answer = json_frame("dialed");
    struct error why = { 0 };
    const char *address = "";
    autoclose int fd = -1;
    int r = running->stopped;

    (void) json_opt_str(frame, "address", &address, NULL);
    if (r == 0 && running->wait && running->wait->watch.relay)
        r = relay_dial(running->wait->watch.relay, &running->wait->watch, address,
                       running->wait->deadline_mono_ms, &fd, &why);
    (void) json_add_i64(answer, "code", r < 0 || fd < 0 ? dial_result(r) : FLT_OK);
    (void) json_add_str(answer, "message", why.message);
    r = fd >= 0 ? send_with(running->isolation->fd, answer, &fd, 1, err)
                : frame_send(running->isolation->fd, answer, FRAME_MAX_LINK, SEND_MS, err);
    return r < 0 ? fell(running, err, "does not hear that it is connected") : 0;
}

/* The watch's own code asks the plugin to end; what it waits for then is the plugin alone. */
static struct remote_watch watch_of(const struct running *running)
{
    if (running->wait && running->stopped == 0)
        return running->wait->watch;
    return (struct remote_watch) { .relay = running->wait ? running->wait->watch.relay : NULL };
}

/* What a look at the watch has come to. */
static int heed(struct running *running, int r, struct error *err)
{
    if (r >= 0)
        return 0;
    if (r == -ETIMEDOUT && now_ms() >= running->limit_ms)
        return fell(running, err, "did not return in time");
    running->stopped = r;
    running->limit_ms =
        MIN(running->limit_ms, now_ms() + fault_limit_ms("isolation_cancel", CANCEL_MS));
    (void) close(running->cancel_fd);
    running->cancel_fd = -1;
    return 0;
}

static int wait_once(struct running *running, struct error *err)
{
    struct pollfd link = { .fd = running->isolation->fd, .events = POLLIN };
    const struct remote_watch watch = watch_of(running);

    return heed(running, remote_wait(&watch, &link, 1, running->limit_ms), err);
}

/* One that talks and talks must hear of its end, too. */
static int look_up(struct running *running, struct error *err)
{
    const struct remote_watch watch = watch_of(running);

    return heed(running, remote_may_go_on(&watch, running->limit_ms), err);
}

/* What is there to be read; 1 = the call's end, in *ret. */
static int take_frames(struct running *running, json_t **ret, struct error *err)
{
    for (;;) {
        autojson json_t *frame = NULL;
        const char *type = "";
        int r = frame_recv(running->isolation->fd, &running->isolation->decoder, 0, &frame, NULL);

        if (r == -ETIMEDOUT)
            return 0;
        if (r <= 0)
            return fell(running, err, "has crashed");
        (void) json_opt_str(frame, "type", &type, NULL);
        if (str_eq(type, "done")) {
            *ret = take_ptr(frame);
            return 1;
        }
        r = 0;
        if (str_eq(type, "log"))
            take_log(running, frame);
        else if (str_eq(type, "dial"))
            r = answer_dial(running, frame, err);
        else
            r = fell(running, err, "said what it may not");
        if (r == 0)
            r = look_up(running, err);
        if (r < 0)
            return r;
    }
}

static int wait_done(struct running *running, json_t **ret, struct error *err)
{
    int r;

    do {
        r = wait_once(running, err);
        if (r == 0)
            r = take_frames(running, ret, err);
    } while (r == 0);
    return MIN(r, 0);
}

/* hardening.md L4: a status outside the set is a fault of the plugin. */
static int closed_set(int64_t code)
{
    return code == FLT_OK || (code <= FLT_E_INVALID && code >= FLT_E_LAST) ? (int) code
                                                                           : FLT_E_INTERNAL;
}

/* Of an instance that is lost the plugin knows only that its stream ended. */
static int call_failed(const struct running *running, int code, const char *message,
                       struct error *err)
{
    if (running->wait && running->wait->watch.relay &&
        relay_lost(running->wait->watch.relay, err) < 0)
        return -EPIPE;
    return error_set(err, code, "%s", *message ? message : "it failed and did not say why");
}

/* 0, or as in the header; *ret, the plugin's answer, is there whenever it gave one. */
static int call(struct isolation *isolation, const struct isolation_wait *wait, json_t *request,
                json_t **ret, struct error *err)
{
    struct running running = { .isolation = isolation, .wait = wait };
    const char *message = "";
    int64_t code = FLT_E_INTERNAL, deadline;
    int ends[2], r;

    if (isolation->fd < 0)
        return error_set(err, -ESHUTDOWN, "the isolation plugin has failed before");
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) < 0)
        return error_errno(err, -errno, "asking the isolation plugin");
    running.cancel_fd = ends[0];
    deadline = wait ? wait->deadline_mono_ms : now_ms() + OPEN_MS;
    running.limit_ms = deadline + fault_limit_ms("isolation_late", LATE_MS);
    (void) json_add_i64(request, "deadline_mono_ms", deadline);
    r = send_with(isolation->fd, request, &ends[1], 1, err);
    (void) close(ends[1]);
    r = r < 0 ? fell(&running, err, "has crashed") : wait_done(&running, ret, err);
    if (running.cancel_fd >= 0)
        (void) close(running.cancel_fd);
    if (running.stopped < 0)
        return error_errno(err, running.stopped, "stopped");
    if (r < 0)
        return r;
    (void) json_opt_i64(*ret, "code", INT32_MIN, INT32_MAX, &code, NULL);
    (void) json_opt_str(*ret, "message", &message, NULL);
    r = closed_set(code);
    return r == 0 ? 0 : call_failed(&running, r, message, err);
}

int isolation_open(struct isolation *isolation, json_t *config, struct error *err)
{
    autojson json_t *request = json_frame("open"), *done = NULL;

    (void) json_add_str(request, "config",
                        config ? json_object_to_json_string_ext(config, JSON_C_TO_STRING_PLAIN)
                               : "{}");
    return call(isolation, NULL, request, &done, err);
}

static const char *text_in(json_t *item, const char *key)
{
    const char *text = "";

    (void) json_opt_str(item, key, &text, NULL);
    return text;
}

/* HOST or HOST:PORT, or nothing yet. */
static bool address_valid(const char *text)
{
    static const char letters[] =
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._:[]%-";

    return strspn(text, letters) == strlen(text);
}

static int read_vm(json_t *item, struct isolation_vm *ret, struct error *err)
{
    const char *stomped = text_in(item, "stomped");

    *ret = (struct isolation_vm) { 0 };
    (void) str_copy(ret->name, sizeof(ret->name), text_in(item, "name"));
    if (!plugin_id_valid(text_in(item, "id")) || (*stomped && !plugin_id_valid(stomped)))
        return error_set(err, FLT_E_INTERNAL, "the isolation plugin gave a VM an id that is none");
    (void) str_copy(ret->id, sizeof(ret->id), text_in(item, "id"));
    (void) str_copy(ret->stomped, sizeof(ret->stomped), stomped);
    if (!address_valid(text_in(item, "addr")) ||
        str_copy(ret->addr, sizeof(ret->addr), text_in(item, "addr")) < 0)
        return error_set(err, FLT_E_INTERNAL,
                         "the isolation plugin gave a VM an address that is none");
    return 0;
}

static json_t *vms_of(json_t *done, size_t *ret_n)
{
    json_t *vms = NULL;

    if (done)
        (void) json_opt_array(done, "vms", &vms, NULL);
    *ret_n = vms ? json_object_array_length(vms) : 0;
    return vms;
}

int isolation_create(struct isolation *isolation, const struct isolation_wait *wait,
                     const char *image, int32_t slot, struct isolation_vm *ret, struct error *err)
{
    autojson json_t *request = json_frame("create"), *done = NULL;
    json_t *vms;
    size_t n;
    int r, read = 0;

    *ret = (struct isolation_vm) { 0 };
    (void) json_add_str(request, "image", image);
    (void) json_add_i64(request, "slot", slot);
    r = call(isolation, wait, request, &done, err);
    vms = vms_of(done, &n);
    if (n == 1)
        read = read_vm(json_object_array_get_idx(vms, 0), ret, r == 0 ? err : NULL);
    if (r < 0)
        return r;
    return n == 1 ? read
                  : error_set(err, FLT_E_INTERNAL, "the isolation plugin made %zu VMs, not one", n);
}

int isolation_remove(struct isolation *isolation, const struct isolation_wait *wait, const char *id,
                     struct error *err)
{
    autojson json_t *request = json_frame("remove"), *done = NULL;

    (void) json_add_str(request, "id", id);
    return call(isolation, wait, request, &done, err);
}

int isolation_list(struct isolation *isolation, const struct isolation_wait *wait,
                   struct isolation_vms *ret, struct error *err)
{
    autojson json_t *request = json_frame("list"), *done = NULL;
    json_t *vms;
    int r = call(isolation, wait, request, &done, err);

    if (r < 0)
        return r;
    vms = vms_of(done, &ret->n);
    if (ret->n > ISOLATION_VMS_MAX)
        return error_set(err, FLT_E_INTERNAL, "the isolation plugin lists more than %d VMs",
                         ISOLATION_VMS_MAX);
    for (size_t i = 0; r == 0 && i < ret->n; i++)
        r = read_vm(json_object_array_get_idx(vms, i), &ret->items[i], err);
    return r;
}
