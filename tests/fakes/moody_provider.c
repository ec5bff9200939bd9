/* tests/fakes/moody_provider.c - a provider that misbehaves on request: {"mode": "…"} in its
 * plugin_config. Without a mode it is a group of two instances that never change.
 *
 *   crash_once     the first list of all crashes; the file `crashed` in its state directory remembers
 *   crash          every list crashes
 *   hang           list never returns and ignores the cancel
 *   hang_open      so does open, until the file `go` is there
 *   slow           list waits for the cancel and honours it
 *   gate           list waits for the file `go` in its state directory, or for the cancel
 *   gate_deaf      the same, but ignores the cancel
 *   duplicate      list emits an id twice
 *   bad_id         list emits an id with a space
 *   bad_state      list emits a state that does not exist
 *   unknown_code   list returns 42
 *   many           list emits 20,000 instances
 *   late_emit      heartbeat emits into the list before it
 *   thread_emit    list emits from a thread of its own
 *   late_use       heartbeat logs with the call of the list before it
 *   garbage        list writes bytes that are no frame on the worker's link
 *   silent_end     list ends the process with status 0
 *   greedy         increase accepts one more than asked
 *   foreign_id     decrease accepts an id that it was not asked about
 *   hoarder        list takes memory until it gets none, then says whether a program has that limit, too
 *   signal_id      signals emits an id with a space
 *   signal_flood   signals emits 20,000
 *   host_keys      connect_info claims host keys without an array of them
 *   open_fails     open is refused with an authentication error
 */
#include <errno.h>
#include <fcntl.h>
#include <flotilla/provider.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct flt_group {
    const struct flt_host *host;
    char config[512], dir[256];
    flt_instance_sink sink; /* of the last list */
    void *sink_arg;
    flt_call *list_call;
};

static bool mode_is(const flt_group *g, const char *mode)
{
    char quoted[64];

    (void) snprintf(quoted, sizeof(quoted), "\"%s\"", mode);
    return strstr(g->config, quoted) != NULL;
}

static bool file_exists(const flt_group *g, const char *name)
{
    char path[300];

    (void) snprintf(path, sizeof(path), "%s/%s", g->dir, name);
    return access(path, F_OK) == 0;
}

/* False when the call was cancelled first. */
static bool wait_for_file(flt_group *g, flt_call *call, const char *name, bool heed_cancel)
{
    struct pollfd cancel = { .fd = heed_cancel ? g->host->cancel_fd(call) : -1, .events = POLLIN };

    while (!file_exists(g, name))
        if (poll(&cancel, 1, 10) > 0)
            return false;
    return true;
}

static int32_t moody_open(const struct flt_host *host, flt_call *call, const char *plugin_config,
                          const char *connector_config, flt_group **ret_group)
{
    struct flt_group_info info = { .struct_size = sizeof(info),
                                   .max_size = 7,
                                   .identity = "moody group" };
    flt_group *g = calloc(1, sizeof(*g));

    (void) connector_config;
    if (!g)
        return FLT_E_INTERNAL;
    g->host = host;
    (void) snprintf(g->config, sizeof(g->config), "%s", plugin_config);
    (void) snprintf(g->dir, sizeof(g->dir), "%s", host->state_dir(call));
    if (mode_is(g, "hang_open"))
        (void) wait_for_file(g, call, "go", false);
    if (mode_is(g, "open_fails")) {
        free(g);
        return host->fail(call, FLT_E_AUTH, 0, "the key is not known here");
    }
    host->describe_group(call, &info);
    *ret_group = g;
    return FLT_OK;
}

static void moody_close(flt_group *g)
{
    free(g);
}

static int32_t emit(flt_instance_sink sink, void *arg, const char *id, int32_t state)
{
    struct flt_instance instance = { .struct_size = sizeof(instance), .id = id, .state = state };

    return sink(arg, &instance) == 0 ? FLT_OK : FLT_E_CANCELLED;
}

static _Noreturn void crash(void)
{
    (void) signal(SIGABRT, SIG_DFL);
    abort();
}

static void crash_once(const flt_group *g)
{
    char path[300];
    int fd;

    (void) snprintf(path, sizeof(path), "%s/crashed", g->dir);
    fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd >= 0)
        crash();
}

static void *emit_on_thread(void *arg)
{
    flt_group *g = arg;

    (void) emit(g->sink, g->sink_arg, "moody-9", FLT_STATE_RUNNING);
    return NULL;
}

static void be_moody(flt_group *g, flt_call *call)
{
    pthread_t thread;

    if (mode_is(g, "crash"))
        crash();
    if (mode_is(g, "crash_once"))
        crash_once(g);
    if (mode_is(g, "silent_end"))
        _exit(0);
    while (mode_is(g, "hang"))
        (void) poll(NULL, 0, 1000);
    if (mode_is(g, "garbage"))
        (void) !write(3, "\x7f\xff\xff\xffgarbage", 11);
    if (mode_is(g, "thread_emit") && pthread_create(&thread, NULL, emit_on_thread, g) == 0)
        (void) pthread_join(thread, NULL);
    (void) call;
}

/* Untouched, so that the machine loses nothing. */
static int32_t hoard(flt_group *g, flt_call *call)
{
    const char *const ask[] = { "/bin/sh", "-c", "test \"$(ulimit -Sd)\" = \"$(ulimit -Hd)\"",
                                NULL };
    void *hoarded[64];
    size_t n = 0;
    int32_t status;

    while (n < 64 && (hoarded[n] = malloc((size_t) 64 << 20)))
        n++;
    for (size_t i = n; i > 0; i--)
        free(hoarded[i - 1]);
    status = g->host->run(call, ask, NULL, NULL);
    return g->host->fail(call, FLT_E_QUOTA, 0,
                         n == 64       ? "memory has no end"
                         : status == 0 ? "memory has an end, but not for programs"
                                       : "memory has an end");
}

