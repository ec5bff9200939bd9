/* provider.c - the local provider: an instance group whose machines are private sshd processes.
 *
 * For trying flotilla without a cloud, for its tests, and for machines that are large enough to be
 * a fleet of their own. This file holds the slots of the provider ABI and nothing else; see local.h
 * for the parts.
 */

#include "local.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/utsname.h>
#include <unistd.h>

#define KEEP_DEAD_MS 60000 /* a dead instance is listed as deleted for so long */
#define KNOCK_TIME_MS 3000
#define KEY_MAX 16384

static void group_free(struct flt_group *g)
{
    store_close(g);
    free(g);
}

/* Where the host's state directory is private to it, the group's lies below. */
static int32_t open_store(struct flt_group *g, flt_call *call)
{
    const char *below = g->options.state_dir[0] ? NULL : g->host->state_dir(call);
    int len;

    if (below)
        len = snprintf(g->dir, sizeof(g->dir), "%s/%s", below, g->options.name);
    else
        len = snprintf(g->dir, sizeof(g->dir), "%s", g->options.state_dir);
    /* sshd's paths must fit the socket of a control master, a title, a shell line. */
    if (len < 0 || (size_t) len >= sizeof(g->dir) - 64 || !path_is_usable(g->dir))
        return flt_failf(g->host, call, FLT_E_INVALID, 0,
                         "the state directory '%.64s…' is not usable: it must be absolute, shorter "
                         "than %zu bytes and without quotes, '\\', '%%', '#'; set "
                         "plugin_config.state_dir",
                         g->dir, sizeof(g->dir) - 64);
    return store_open(g, call, g->dir);
}

/* "… OpenSSH_9.2p1 …" */
static bool find_version(const char *output, uint64_t *ret_major, uint64_t *ret_minor)
{
    static const char prefix[] = "OpenSSH_";
    const char *at = strstr(output, prefix);

    if (!at)
        return false;
    at += strlen(prefix);
    return number_take(&at, 10, INT32_MAX, ret_major) && *at++ == '.' &&
           number_take(&at, 10, INT32_MAX, ret_minor);
}

/* From 9.8 on sshd shuts out an address that connects without logging in, as a heartbeat does. An
 * older one refuses the option that turns this off. */
static int32_t probe_sshd(struct flt_group *g, flt_call *call)
{
    const char *const argv[] = { g->sshd, "-V", NULL };
    char output[1024];
    uint64_t major, minor;
    int32_t status = machine_run(g, call, argv, output, sizeof(output));

    if (status < 0)
        return flt_failf(g->host, call, status, 0, "%s could not be run", g->sshd);
    if (!find_version(output, &major, &minor))
        return flt_failf(g->host, call, FLT_E_INVALID, 0,
                         "%s is no OpenSSH server, it answers '%.200s': set plugin_config.sshd",
                         g->sshd, output);
    g->has_penalties = major > 9 || (major == 9 && minor >= 8);
    return FLT_OK;
}

static int32_t find_programs(struct flt_group *g, flt_call *call)
{
    const struct flt_host *host = g->host;

    if (g->options.sshd[0])
        (void) snprintf(g->sshd, sizeof(g->sshd), "%s", g->options.sshd);
    else if (!find_program("sshd", g->sshd, sizeof(g->sshd)))
        return host->fail(call, FLT_E_INVALID, 0,
                          "no sshd found: install the OpenSSH server, or set plugin_config.sshd");
    if (!find_program("ssh-keygen", g->keygen, sizeof(g->keygen)))
        return host->fail(call, FLT_E_INVALID, 0, "no ssh-keygen found: install OpenSSH");
    if (!find_program("setsid", g->setsid, sizeof(g->setsid)) ||
        !find_program("env", g->env, sizeof(g->env)))
        return host->fail(call, FLT_E_INVALID, 0,
                          "no setsid or env found: an instance that dies needs them");
    return probe_sshd(g, call);
}

static bool refuses_logins(const char *shell)
{
    const char *slash = strrchr(shell, '/');
    const char *name = slash ? slash + 1 : shell;

    return strcmp(name, "nologin") == 0 || strcmp(name, "false") == 0;
}

