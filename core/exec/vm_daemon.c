/* core/exec/vm_daemon.c - see vm_daemon.h. What it writes on its standard error goes to a file in its folder: on a terminal it
 * would spoil the board, and its last line is why it ended. */
#include "core/exec/vm_daemon.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core/base/buf.h"
#include "core/base/clock.h"
#include "core/base/fs.h"
#include "core/base/json.h"
#include "core/base/mem.h"
#include "core/base/str.h"
#include "core/exec/child.h"

#define PROGRAM "flotilla-nesting"
#define START_MS 30000
#define STOP_MS 15000
#define LOOK_MS 20
#define LOG_MAX ((size_t) 1 << 20)
#define LINE_SHOWN 200

extern char **environ;

struct vm_daemon {
    struct vm_daemon_options options;
    uv_process_t process;
    uv_timer_t patience;
    char *program, *socket, *log;
    unsigned handles; /* that are open */
    bool has_process, stopping;
};

/* Beside our own program where both are installed, in a folder of its own where both were built. */
static char *find_program(const char *self_exe)
{
    static const char *const places[] = { PROGRAM, "../nestingd/" PROGRAM };
    const char *slash = strrchr(self_exe, '/');

    for (size_t i = 0; slash && i < ARRAY_LEN(places); i++) {
        autofree char *path = mem_printf("%.*s/%s", (int) (slash - self_exe), self_exe, places[i]);

        if (path && access(path, X_OK) == 0)
            return take_ptr(path);
    }
    return mem_strdup(PROGRAM);
}

static bool is_in_path(const char *name)
{
    const char *path = getenv("PATH");

    for (const char *part = path; part; part = strchr(part, ':')) {
        autofree char *file = NULL;

        part += *part == ':';
        file = mem_printf("%.*s/%s", (int) strcspn(part, ":"), part, name);
        if (file && access(file, X_OK) == 0)
            return true;
    }
    return false;
}

/* Settings may name them elsewhere. */
static int check_programs(const struct vm_daemon_options *options, struct error *err)
{
    static const struct {
        const char *name, *package;
    } needed[] = { { "qemu-system-x86_64", "qemu-system-x86" }, { "qemu-img", "qemu-utils" } };

    for (size_t i = 0; !options->settings && i < ARRAY_LEN(needed); i++)
        if (!is_in_path(needed[i].name))
            return error_set(err, -ENOENT,
                             "%s, which runs VMs, is not in PATH: install it (Debian: apt-get "
                             "install %s)",
                             needed[i].name, needed[i].package);
    return 0;
}

/* The last line of its log, for people. */
static void add_last_line(const struct vm_daemon *daemon, struct buf *out)
{
    autobuf struct buf text = BUF_INIT;
    const char *line;

    if (fs_read_file(AT_FDCWD, daemon->log, LOG_MAX, &text, NULL) < 0)
        return;
    while (text.len > 0 && text.data[text.len - 1] == '\n')
        text.len--;
    line = text.len > 0 ? memrchr(text.data, '\n', text.len) : NULL;
    line = line ? line + 1 : buf_str(&text);
    str_display(out, line, text.len - (size_t) (line - text.data), LINE_SHOWN);
}

static void why_it_ended(const struct vm_daemon *daemon, struct buf *out)
{
    autobuf struct buf line = BUF_INIT;

    add_last_line(daemon, &line);
    buf_addf(out, "%s", line.len > 0 ? buf_str(&line) : PROGRAM " ended without a word");
}

static void on_closed(uv_handle_t *handle)
{
    struct vm_daemon *daemon = handle->data;

    if (--daemon->handles > 0)
        return;
    free(daemon->program);
    free(daemon->socket);
    free(daemon->log);
    free(daemon);
}

static void close_handles(struct vm_daemon *daemon)
{
    uv_close((uv_handle_t *) &daemon->patience, on_closed);
    if (daemon->has_process)
        uv_close((uv_handle_t *) &daemon->process, on_closed);
}