static int32_t emit_many(flt_instance_sink sink, void *arg)
{
    char id[32];

    for (int i = 0; i < 20000; i++) {
        (void) snprintf(id, sizeof(id), "moody-%d", i);
        if (emit(sink, arg, id, FLT_STATE_RUNNING) != FLT_OK)
            return FLT_E_CANCELLED;
    }
    return FLT_OK;
}

static int32_t moody_list(flt_group *g, flt_call *call, flt_instance_sink sink, void *arg)
{
    g->sink = sink;
    g->sink_arg = arg;
    g->list_call = call;
    be_moody(g, call);
    if (mode_is(g, "many"))
        return emit_many(sink, arg);
    if (mode_is(g, "hoarder"))
        return hoard(g, call);
    if (mode_is(g, "bad_id"))
        (void) emit(sink, arg, "moody 1", FLT_STATE_RUNNING);
    if (mode_is(g, "bad_state"))
        (void) emit(sink, arg, "moody-1", 77);
    if (mode_is(g, "unknown_code"))
        return 42;
    if (mode_is(g, "gate_deaf"))
        (void) wait_for_file(g, call, "go", false);
    if ((mode_is(g, "slow") && !wait_for_file(g, call, "never", true)) ||
        (mode_is(g, "gate") && !wait_for_file(g, call, "go", true)))
        return g->host->fail(call, FLT_E_CANCELLED, 0, "the cancel was heard");
    (void) emit(sink, arg, "moody-1", FLT_STATE_RUNNING);
    (void) emit(sink, arg, mode_is(g, "duplicate") ? "moody-1" : "moody-2", FLT_STATE_CREATING);
    return FLT_OK;
}

static int32_t moody_increase(flt_group *g, flt_call *call, uint32_t n, uint32_t *ret_accepted)
{
    (void) call;
    *ret_accepted = mode_is(g, "greedy") ? n + 1 : n;
    return FLT_OK;
}

static int32_t moody_decrease(flt_group *g, flt_call *call, const char *const *ids, uint32_t n,
                              flt_id_sink accepted, void *arg)
{
    (void) call;
    for (uint32_t i = 0; i < n; i++)
        if (accepted(arg, mode_is(g, "foreign_id") ? "moody-77" : ids[i]) != 0)
            return FLT_E_CANCELLED;
    return FLT_OK;
}

static int32_t moody_connect_info(flt_group *g, flt_call *call, const char *id,
                                  flt_connect_sink sink, void *arg)
{
    struct flt_connect_info info = { .struct_size = sizeof(info), .address = "192.0.2.1" };

    if (strcmp(id, "moody-2") == 0)
        return g->host->fail(call, FLT_E_NOT_READY, 1500, "moody-2 is booting");
    if (mode_is(g, "host_keys"))
        info.n_host_keys = 2;
    return sink(arg, &info) == 0 ? FLT_OK : FLT_E_CANCELLED;
}

static int32_t moody_heartbeat(flt_group *g, flt_call *call, const char *id)
{
    (void) call;
    (void) id;
    if (mode_is(g, "late_emit"))
        (void) emit(g->sink, g->sink_arg, "moody-8", FLT_STATE_RUNNING);
    if (mode_is(g, "late_use"))
        g->host->log(g->list_call, FLT_LOG_INFO, "too late");
    return FLT_OK;
}

static int32_t emit_many_signals(flt_signal_sink sink, void *arg)
{
    struct flt_signal signal = { .struct_size = sizeof(signal),
                                 .code = FLT_E_UNHEALTHY,
                                 .instance = "moody-1" };

    for (int i = 0; i < 20000; i++)
        if (sink(arg, &signal) != 0)
            return FLT_E_CANCELLED;
    return FLT_OK;
}

static int32_t moody_signals(flt_group *g, flt_call *call, flt_signal_sink sink, void *arg)
{
    const struct flt_signal signals[] = {
        { .struct_size = sizeof(signals[0]),
          .code = FLT_E_UNHEALTHY,
          .instance = mode_is(g, "signal_id") ? "moody 1" : "moody-1",
          .text = "it goes\x1b[2J",
          .at_ms = 5000 },
        { .struct_size = sizeof(signals[0]), .code = FLT_E_QUOTA, .at_ms = -5 },
        /* As a plugin of another time would: a smaller record, a code that nobody knows. */
        { .struct_size = 2 * sizeof(uint32_t), .code = 42, .instance = "moody-2", .at_ms = 7 },
    };

    (void) call;
    if (mode_is(g, "signal_flood"))
        return emit_many_signals(sink, arg);
    for (size_t i = 0; i < sizeof(signals) / sizeof(signals[0]); i++)
        if (sink(arg, &signals[i]) != 0)
            return FLT_E_CANCELLED;
    return FLT_OK;
}

static const struct flt_provider moody = {
    .magic = FLT_PROVIDER_MAGIC,
    .struct_size = sizeof(struct flt_provider),
    .abi_minor = FLT_ABI_MINOR,
    .name = "moody",
    .version = "1",
    .capabilities = FLT_CAP_HEARTBEAT | FLT_CAP_SIGNALS,
    .open = moody_open,
    .close = moody_close,
    .list = moody_list,
    .increase = moody_increase,
    .decrease = moody_decrease,
    .connect_info = moody_connect_info,
    .heartbeat = moody_heartbeat,
    .signals = moody_signals,
};

const struct flt_provider *flotilla_provider_v1(void)
{
    return &moody;
}