static int32_t find_user(struct flt_group *g, flt_call *call)
{
    struct passwd entry, *found = NULL;
    char buf[8192];

    if (getpwuid_r(geteuid(), &entry, buf, sizeof(buf), &found) != 0 || !found)
        return flt_failf(g->host, call, FLT_E_INVALID, 0,
                         "user %ld has no name, and sshd lets nobody in without one",
                         (long) geteuid());
    if (refuses_logins(entry.pw_shell))
        return flt_failf(g->host, call, FLT_E_INVALID, 0,
                         "user %s has the shell %s, and each session of an instance is a login: "
                         "usermod --shell /bin/sh %s",
                         entry.pw_name, entry.pw_shell, entry.pw_name);
    if ((size_t) snprintf(g->username, sizeof(g->username), "%s", entry.pw_name) >=
        sizeof(g->username))
        return g->host->fail(call, FLT_E_INVALID, 0, "the user's name is too long");
    return FLT_OK;
}

/* Root's sshd wants an empty directory to lock its unprivileged half into; distributions make it
 * when their own service starts, which it may never have. */
static void make_privilege_dir(struct flt_group *g, flt_call *call)
{
    if (geteuid() == 0 && mkdir("/run/sshd", 0755) < 0 && errno != EEXIST)
        flt_logf(g->host, call, FLT_LOG_WARNING, "/run/sshd cannot be made: %s, ignoring",
                 strerror(errno));
}

static void read_boot_id(struct flt_group *g)
{
    if (read_small(AT_FDCWD, "/proc/sys/kernel/random/boot_id", g->boot_id, sizeof(g->boot_id)) < 0)
        g->boot_id[0] = '\0';
    g->boot_id[strcspn(g->boot_id, "\n")] = '\0';
}

static int32_t open_group(struct flt_group *g, flt_call *call, const char *config)
{
    int32_t code;
    int lock;

    if ((code = options_parse(g->host, call, config, &g->options)) != FLT_OK ||
        (code = find_user(g, call)) != FLT_OK || (code = open_store(g, call)) != FLT_OK ||
        (code = find_programs(g, call)) != FLT_OK)
        return code;
    read_boot_id(g);
    make_privilege_dir(g, call);
    if (store_try_lock(g, &lock)) {
        store_sweep(g, call);
        (void) close(lock);
    }
    return FLT_OK;
}

static int32_t local_open(const struct flt_host *host, flt_call *call,
                          const char *plugin_config_json, const char *connector_config_json,
                          flt_group **ret_group)
{
    struct flt_group *g = calloc(1, sizeof(*g));
    char identity[128];
    struct flt_group_info info = { .struct_size = sizeof(info), .identity = identity };
    int32_t code;

    if (!g)
        return host->fail(call, FLT_E_INTERNAL, 0, "out of memory");
    g->host = host;
    g->dir_fd = g->instances_fd = g->trash_fd = -1;
    code = open_group(g, call, plugin_config_json);
    if (code != FLT_OK) {
        group_free(g);
        return code;
    }
    (void) snprintf(identity, sizeof(identity), "local group %s", g->options.name);
    info.max_size = (uint32_t) g->options.max_size;
    info.price_micros_hour = g->options.price_micros_hour;
    info.minimum_billed_ms = g->options.minimum_billed_ms;
    info.minimum_life_ms = g->options.minimum_life_ms;
    host->describe_group(call, &info);
    *ret_group = g;
    return FLT_OK;
}

static void local_close(flt_group *g)
{
    if (g)
        group_free(g);
}

/* A machine that has died leaves the cloud's books by itself. The lock is held. */
static void bury(struct flt_group *g, flt_call *call, const struct local_instance *in)
{
    if (clock_boot_ms() - store_death_noted_ms(g, in->id) >= KEEP_DEAD_MS &&
        store_mark_deleting(g, in->id) && process_end_all(g, call, in->id, in->port) == FLT_OK)
        (void) store_discard(g, in->id);
}

static void end_leftovers(struct flt_group *g, flt_call *call, const struct local_instance *in)
{
    (void) process_end_all(g, call, in->id, in->port);
    bury(g, call, in);
}

