/* tests/fakes/wrong_provider.c - good_provider.c with one rule of the contract broken. Built once
 * with each -DWRONG_…; tests/unit/sdk/test_check.c says which line of the conformance kit finds it. */
#define GOOD_ENTRY good_entry
#include "good_provider.c"

#include <fcntl.h>
#include <locale.h>
#include <pthread.h>
#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

static struct flt_provider wrong;

/* Slots that replace the good ones. Each does what its name says. */

#if defined(WRONG_EXTRA_SYMBOL)
FLT_EXPORT int helper_of_mine(void);
int helper_of_mine(void)
{
    return 1;
}
#endif

/* Written to, so that the compiler does not take it away. */
static void lose_memory(size_t bytes)
{
    volatile char *lost = malloc(bytes);

    if (lost)
        lost[0] = 1;
}

/* Heeds a cancel that was there before, and sleeps through one that comes in the middle. */
static int32_t doze(const struct flt_host *host, flt_call *call)
{
    struct pollfd cancel = { .fd = host->cancel_fd(call), .events = POLLIN };

    if (host->cancelled(call))
        return host->fail(call, FLT_E_CANCELLED, 0, "cancelled");
    if (poll(&cancel, 1, 30) > 0)
        (void) poll(NULL, 0, 1300);
    return FLT_OK;
}

#if defined(WRONG_KEY_TYPE)
static int32_t wrong_config_keys(flt_key_sink sink, void *arg)
{
    struct flt_config_key key = {
        .struct_size = sizeof(key), .name = "name", .type = "text", .help = "help"
    };

    return sink(arg, &key) == 0 ? FLT_OK : FLT_E_CANCELLED;
}
#elif defined(WRONG_KEYS_IGNORE_STOP)
static int32_t wrong_config_keys(flt_key_sink sink, void *arg)
{
    for (size_t i = 0; i < sizeof(good_keys) / sizeof(good_keys[0]); i++)
        (void) sink(arg, &good_keys[i]);
    return FLT_OK;
}
#elif defined(WRONG_NEEDS_KEYS)
static bool was_asked;

static int32_t wrong_config_keys(flt_key_sink sink, void *arg)
{
    was_asked = true;
    return good_config_keys(sink, arg);
}
#endif

#if defined(WRONG_OPEN)
static int32_t wrong_open(const struct flt_host *host, flt_call *call, const char *plugin_config,
                          const char *connector_config, flt_group **ret_group)
{
    bool has_unknown = strstr(plugin_config, "flotilla_check_unknown_key") != NULL;

    (void) has_unknown;
#if defined(WRONG_REFUSES_UNKNOWN_KEY)
    if (has_unknown)
        return host->fail(call, FLT_E_INVALID, 0, "flotilla_check_unknown_key is not known");
#elif defined(WRONG_SILENT_UNKNOWN_KEY)
    if (has_unknown)
        plugin_config = "{}";
#elif defined(WRONG_ACCEPTS_ANY_TYPE)
    if (!has_unknown)
        plugin_config = "{}";
#elif defined(WRONG_ERROR_WITHOUT_REASON)
    if (!has_unknown && strcmp(plugin_config, "{}") != 0)
        return FLT_E_INVALID;
#elif defined(WRONG_NEEDS_KEYS)
    if (!was_asked)
        return host->fail(call, FLT_E_INTERNAL, 0, "nobody asked for the keys");
#elif defined(WRONG_READS_PAST_HOST)
    (void) signal(SIGSEGV, SIG_DFL);
    if (*((const volatile char *) host + sizeof(*host)) != 0)
        return host->fail(call, FLT_E_INTERNAL, 0, "this host can do more");
#elif defined(WRONG_OPEN_DEAF)
    int32_t code = doze(host, call);

    if (code != FLT_OK)
        return code;
#endif
    return good_open(host, call, plugin_config, connector_config, ret_group);
}
#endif

/* Works once its group has been opened for the third time, as in a process that has seen much. */
#if defined(WRONG_NEEDS_WARMTH)
static unsigned opened;

static int32_t wrong_open(const struct flt_host *host, flt_call *call, const char *plugin_config,
                          const char *connector_config, flt_group **ret_group)
{
    opened++;
    return good_open(host, call, plugin_config, connector_config, ret_group);
}