static void on_exit_of(uv_process_t *process, int64_t status, int signum)
{
    struct vm_daemon *daemon = process->data;
    autobuf struct buf why = BUF_INIT;

    (void) status;
    (void) signum;
    if (daemon->stopping) {
        close_handles(daemon);
        return;
    }
    why_it_ended(daemon, &why);
    daemon->options.on_end(daemon->options.arg, buf_str(&why));
}

/* The strings are borrowed but for the last. */
static char **environment(const char *socket, char **ret_own)
{
    size_t count = 2, at = 0;
    char **list;

    for (char **item = environ; *item; item++)
        count++;
    list = mem_array(count, sizeof(*list));
    *ret_own = mem_printf("NESTING_SOCKET=%s", socket);
    if (!list || !*ret_own) {
        free(list);
        return NULL;
    }
    for (char **item = environ; *item; item++)
        if (!str_starts(*item, "NESTING_SOCKET="))
            list[at++] = *item;
    list[at] = *ret_own;
    return list;
}

static int spawn(uv_loop_t *loop, struct vm_daemon *daemon, int log_fd, struct error *err)
{
    const struct vm_daemon_options *options = &daemon->options;
    autofree char *state = mem_printf("%s/state", options->folder);
    autofree char *own = NULL;
    autofree char **env = environment(daemon->socket, &own);
    char config[] = "-config";
    char *args[] = { daemon->program,
                     (char[]) { "serve" },
                     (char[]) { "-hypervisor" },
                     (char[]) { "qemu" },
                     (char[]) { "-state" },
                     state,
                     options->settings ? config : NULL,
                     (char *) (uintptr_t) options->settings,
                     NULL };
    uv_stdio_container_t stdio[] = { { .flags = UV_IGNORE },
                                     { .flags = UV_INHERIT_FD, .data.fd = log_fd },
                                     { .flags = UV_INHERIT_FD, .data.fd = log_fd } };
    /* A session of its own: Ctrl-C is for us, who still need it to remove VMs. */
    const uv_process_options_t process = { .file = daemon->program,
                                           .args = args,
                                           .env = env,
                                           .flags = UV_PROCESS_DETACHED,
                                           .exit_cb = on_exit_of,
                                           .stdio = stdio,
                                           .stdio_count = ARRAY_LEN(stdio) };
    int r;

    if (!env || !state)
        return error_set(err, -ENOMEM, "out of memory");
    daemon->handles++;
    daemon->has_process = true;
    r = uv_spawn(loop, &daemon->process, &process);
    if (r == UV_ENOENT)
        return error_set(err, -ENOENT,
                         "flotilla-nesting, which makes VMs, is neither beside %s nor in PATH",
                         options->self_exe);
    return r < 0 ? error_set(err, r, "%s can't be started: %s", daemon->program, uv_strerror(r))
                 : 0;
}

static bool listens(const char *path)
{
    struct sockaddr_un address = { .sun_family = AF_UNIX };
    autoclose int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

    return fd >= 0 && str_copy(address.sun_path, sizeof(address.sun_path), path) == 0 &&
           connect(fd, (struct sockaddr *) &address, sizeof(address)) == 0;
}

/* It is left for the loop to collect. */
static bool has_ended(pid_t pid)
{
    siginfo_t info = { 0 };

    return waitid(P_PID, (id_t) pid, &info, WEXITED | WNOHANG | WNOWAIT) == 0 && info.si_pid == pid;
}

static int wait_until_it_listens(const struct vm_daemon *daemon, struct error *err)
{
    int64_t deadline = clock_mono_ms(&clock_system) + START_MS;
    autobuf struct buf why = BUF_INIT;

    while (!listens(daemon->socket)) {
        if (has_ended(daemon->process.pid)) {
            why_it_ended(daemon, &why);
            return error_set(err, -EPIPE, "%s", buf_str(&why));
        }
        if (clock_mono_ms(&clock_system) > deadline)
            return error_set(err, -ETIMEDOUT, PROGRAM " does not listen at %s", daemon->socket);
        (void) poll(NULL, 0, LOOK_MS);
    }
    return 0;
}