static int32_t local_list(flt_group *g, flt_call *call, flt_instance_sink sink, void *arg)
{
    struct local_instances all;
    int32_t code;
    int lock = -1;
    bool locked = store_try_lock(g, &lock);

    /* Removals that were interrupted go on, unless somebody is changing the group just now. */
    if (locked)
        store_sweep(g, call);
    code = store_load(g, call, &all);
    for (size_t i = 0; code == FLT_OK && i < all.n; i++) {
        struct flt_instance out = { .struct_size = sizeof(out),
                                    .id = all.items[i].id,
                                    .state = machine_state(g, &all.items[i]) };

        if (sink(arg, &out) != 0)
            code = FLT_E_CANCELLED;
        else if (out.state == FLT_STATE_DELETED && locked)
            end_leftovers(g, call, &all.items[i]);
        if (code == FLT_OK)
            code = flt_call_ended(g->host, call);
    }
    if (locked)
        (void) close(lock);
    instances_done(&all);
    return code;
}

/* How many count against the maximum, and how many an earlier try of this request has made. */
static void count_instances(struct flt_group *g, const struct local_instances *all,
                            const char *request_id, uint32_t *ret_live, uint32_t *ret_made)
{
    *ret_live = *ret_made = 0;
    for (size_t i = 0; i < all->n; i++) {
        int32_t state = machine_state(g, &all->items[i]);

        *ret_live += state != FLT_STATE_DELETED && state != FLT_STATE_DELETING;
        *ret_made += *request_id && strcmp(all->items[i].request_id, request_id) == 0;
    }
}

static int32_t make_instances(struct flt_group *g, flt_call *call, struct local_instances *all,
                              uint32_t n, uint32_t *accepted)
{
    for (uint32_t i = 0; i < n; i++) {
        struct local_instance in;
        int32_t code = flt_call_ended(g->host, call);

        if (code == FLT_OK)
            code = machine_create(g, call, all, &in);
        if (code == FLT_OK) {
            ++*accepted;
            /* Read again, so that the next one knows this one's port. */
            instances_done(all);
            code = store_load(g, call, all);
        }
        if (code != FLT_OK)
            return code;
    }
    return FLT_OK;
}

/* How many more there may be; *ret_limit is what holds them back. */
static uint32_t room_left(const struct flt_group *g, uint32_t live, const char **ret_limit)
{
    const struct local_options *o = &g->options;
    bool by_quota = o->quota > 0 && o->quota < o->max_size;
    int64_t most = by_quota ? o->quota : o->max_size;

    *ret_limit = by_quota ? "quota" : "max_size";
    return live < most ? (uint32_t) (most - live) : 0;
}

static int32_t increase_locked(struct flt_group *g, flt_call *call, uint32_t n, uint32_t *accepted)
{
    const char *request_id = g->host->request_id(call);
    const char *limit;
    uint32_t live, made, room;
    struct local_instances all;
    int32_t code;

    if (!request_id)
        request_id = "";
    if (strlen(request_id) >= LOCAL_REQUEST_MAX)
        return g->host->fail(call, FLT_E_INVALID, 0, "the request id is too long");
    store_sweep(g, call);
    code = store_load(g, call, &all);
    if (code != FLT_OK)
        return code;
    count_instances(g, &all, request_id, &live, &made);
    *accepted = made < n ? made : n;
    n -= *accepted;
    room = room_left(g, live, &limit);
    code = make_instances(g, call, &all, n < room ? n : room, accepted);
    if (code == FLT_OK && n > room)
        code = flt_failf(g->host, call, FLT_E_QUOTA, 0, "group '%s' has %u instances, %s is %u",
                         g->options.name, live + room, limit, live + room);
    if (code != FLT_OK)
        store_sweep(g, call); /* what was half made */
    instances_done(&all);
    return code;
}