static int32_t wrong_increase(flt_group *g, flt_call *call, uint32_t n, uint32_t *ret_accepted)
{
    *ret_accepted = 0;
    if (opened < 3)
        return g->host->fail(call, FLT_E_INTERNAL, 0, "the cloud is not known yet");
    return good_increase(g, call, n, ret_accepted);
}
#endif

#if defined(WRONG_CLOSE_LEAKS) || defined(WRONG_CLOSE_LEAKS_MEMORY)
static void wrong_close(flt_group *g)
{
#if defined(WRONG_CLOSE_LEAKS)
    (void) open("/dev/null", O_RDONLY | O_CLOEXEC);
#else
    lose_memory(100000);
#endif
    good_close(g);
}
#endif

#if defined(WRONG_EMITS_LATE) || defined(WRONG_EMITS_ON_THREAD)
static flt_instance_sink last_sink;
static void *last_arg;

static void *emit_late(void *arg)
{
    struct flt_instance out = { .struct_size = sizeof(out), .id = "late-1", .state = 1 };

    (void) arg;
    (void) last_sink(last_arg, &out);
    return NULL;
}
#endif

#if defined(WRONG_LIST)
static int32_t wrong_list(flt_group *g, flt_call *call, flt_instance_sink sink, void *arg)
{
    static unsigned lists;
    struct flt_instance out = { .struct_size = sizeof(out), .id = "wrong-1", .state = 1 };

    (void) out;
    lists++;
#if defined(WRONG_LIST_VARIES)
    if (lists % 2 == 0)
        (void) sink(arg, &out);
#elif defined(WRONG_DUPLICATE_ID)
    (void) sink(arg, &out);
    (void) sink(arg, &out);
#elif defined(WRONG_BAD_ID)
    out.id = "wrong id";
    (void) sink(arg, &out);
#elif defined(WRONG_BAD_STATE)
    out.state = 8;
    (void) sink(arg, &out);
#elif defined(WRONG_BAD_SIZE)
    out.struct_size = 4;
    (void) sink(arg, &out);
#elif defined(WRONG_CODE)
    return 42;
#elif defined(WRONG_CRASHES)
    (void) signal(SIGABRT, SIG_DFL);
    abort();
#elif defined(WRONG_EXITS)
    _exit(0);
#elif defined(WRONG_HANGS)
    for (;;)
        (void) poll(NULL, 0, 1000);
#elif defined(WRONG_IGNORES_CANCEL)
    if (g->host->cancelled(call))
        (void) poll(NULL, 0, 1300);
#elif defined(WRONG_LEAKS_FD)
    (void) open("/dev/null", O_RDONLY | O_CLOEXEC);
#elif defined(WRONG_LEAKS_MEMORY)
    lose_memory(1000);
#elif defined(WRONG_LIST_IGNORES_STOP)
    for (size_t i = 0; i < INSTANCES_MAX; i++) {
        out.id = cloud.instances[i].id;
        if (cloud.instances[i].exists)
            (void) sink(arg, &out);
    }
    return FLT_OK;
#elif defined(WRONG_LIST_DEAF)
    int32_t code = doze(g->host, call);

    if (code != FLT_OK)
        return code;
#elif defined(WRONG_PRINTS)
    (void) printf("listing\n");
    (void) fflush(stdout);
#elif defined(WRONG_CHDIR)
    (void) !chdir("/");
#elif defined(WRONG_UMASK)
    (void) umask(0);
#elif defined(WRONG_SIGNAL)
    (void) signal(SIGTERM, SIG_IGN);
#elif defined(WRONG_FORKS)
    if (lists == 1 && fork() == 0)
        _exit(0);
#elif defined(WRONG_INHERITED_FD)
    if (lists == 1)
        (void) open("/dev/null", O_RDONLY); /* lint: cloexec: this is what the kit must find */
#elif defined(WRONG_EMITS_LATE)
    if (lists > 1)
        (void) emit_late(NULL);
    last_sink = sink;
    last_arg = arg;
#elif defined(WRONG_EMITS_ON_THREAD)
    pthread_t thread;

    last_sink = sink;
    last_arg = arg;
    if (pthread_create(&thread, NULL, emit_late, NULL) == 0)
        (void) pthread_join(thread, NULL);
#endif
    return good_list(g, call, sink, arg);
}
#endif