static int write_settings(const struct vm_daemon *daemon, const char *path, struct error *err)
{
    autojson json_t *settings = json_object_new_object();
    autoclose int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
    const char *text;
    int r = json_add_str(settings, "image_directory", daemon->options.image_directory);

    if (r < 0 || fd < 0)
        return error_errno(err, r < 0 ? -ENOMEM : -errno, "%s", path);
    text = json_text(settings);
    r = fs_write_all(fd, text, strlen(text));
    return r < 0 ? error_errno(err, r, "%s", path) : 0;
}

/* What a client of the daemon says first; it looks then whether all is there that VMs need. A worker would be told the
 * same, and try again for as long as the instance may take to become ready. */
static int begin(const struct vm_daemon *daemon, struct error *err)
{
    autofree char *settings = mem_printf("%s/settings.json", daemon->options.folder);
    autofree char *own = NULL;
    autofree char **env = environment(daemon->socket, &own);
    autobuf struct buf words = BUF_INIT;
    const char *const argv[] = { daemon->program, "init", "-config", settings, NULL };
    const struct child child = { argv, (const char *const *) env, 0 };
    int r;

    if (!settings || !env)
        return error_set(err, -ENOMEM, "out of memory");
    r = write_settings(daemon, settings, err);
    if (r < 0)
        return r;
    r = child_run(&child, NULL, &words);
    if (r < 0)
        return error_errno(err, r, PROGRAM " init");
    return r > 0 ? error_set(err, -EREMOTEIO, "%s", buf_str(&words)) : 0;
}

static int start(uv_loop_t *loop, struct vm_daemon *daemon, struct error *err)
{
    autoclose int log_fd = -1;
    int r;

    daemon->program = find_program(daemon->options.self_exe);
    daemon->socket = mem_printf("%s/nesting.sock", daemon->options.folder);
    daemon->log = mem_printf("%s/log", daemon->options.folder);
    if (!daemon->program || !daemon->socket || !daemon->log)
        return error_set(err, -ENOMEM, "out of memory");
    r = check_programs(&daemon->options, err);
    if (r == 0)
        r = fs_mkdirs(daemon->options.folder, 0700, err);
    if (r < 0)
        return r;
    log_fd = open(daemon->log, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (log_fd < 0)
        return error_errno(err, -errno, "%s", daemon->log);
    r = spawn(loop, daemon, log_fd, err);
    if (r == 0)
        r = wait_until_it_listens(daemon, err);
    return r < 0 ? r : begin(daemon, err);
}

int vm_daemon_start(uv_loop_t *loop, const struct vm_daemon_options *options,
                    struct vm_daemon **ret, struct error *err)
{
    struct vm_daemon *daemon = mem_zero(sizeof(*daemon));
    int r;

    if (!daemon)
        return error_set(err, -ENOMEM, "out of memory");
    daemon->options = *options;
    daemon->handles = 1;
    daemon->process.data = daemon;
    daemon->patience.data = daemon;
    (void) uv_timer_init(loop, &daemon->patience);
    r = start(loop, daemon, err);
    if (r == 0) {
        *ret = daemon;
        return 0;
    }
    vm_daemon_stop(daemon);
    return r;
}

const char *vm_daemon_socket(const struct vm_daemon *daemon)
{
    return daemon->socket;
}

static void on_patience_ends(uv_timer_t *timer)
{
    struct vm_daemon *daemon = timer->data;

    (void) uv_process_kill(&daemon->process, SIGKILL);
}

void vm_daemon_stop(struct vm_daemon *daemon)
{
    if (!daemon)
        return;
    if (!daemon->has_process || !uv_is_active((uv_handle_t *) &daemon->process)) {
        close_handles(daemon);
        return;
    }
    daemon->stopping = true;
    (void) uv_process_kill(&daemon->process, SIGTERM);
    (void) uv_timer_start(&daemon->patience, on_patience_ends, STOP_MS, 0);
}