static int32_t local_increase(flt_group *g, flt_call *call, uint32_t n, uint32_t *ret_accepted)
{
    int32_t code;
    int lock;

    *ret_accepted = 0;
    code = store_lock(g, call, &lock);
    if (code != FLT_OK)
        return code;
    code = store_admit_epoch(g, call);
    if (code == FLT_OK && g->options.increase_error != FLT_OK)
        code = g->host->fail(call, g->options.increase_error, 0,
                             "plugin_config.increase_error says so");
    else if (code == FLT_OK)
        code = signals_admit_growth(g, call);
    if (code == FLT_OK)
        code = increase_locked(g, call, n, ret_accepted);
    (void) close(lock);
    return code;
}

/* From the mark on the instance is on its way out, whatever interrupts this. */
static int32_t remove_instance(struct flt_group *g, flt_call *call, const char *id)
{
    struct local_instance in;
    int32_t code;

    if (!store_find(g, id, &in) || !store_mark_deleting(g, id))
        return FLT_OK;
    code = process_end_all(g, call, id, in.port);
    if (code == FLT_OK && store_discard(g, id) < 0)
        code = flt_failf(g->host, call, FLT_E_INTERNAL, 0, "%s/instances/%s: %m", g->dir, id);
    return code;
}

static int32_t local_decrease(flt_group *g, flt_call *call, const char *const *ids, uint32_t n,
                              flt_id_sink accepted, void *arg)
{
    int32_t code;
    int lock;

    code = store_lock(g, call, &lock);
    if (code != FLT_OK)
        return code;
    code = store_admit_epoch(g, call);
    for (uint32_t i = 0; code == FLT_OK && i < n; i++) {
        code = flt_call_ended(g->host, call);
        if (code == FLT_OK)
            code = remove_instance(g, call, ids[i]);
        if (code == FLT_OK && accepted(arg, ids[i]) != 0)
            code = FLT_E_CANCELLED;
    }
    if (code == FLT_OK)
        store_empty_trash(g, call);
    (void) close(lock);
    return code;
}

/* FLT_OK when the instance runs; else why it cannot be reached. */
static int32_t find_running(struct flt_group *g, flt_call *call, const char *id,
                            struct local_instance *ret)
{
    int64_t wait_ms;

    if (!store_find(g, id, ret))
        return flt_failf(g->host, call, FLT_E_NOT_FOUND, 0, "there is no instance '%.64s'", id);
    switch (machine_state(g, ret)) {
    case FLT_STATE_RUNNING:
        return FLT_OK;
    case FLT_STATE_CREATING:
        wait_ms = ret->ready_ms - clock_boot_ms();
        return flt_failf(g->host, call, FLT_E_NOT_READY, wait_ms > 0 ? wait_ms : 1000,
                         "instance %s is booting", id);
    case FLT_STATE_TIMEOUT:
        return flt_failf(g->host, call, FLT_E_UNHEALTHY, 0, "instance %s never booted", id);
    default:
        return flt_failf(g->host, call, FLT_E_NOT_FOUND, 0, "instance %s is gone", id);
    }
}

static const char *go_arch(const char *machine)
{
    static const char *const names[][2] = {
        { "x86_64", "amd64" }, { "aarch64", "arm64" }, { "i686", "386" }, { "armv7l", "arm" }
    };

    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
        if (strcmp(machine, names[i][0]) == 0)
            return names[i][1];
    return machine;
}

/* Cuts "type base64 comment" into its words. */
static bool split_public_key(char *line, struct flt_host_key *ret)
{
    char *key = strchr(line, ' ');

    if (!key)
        return false;
    *key++ = '\0';
    key[strcspn(key, " \n")] = '\0';
    *ret = (struct flt_host_key) { .struct_size = sizeof(*ret), .type = line, .key = key };
    return *line && *key;
}