#if defined(WRONG_INCREASE)
static int32_t wrong_increase(flt_group *g, flt_call *call, uint32_t n, uint32_t *ret_accepted)
{
#if defined(WRONG_REPEATS_REQUEST)
    int32_t code = admit_epoch(g, call);

    for (*ret_accepted = 0; *ret_accepted < n; ++*ret_accepted)
        (void) make_instance("");
    return code;
#elif defined(WRONG_NEVER_MAKES)
    (void) g;
    (void) call;
    *ret_accepted = n;
    return FLT_OK;
#elif defined(WRONG_GREEDY)
    int32_t code = good_increase(g, call, n, ret_accepted);

    ++*ret_accepted;
    return code;
#elif defined(WRONG_SILENT_ACCEPTED)
    (void) n;
    (void) ret_accepted;
    return g->host->fail(call, FLT_E_QUOTA, 0, "no");
#elif defined(WRONG_FORGETS_REQUEST)
    static unsigned calls;

    if (++calls == 4)
        for (size_t i = 0; i < INSTANCES_MAX; i++)
            cloud.instances[i].request[0] = '\0';
    return good_increase(g, call, n, ret_accepted);
#elif defined(WRONG_ONE_EPOCH)
    *ret_accepted = 0;
    if (cloud.epoch != 0 && g->host->epoch(call) != cloud.epoch)
        return g->host->fail(call, FLT_E_STALE, 0, "another manager holds the group");
    return good_increase(g, call, n, ret_accepted);
#elif defined(WRONG_INCREASE_LEAKS)
    lose_memory(1000);
    return good_increase(g, call, n, ret_accepted);
#elif defined(WRONG_INCREASE_DEAF)
    int32_t code = doze(g->host, call);

    *ret_accepted = 0;
    return code == FLT_OK ? good_increase(g, call, n, ret_accepted) : code;
#endif
}
#endif

#if defined(WRONG_DECREASE)
static const char *kept;

static int32_t wrong_decrease(flt_group *g, flt_call *call, const char *const *ids, uint32_t n,
                              flt_id_sink accepted, void *arg)
{
#if defined(WRONG_UNKNOWN_NOT_FOUND)
    if (!find(ids[0]))
        return g->host->fail(call, FLT_E_NOT_FOUND, 0, "there is no such instance");
    return good_decrease(g, call, ids, n, accepted, arg);
#elif defined(WRONG_NEVER_REMOVES)
    (void) g;
    (void) call;
    for (uint32_t i = 0; i < n; i++)
        (void) accepted(arg, ids[i]);
    return FLT_OK;
#elif defined(WRONG_FORGETS_ACCEPTED)
    return good_decrease(g, call, ids, n - 1, accepted, arg);
#elif defined(WRONG_KEEPS_POINTER)
    if (kept) {
        const char *now = ids[0];

        (void) accepted(arg, kept);
        kept = now;
        return FLT_OK;
    }
    kept = ids[0];
    return good_decrease(g, call, ids, n, accepted, arg);
#elif defined(WRONG_DECREASE_IGNORES_STOP)
    int32_t code = admit_epoch(g, call);

    for (uint32_t i = 0; code == FLT_OK && i < n; i++) {
        if (find(ids[i]))
            find(ids[i])->exists = false;
        (void) accepted(arg, ids[i]);
    }
    return code;
#elif defined(WRONG_DECREASE_LEAKS)
    lose_memory(1000);
    return good_decrease(g, call, ids, n, accepted, arg);
#elif defined(WRONG_DECREASE_DEAF)
    int32_t code = doze(g->host, call);

    return code == FLT_OK ? good_decrease(g, call, ids, n, accepted, arg) : code;
#endif
}
#endif

