/* core/job/isolation_process.c - see the header. One call at a time, as isolation.h of the SDK says; what the plugin hands
 * out is checked by the worker, for whoever took this process over could send anything. */
#include "core/job/isolation_process.h"

#include <errno.h>
#include <fcntl.h>
#include <flotilla/isolation.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "core/base/clock.h"
#include "core/base/frame.h"
#include "core/base/harden.h"
#include "core/base/str.h"
#include "core/job/sandbox.h"
#include "core/plugin/plugin.h"

#define LINK_FD 3
#define SEND_MS 5000
#define MESSAGE_MAX 1024

struct served {
    struct frame_decoder decoder;
    int passed; /* the descriptor that came along last */
    struct flt_isolation plugin;
    struct error unable; /* why there is none */
    flt_vms *vms;
};

struct flt_call {
    struct served *served;
    int64_t deadline_mono_ms;
    int cancel_fd;
    json_t *emitted;
    char message[MESSAGE_MAX];
};

/* Without the worker there is nothing to do. */
static void tell(json_t *frame)
{
    if (!frame || frame_send(LINK_FD, frame, FRAME_MAX_LINK, SEND_MS, NULL) < 0)
        _exit(0);
}

static int take_passed(struct served *served)
{
    int fd = served->passed;

    served->passed = -1;
    return fd;
}

static json_t *hear(struct served *served, int timeout_ms)
{
    json_t *frame = NULL;

    if (frame_recv(LINK_FD, &served->decoder, timeout_ms, &frame, NULL) != 1)
        _exit(0);
    return frame;
}

/* What the plugin may ask of its host. */

static void host_log(flt_call *call, int32_t level, const char *text)
{
    autojson json_t *frame = json_frame("log");
    autobuf struct buf shown = BUF_INIT;

    (void) call;
    str_display(&shown, text, strnlen(text, MESSAGE_MAX), MESSAGE_MAX);
    (void) json_add_i64(frame, "level", level);
    (void) json_add_str(frame, "text", buf_str(&shown));
    tell(frame);
}

static int32_t host_fail(flt_call *call, int32_t code, int64_t retry_after_ms, const char *text)
{
    (void) retry_after_ms;
    (void) snprintf(call->message, sizeof(call->message), "%s", text);
    return code;
}

static int64_t host_time_left_ms(flt_call *call)
{
    return MAX(call->deadline_mono_ms - clock_mono_ms(&clock_system), INT64_C(0));
}

static int32_t host_cancel_fd(flt_call *call)
{
    return call->cancel_fd;
}

static int32_t host_cancelled(flt_call *call)
{
    struct pollfd fd = { .fd = call->cancel_fd, .events = POLLIN };

    return call->cancel_fd >= 0 && poll(&fd, 1, 0) > 0;
}

/* The worker stops a dial that is cancelled, and answers then. */
static int32_t host_dial(flt_call *call, const char *address, int32_t *ret_fd)
{
    autojson json_t *frame = json_frame("dial"), *answer = NULL;
    const char *message = "the worker did not connect";
    int64_t code = FLT_E_INTERNAL;

    (void) json_add_str(frame, "address", address);
    tell(frame);
    answer = hear(call->served, -1);
    (void) json_opt_str(answer, "message", &message, NULL);
    (void) json_opt_i64(answer, "code", INT32_MIN, 0, &code, NULL);
    *ret_fd = take_passed(call->served);
    return code == FLT_OK && *ret_fd >= 0 ? FLT_OK : host_fail(call, (int32_t) code, 0, message);
}

static const struct flt_isolation_host host = {
    .struct_size = sizeof(host),
    .abi_minor = FLT_ISOLATION_MINOR,
    .log = host_log,
    .fail = host_fail,
    .time_left_ms = host_time_left_ms,
    .cancelled = host_cancelled,
    .cancel_fd = host_cancel_fd,
    .dial = host_dial,
};