static int32_t local_connect_info(flt_group *g, flt_call *call, const char *id,
                                  flt_connect_sink sink, void *arg)
{
    char key[KEY_MAX], public_key[1024];
    struct flt_host_key host_key;
    struct local_instance in;
    struct utsname system;
    int32_t code = find_running(g, call, id, &in);
    int fd;

    if (code != FLT_OK)
        return code;
    fd = open_dir_at(g->instances_fd, id);
    if (fd < 0 || uname(&system) < 0 || read_small(fd, "login_key", key, sizeof(key)) <= 0 ||
        read_small(fd, "host_key.pub", public_key, sizeof(public_key)) <= 0 ||
        !split_public_key(public_key, &host_key)) {
        code = flt_failf(g->host, call, FLT_E_UNHEALTHY, 0,
                         "instance %s: its keys cannot be read: %m", id);
    } else {
        struct flt_connect_info info = {
            .struct_size = sizeof(info),
            .port = in.port,
            .protocol = "ssh",
            .os = "linux",
            .arch = go_arch(system.machine),
            .address = "127.0.0.1",
            .username = g->username,
            .key = key,
            .host_keys = &host_key,
            .n_host_keys = 1,
        };

        code = sink(arg, &info) == 0 ? FLT_OK : FLT_E_CANCELLED;
    }
    explicit_bzero(key, sizeof(key));
    if (fd >= 0)
        (void) close(fd);
    return code;
}

/* Connects, and waits for that beside the call's cancel descriptor. */
static int32_t knock(struct flt_group *g, flt_call *call, const struct local_instance *in)
{
    struct sockaddr_in address = { .sin_family = AF_INET,
                                   .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
                                   .sin_port = htons(in->port) };
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    struct pollfd fds[2] = { { .fd = fd, .events = POLLOUT },
                             { .fd = g->host->cancel_fd(call), .events = POLLIN } };
    int64_t left = g->host->time_left_ms(call);
    int error = 0;
    socklen_t len = sizeof(error);
    int32_t code = FLT_OK;

    if (fd < 0)
        return flt_failf(g->host, call, FLT_E_UNAVAILABLE, 0, "socket: %m");
    if (connect(fd, (struct sockaddr *) &address, sizeof(address)) < 0 && errno != EINPROGRESS)
        error = errno;
    else if (poll(fds, 2, left < KNOCK_TIME_MS ? (int) left : KNOCK_TIME_MS) <= 0)
        error = ETIMEDOUT;
    else if (fds[0].revents == 0)
        code = g->host->fail(call, FLT_E_CANCELLED, 0, "cancelled");
    else if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &len) < 0)
        error = errno;
    (void) close(fd);
    if (error != 0)
        code = flt_failf(g->host, call, FLT_E_UNHEALTHY, 0, "instance %s: port %u: %s", in->id,
                         (unsigned) in->port, strerror(error));
    return code;
}

static int32_t local_heartbeat(flt_group *g, flt_call *call, const char *id)
{
    struct local_instance in;
    int32_t code = find_running(g, call, id, &in);

    if (code == FLT_E_NOT_FOUND)
        return flt_failf(g->host, call, FLT_E_UNHEALTHY, 0, "instance %.64s is gone", id);
    /* Nobody can be asked yet; "not ready" is no answer of a heartbeat. */
    if (code == FLT_E_NOT_READY)
        return flt_failf(g->host, call, FLT_E_UNAVAILABLE, 0, "instance %.64s is booting", id);
    return code == FLT_OK ? knock(g, call, &in) : code;
}

static int32_t local_signals(flt_group *g, flt_call *call, flt_signal_sink sink, void *arg)
{
    return signals_emit(g, call, sink, arg);
}

static int32_t local_config_keys(flt_key_sink sink, void *arg)
{
    return options_describe(sink, arg);
}

static const struct flt_provider local_provider = {
    .magic = FLT_PROVIDER_MAGIC,
    .struct_size = sizeof(struct flt_provider),
    .abi_minor = FLT_ABI_MINOR,
    .abi_minor_needed = 0,
    .name = "local",
    .version = FLOTILLA_VERSION,
    .capabilities =
        FLT_CAP_HEARTBEAT | FLT_CAP_SIGNALS | FLT_CAP_CONFIG_KEYS | FLT_CAP_THIS_MACHINE,
    .open = local_open,
    .close = local_close,
    .list = local_list,
    .increase = local_increase,
    .decrease = local_decrease,
    .connect_info = local_connect_info,
    .heartbeat = local_heartbeat,
    .signals = local_signals,
    .config_keys = local_config_keys,
};

const struct flt_provider *flotilla_provider_v1(void)
{
    return &local_provider;
}