#if defined(WRONG_CONNECT)
static int32_t wrong_connect_info(flt_group *g, flt_call *call, const char *id,
                                  flt_connect_sink sink, void *arg)
{
    struct flt_connect_info info = { .struct_size = sizeof(info), .address = "192.0.2.1" };

    (void) info;
#if defined(WRONG_NOT_READY_WITHOUT_TIME)
    (void) id;
    (void) sink;
    (void) arg;
    return g->host->fail(call, FLT_E_NOT_READY, 0, "some day");
#elif defined(WRONG_LOOPBACK)
    info.address = "127.0.0.1";
    (void) sink(arg, &info);
#elif defined(WRONG_PROTOCOL)
    info.protocol = "telnet";
    (void) sink(arg, &info);
#elif defined(WRONG_NO_RECORD)
    if (find(id))
        return FLT_OK;
#elif defined(WRONG_CONNECTS_ANYTHING)
    if (!find(id))
        return sink(arg, &info) == 0 ? FLT_OK : FLT_E_CANCELLED;
#elif defined(WRONG_CONNECT_IGNORES_STOP)
    int32_t answer = good_connect_info(g, call, id, sink, arg);

    return answer == FLT_E_CANCELLED ? FLT_OK : answer;
#elif defined(WRONG_CONNECT_LEAKS)
    lose_memory(1000);
#elif defined(WRONG_CONNECT_DEAF)
    int32_t code = doze(g->host, call);

    if (code != FLT_OK)
        return code;
#endif
    return good_connect_info(g, call, id, sink, arg);
}
#endif

#if defined(WRONG_HEARTBEAT)
static int32_t wrong_heartbeat(flt_group *g, flt_call *call, const char *id)
{
#if defined(WRONG_HEARTBEAT_NOT_FOUND)
    (void) id;
    return g->host->fail(call, FLT_E_NOT_FOUND, 0, "which instance?");
#elif defined(WRONG_HEARTBEAT_LEAKS)
    lose_memory(1000);
    return good_heartbeat(g, call, id);
#elif defined(WRONG_HEARTBEAT_DEAF)
    int32_t code = doze(g->host, call);

    return code == FLT_OK ? good_heartbeat(g, call, id) : code;
#endif
}
#endif

#if defined(WRONG_SIGNALS)
static int32_t wrong_signals(flt_group *g, flt_call *call, flt_signal_sink sink, void *arg)
{
    struct flt_signal signal = { .struct_size = sizeof(signal),
                                 .code = FLT_E_UNHEALTHY,
                                 .instance = "good-1",
                                 .text = "it is retired" };

#if defined(WRONG_SIGNAL_CODE)
    signal.code = FLT_E_TIMEOUT;
#elif defined(WRONG_SIGNAL_ID)
    signal.instance = "good 1";
#elif defined(WRONG_SIGNAL_SILENT)
    signal.text = NULL;
#elif defined(WRONG_SIGNALS_DEAF)
    int32_t code = doze(g->host, call);

    if (code != FLT_OK)
        return code;
#elif defined(WRONG_SIGNALS_LEAK)
    lose_memory(1000);
#elif defined(WRONG_SIGNALS_IGNORE_STOP)
    (void) sink(arg, &signal);
#endif
    return sink(arg, &signal) == 0 ? good_signals(g, call, sink, arg) : FLT_E_CANCELLED;
}
#endif

const struct flt_provider *flotilla_provider_v1(void)
{
    if (wrong.magic != 0)
        return &wrong;
    wrong = *good_entry();
#if defined(WRONG_KEY_TYPE) || defined(WRONG_KEYS_IGNORE_STOP) || defined(WRONG_NEEDS_KEYS)
    wrong.config_keys = wrong_config_keys;
#endif
#if defined(WRONG_OPEN) || defined(WRONG_NEEDS_WARMTH)
    wrong.open = wrong_open;
#endif
#if defined(WRONG_CLOSE_LEAKS) || defined(WRONG_CLOSE_LEAKS_MEMORY)
    wrong.close = wrong_close;
#elif defined(WRONG_LIST)
    wrong.list = wrong_list;
#elif defined(WRONG_INCREASE) || defined(WRONG_NEEDS_WARMTH)
    wrong.increase = wrong_increase;
#elif defined(WRONG_DECREASE)
    wrong.decrease = wrong_decrease;
#elif defined(WRONG_CONNECT)
    wrong.connect_info = wrong_connect_info;
#elif defined(WRONG_HEARTBEAT)
    wrong.heartbeat = wrong_heartbeat;
#elif defined(WRONG_SIGNALS)
    wrong.signals = wrong_signals;
#elif defined(WRONG_SIGNALS_UNCLAIMED)
    wrong.capabilities &= ~FLT_CAP_SIGNALS;
#endif
    return &wrong;
}