static int32_t emit(void *arg, const struct flt_vm *raw)
{
    flt_call *call = arg;
    struct flt_vm vm = { 0 };
    json_t *item = json_object_new_object();

    memcpy(&vm, raw, MIN((size_t) raw->struct_size, sizeof(vm)));
    (void) json_add_str(item, "id", vm.id);
    (void) json_add_str(item, "name", vm.name);
    (void) json_add_str(item, "addr", vm.addr);
    (void) json_add_str(item, "stomped", vm.stomped_id);
    return json_object_array_add(call->emitted, item) < 0;
}

/* The worker's requests. */

static int32_t run_open(struct served *served, flt_call *call, json_t *request)
{
    const char *config = "{}";

    (void) json_opt_str(request, "config", &config, NULL);
    return served->plugin.open(&host, call, config, &served->vms);
}

static int32_t run_create(struct served *served, flt_call *call, json_t *request)
{
    const char *image = "";
    int64_t slot = FLT_SLOT_NONE;

    (void) json_opt_str(request, "image", &image, NULL);
    (void) json_opt_i64(request, "slot", INT32_MIN, INT32_MAX, &slot, NULL);
    return served->plugin.create(served->vms, call, image, (int32_t) slot, emit, call);
}

static int32_t run_remove(struct served *served, flt_call *call, json_t *request)
{
    const char *id = "";

    (void) json_opt_str(request, "id", &id, NULL);
    return served->plugin.remove(served->vms, call, id);
}

static int32_t run_list(struct served *served, flt_call *call, json_t *request)
{
    (void) request;
    return served->plugin.list(served->vms, call, emit, call);
}

static int32_t run(struct served *served, flt_call *call, json_t *request)
{
    static const struct {
        const char *type;
        int32_t (*run)(struct served *served, flt_call *call, json_t *request);
    } rows[] = {
        { "open", run_open },
        { "create", run_create },
        { "remove", run_remove },
        { "list", run_list },
    };
    const char *type = "";

    (void) json_opt_str(request, "type", &type, NULL);
    if (served->unable.code < 0)
        return host_fail(call, FLT_E_ABI, 0, served->unable.message);
    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        if (str_eq(type, rows[i].type) && (i == 0 || served->vms))
            return rows[i].run(served, call, request);
    return host_fail(call, FLT_E_INVALID, 0, "the request is of no known type, or too early");
}

static void serve(struct served *served, json_t *request)
{
    autojson json_t *reply = json_frame("done"), *emitted = json_object_new_array();
    flt_call call = { .served = served,
                      .cancel_fd = take_passed(served),
                      .deadline_mono_ms = INT64_MAX,
                      .emitted = emitted };
    int32_t code;

    (void) json_opt_i64(request, "deadline_mono_ms", 0, INT64_MAX, &call.deadline_mono_ms, NULL);
    code = run(served, &call, request);
    (void) json_add_i64(reply, "code", code);
    (void) json_add_str(reply, "message", call.message);
    (void) json_add(reply, "vms", json_object_get(emitted));
    if (call.cancel_fd >= 0)
        (void) close(call.cancel_fd);
    tell(reply);
}

/* The worker's other descriptors are not for a plugin, and a spool that is open here would count as locked. */
static int keep_link_alone(int link_fd)
{
    if (link_fd != LINK_FD && dup2(link_fd, LINK_FD) < 0)
        return -errno;
    return fcntl(LINK_FD, F_SETFD, FD_CLOEXEC) < 0 || close_range(LINK_FD + 1, ~0U, 0) < 0 ? -errno
                                                                                           : 0;
}

_Noreturn void isolation_process_run(int link_fd, int parent, const char *file)
{
    struct served served = { .passed = -1 };

    (void) prctl(PR_SET_NAME, "flotilla-vms");
    if (prctl(PR_SET_PDEATHSIG, SIGKILL) < 0 || getppid() != parent ||
        keep_link_alone(link_fd) < 0 || harden_process() < 0)
        _exit(125);
    frame_decoder_init(&served.decoder, FRAME_MAX_LINK);
    served.decoder.passed = &served.passed;
    (void) plugin_load_isolation(file, &served.plugin, &served.unable);
    if (sandbox_enter_sealed() < 0)
        _exit(125);
    for (;;) {
        autojson json_t *request = hear(&served, -1);

        serve(&served, request);
    }
}
