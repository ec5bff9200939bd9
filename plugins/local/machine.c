/* machine.c - one instance: making it, starting its sshd, and saying in which state it is.
 *
 * The directory is filled and sshd started before meta.json is written: that rename is the moment
 * at which the instance exists. sshd puts itself into the background, so that it belongs to nobody
 * here and outlives the provider worker and the supervisor, as a machine in a cloud would.
 */

#include "local.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#define START_TIME_MS 10000
#define PORT_TRIES 16
#define ARGS_MAX 16

/* Every session begins in the instance's own home, with the umask that a login has and not that of
 * flotilla, which sshd inherits; then as sshd itself would have done. */
static const char session_script[] = "umask 022\n"
                                     "cd \"$HOME\" || exit 255\n"
                                     "unset OLDPWD\n"
                                     "if [ -n \"$SSH_ORIGINAL_COMMAND\" ]; then\n"
                                     "    command=$SSH_ORIGINAL_COMMAND\n"
                                     "    unset SSH_ORIGINAL_COMMAND\n"
                                     "    exec \"${SHELL:-/bin/sh}\" -c \"$command\"\n"
                                     "fi\n"
                                     "exec \"${SHELL:-/bin/sh}\" -l\n";

/* failure = "dies", and interruptions: waits in the background and pulls the plug, whether anybody asks or not. What
 * it misses is ended by the next list. Arguments: seconds, the instance's id, its directory. */
static const char lifetime_script[] =
    "exec </dev/null >/dev/null 2>&1\n"
    "sleep \"$1\"\n"
    "end_tree() {\n"
    "    kill -STOP \"$1\"\n"
    "    for status in $(grep -ls \"^PPid:[[:space:]]*$1\\$\" /proc/[0-9]*/status); do\n"
    "        child=${status#/proc/}\n"
    "        (end_tree \"${child%/status}\")\n"
    "    done\n"
    "    kill -KILL \"$1\"\n"
    "}\n"
    "listener=$(cat \"$3/sshd.pid\")\n"
    "if grep -aqs \"/$2/sshd_config\" \"/proc/$listener/cmdline\"; then\n"
    "    end_tree \"$listener\"\n"
    "fi\n"
    "for environ in $(grep -als \"" LOCAL_MARK "=$2\" /proc/[0-9]*/environ); do\n"
    "    pid=${environ#/proc/}\n"
    "    pid=${pid%/environ}\n"
    "    [ \"$pid\" = $$ ] || kill -KILL \"$pid\"\n"
    "done\n";

/* What sshd_config is made from. Paths hold nothing that needs escaping: path_is_usable(). */
static const char config_format[] = "ListenAddress 127.0.0.1\n"
                                    "Port %u\n"
                                    "HostKey \"%s/host_key\"\n"
                                    "PidFile \"%s/sshd.pid\"\n"
                                    "AuthorizedKeysFile \"%s/login_key.pub\"\n"
                                    "SetEnv HOME=\"%s/home\" " LOCAL_MARK "=%s\n"
                                    "ForceCommand /bin/sh '%s/session'\n"
                                    "AllowUsers %s\n"
                                    "PermitRootLogin prohibit-password\n"
                                    "PubkeyAuthentication yes\n"
                                    "PasswordAuthentication no\n"
                                    "KbdInteractiveAuthentication no\n"
                                    "UsePAM no\n"
                                    "UseDNS no\n"
                                    "StrictModes no\n"
                                    "PermitUserRC no\n"
                                    "PrintMotd no\n"
                                    "PrintLastLog no\n"
                                    "X11Forwarding no\n"
                                    "MaxAuthTries 20\n"
                                    "MaxStartups 1000\n"
                                    "MaxSessions 1000\n"
                                    "ClientAliveInterval 30\n"
                                    "%s";

struct output {
    char *text;
    size_t len, size;
};

bool find_program(const char *name, char *ret, size_t size)
{
    static const char usual[] = "/usr/sbin:/usr/bin:/sbin:/bin:/usr/local/sbin:/usr/local/bin";
    const char *env = getenv("PATH");
    const char *lists[] = { usual, env ? env : "" };

    for (size_t i = 0; i < 2; i++)
        for (const char *p = lists[i]; *p;) {
            size_t len = strcspn(p, ":");
            struct stat st;

            if (*p == '/' && (size_t) snprintf(ret, size, "%.*s/%s", (int) len, p, name) < size &&
                stat(ret, &st) == 0 && S_ISREG(st.st_mode) && access(ret, X_OK) == 0)
                return true;
            p += len;
            p += *p == ':';
        }
    *ret = '\0';
    return false;
}

static int32_t on_output(void *arg, const void *data, uint32_t len)
{
    struct output *out = arg;
    size_t take = out->size - 1 - out->len;

    if (take > len)
        take = len;
    memcpy(out->text + out->len, data, take);
    out->len += take;
    out->text[out->len] = '\0';
    return 0;
}

/* Through a shell only to join the streams: host->run() gives standard output alone, and programs
 * say on the other why they fail. */
int32_t machine_run(struct flt_group *g, flt_call *call, const char *const *argv, char *output,
                    size_t size)
{
    const char *all[ARGS_MAX + 5] = { "/bin/sh", "-c", "exec \"$@\" 2>&1", "sh" };
    struct output out = { .text = output, .size = size };

    output[0] = '\0';
    for (size_t i = 0; argv[i] && i < ARGS_MAX; i++)
        all[4 + i] = argv[i];
    return g->host->run(call, all, on_output, &out);
}

/* Runs a program whose failure ends the call. */
static int32_t run_checked(struct flt_group *g, flt_call *call, const char *const *argv)
{
    char output[512];
    int32_t status = machine_run(g, call, argv, output, sizeof(output));

    if (status == 0)
        return FLT_OK;
    if (status < 0)
        return flt_failf(g->host, call, status, 0, "%s could not be run: %s", argv[0], output);
    return flt_failf(g->host, call, FLT_E_INTERNAL, 0, "%s failed with status %d: %s", argv[0],
                     (int) status, output);
}

static int32_t make_key(struct flt_group *g, flt_call *call, const char *dir, const char *name)
{
    char path[LOCAL_FILE_MAX];
    const char *const argv[] = { g->keygen, "-q", "-t", "ed25519", "-N", "",
                                 "-C",      name, "-f", path,      NULL };

    (void) snprintf(path, sizeof(path), "%s/%s", dir, name);
    return run_checked(g, call, argv);
}

/* A port that is free now; another process may take it before sshd does, and start_sshd() then asks
 * again. Ports of the group's other instances are never given out, even when their sshd is dead. */
static uint16_t find_port(const struct local_instances *others)
{
    for (int i = 0; i < PORT_TRIES; i++) {
        struct sockaddr_in address = { .sin_family = AF_INET,
                                       .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
        socklen_t len = sizeof(address);
        int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        bool ok = fd >= 0 && bind(fd, (struct sockaddr *) &address, len) == 0 &&
                  getsockname(fd, (struct sockaddr *) &address, &len) == 0;
        uint16_t port = ntohs(address.sin_port);

        if (fd >= 0)
            (void) close(fd);
        for (size_t j = 0; ok && j < others->n; j++)
            ok = others->items[j].port != port;
        if (ok)
            return port;
    }
    return 0;
}

static int32_t write_config(struct flt_group *g, flt_call *call, int dir_fd, const char *dir,
                            const struct local_instance *in)
{
    char text[8 * LOCAL_PATH_MAX];
    int len = snprintf(text, sizeof(text), config_format, (unsigned) in->port, dir, dir, dir, dir,
                       in->id, dir, g->username, g->has_penalties ? "PerSourcePenalties no\n" : "");

    if (len < 0 || (size_t) len >= sizeof(text) ||
        write_small(dir_fd, "sshd_config", text, 0600) < 0)
        return flt_failf(g->host, call, FLT_E_INTERNAL, 0, "%s/sshd_config: %m", dir);
    return FLT_OK;
}

static pid_t read_pid(int dir_fd)
{
    char text[32];
    int64_t pid;

    if (read_small(dir_fd, "sshd.pid", text, sizeof(text)) < 0 ||
        !number_parse(text, INT32_MAX, &pid))
        return 0;
    return pid > 1 ? (pid_t) pid : 0;
}

/* sshd writes its pid file once it listens. Sets *ret_taken when its port was taken meanwhile. */
static int32_t wait_listening(struct flt_group *g, flt_call *call, int dir_fd, const char *id,
                              bool *ret_taken)
{
    int64_t until = clock_boot_ms() + START_TIME_MS;
    char log[4096] = "";
    int32_t code;

    *ret_taken = false;
    while (!process_is_listener(read_pid(dir_fd), id)) {
        *ret_taken = read_small(dir_fd, "sshd.log", log, sizeof(log)) > 0 &&
                     strstr(log, "Cannot bind any address") != NULL;
        if (*ret_taken)
            return FLT_OK;
        if (clock_boot_ms() > until)
            return flt_failf(g->host, call, FLT_E_INTERNAL, 0,
                             "%s does not begin to listen; its log: %.800s", g->sshd, log);
        code = call_wait(g->host, call, 2);
        if (code != FLT_OK)
            return code;
    }
    return FLT_OK;
}

static int32_t start_sshd(struct flt_group *g, flt_call *call, int dir_fd, const char *dir,
                          const struct local_instances *others, struct local_instance *in)
{
    char config[LOCAL_FILE_MAX], log[LOCAL_FILE_MAX];
    const char *const argv[] = { g->sshd, "-f", config, "-E", log, NULL };
    bool taken = true;
    int32_t code;

    (void) snprintf(config, sizeof(config), "%s/sshd_config", dir);
    (void) snprintf(log, sizeof(log), "%s/sshd.log", dir);
    for (int i = 0; taken && i < PORT_TRIES; i++) {
        in->port = find_port(others);
        if (in->port == 0)
            break;
        (void) unlinkat(dir_fd, "sshd.log", 0);
        if ((code = write_config(g, call, dir_fd, dir, in)) != FLT_OK ||
            (code = run_checked(g, call, argv)) != FLT_OK ||
            (code = wait_listening(g, call, dir_fd, in->id, &taken)) != FLT_OK)
            return code;
    }
    if (taken)
        return flt_failf(g->host, call, FLT_E_UNAVAILABLE, 1000,
                         "no free port on 127.0.0.1 for an instance");
    return FLT_OK;
}

static int32_t start_lifetime(struct flt_group *g, flt_call *call, int dir_fd, const char *dir,
                              const struct local_instance *in)
{
    int64_t ms = in->end_ms - clock_boot_ms();
    char mark[64], seconds[32], script[LOCAL_FILE_MAX];
    const char *const argv[] = { g->env, mark,    g->setsid, "-f", "/bin/sh",
                                 script, seconds, in->id,    dir,  NULL };

    if (ms < 0)
        ms = 0;
    (void) snprintf(mark, sizeof(mark), LOCAL_MARK "=%s", in->id);
    (void) snprintf(seconds, sizeof(seconds), "%" PRId64 ".%03" PRId64, ms / 1000, ms % 1000);
    (void) snprintf(script, sizeof(script), "%s/lifetime", dir);
    if (write_small(dir_fd, "lifetime", lifetime_script, 0600) < 0)
        return flt_failf(g->host, call, FLT_E_INTERNAL, 0, "%s: %m", script);
    return run_checked(g, call, argv);
}

static void set_times(const struct flt_group *g, struct local_instance *in)
{
    int64_t now = clock_boot_ms();

    in->created_wall_ms = clock_wall_ms();
    in->ready_ms = now + g->options.boot_delay_ms;
    if (in->failure == LOCAL_FAILURE_NEVER_BOOTS)
        in->end_ms = now + g->options.boot_timeout_ms;
    else if (in->failure == LOCAL_FAILURE_DIES)
        in->end_ms = in->ready_ms + g->options.dies_after_ms;
}

static int32_t power_on(struct flt_group *g, flt_call *call, int dir_fd, const char *dir,
                        const struct local_instances *others, struct local_instance *in)
{
    int32_t code = start_sshd(g, call, dir_fd, dir, others, in);

    if (code == FLT_OK && in->failure == LOCAL_FAILURE_DIES)
        code = start_lifetime(g, call, dir_fd, dir, in);
    /* A stopped listener is what a hung machine looks like: the kernel still accepts, nobody
     * answers. */
    if (code == FLT_OK && in->failure == LOCAL_FAILURE_DEAD_END &&
        process_stop(read_pid(dir_fd), in->id) < 0)
        code = flt_failf(g->host, call, FLT_E_INTERNAL, 0, "%s: sshd cannot be stopped: %m", dir);
    return code;
}

static int32_t furnish(struct flt_group *g, flt_call *call, int dir_fd, const char *dir,
                       const struct local_instances *others, struct local_instance *in)
{
    int32_t code;

    if (mkdirat(dir_fd, "home", 0700) < 0 ||
        write_small(dir_fd, "session", session_script, 0600) < 0)
        return flt_failf(g->host, call, FLT_E_INTERNAL, 0, "%s: %m", dir);
    if ((code = make_key(g, call, dir, "host_key")) != FLT_OK ||
        (code = make_key(g, call, dir, "login_key")) != FLT_OK)
        return code;
    set_times(g, in);
    if (in->failure != LOCAL_FAILURE_NEVER_BOOTS)
        code = power_on(g, call, dir_fd, dir, others, in);
    if (code == FLT_OK && store_commit(g, dir_fd, in) < 0)
        code = flt_failf(g->host, call, FLT_E_INTERNAL, 0, "%s/meta.json: %m", dir);
    return code;
}

static int make_id(char ret[LOCAL_ID_LEN + 1])
{
    uint64_t number;

    if (getrandom(&number, sizeof(number), 0) != (ssize_t) sizeof(number))
        return -1;
    (void) snprintf(ret, LOCAL_ID_LEN + 1, LOCAL_ID_PREFIX "%016" PRIx64, number);
    return 0;
}

int32_t machine_create(struct flt_group *g, flt_call *call, const struct local_instances *others,
                       struct local_instance *ret)
{
    struct local_instance in = { .failure = g->options.failure, .epoch = g->host->epoch(call) };
    const char *request_id = g->host->request_id(call);
    char dir[LOCAL_DIR_MAX];
    int32_t code;
    int fd;

    (void) snprintf(in.request_id, sizeof(in.request_id), "%s", request_id ? request_id : "");
    (void) snprintf(in.boot_id, sizeof(in.boot_id), "%s", g->boot_id);
    if (make_id(in.id) < 0 || mkdirat(g->instances_fd, in.id, 0700) < 0 ||
        (fd = open_dir_at(g->instances_fd, in.id)) < 0)
        return flt_failf(g->host, call, FLT_E_INTERNAL, 0, "%s/instances: %m", g->dir);
    (void) snprintf(dir, sizeof(dir), "%s/instances/%s", g->dir, in.id);
    code = furnish(g, call, fd, dir, others, &in);
    (void) close(fd);
    if (code == FLT_OK)
        *ret = in;
    return code;
}

bool machine_is_up(struct flt_group *g, const char *id)
{
    int fd = open_dir_at(g->instances_fd, id);
    bool up;

    if (fd < 0)
        return false;
    up = process_is_listener(read_pid(fd), id);
    (void) close(fd);
    return up;
}

int32_t machine_state(struct flt_group *g, const struct local_instance *in)
{
    int64_t now = clock_boot_ms();

    if (in->deleting)
        return FLT_STATE_DELETING;
    if (strcmp(in->boot_id, g->boot_id) != 0)
        return FLT_STATE_DELETED;
    if (in->failure == LOCAL_FAILURE_NEVER_BOOTS)
        return now < in->end_ms ? FLT_STATE_CREATING : FLT_STATE_TIMEOUT;
    if (now < in->ready_ms)
        return FLT_STATE_CREATING;
    if ((in->failure == LOCAL_FAILURE_DIES && now >= in->end_ms) || !machine_is_up(g, in->id))
        return FLT_STATE_DELETED;
    return FLT_STATE_RUNNING;
}

int32_t machine_arm(struct flt_group *g, flt_call *call, const struct local_instance *in)
{
    char dir[LOCAL_DIR_MAX];
    int fd = open_dir_at(g->instances_fd, in->id);
    int32_t code;

    if (fd < 0)
        return flt_failf(g->host, call, FLT_E_INTERNAL, 0, "instance %s: %m", in->id);
    (void) snprintf(dir, sizeof(dir), "%s/instances/%s", g->dir, in->id);
    code = start_lifetime(g, call, fd, dir, in);
    if (code == FLT_OK && store_commit(g, fd, in) < 0)
        code = flt_failf(g->host, call, FLT_E_INTERNAL, 0, "%s/meta.json: %m", dir);
    (void) close(fd);
    return code;
}
