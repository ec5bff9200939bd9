/* core/cli/plugin_inspect.c - a provider worker of our own loads the plugin, answers and ends. */
#include "core/cli/plugin_inspect.h"

#include <errno.h>
#include <fcntl.h>
#include <flotilla/provider.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include "core/base/clock.h"
#include "core/base/environment.h"
#include "core/base/frame.h"
#include "core/base/json.h"
#include "core/cli/cli.h"

#define LOAD_TIMEOUT_MS 10000
#define LINK_FD 3 /* docs/design/processes.md */

/* The plugin's words, if it prints any, are not our output. */
static void silence(void)
{
    static const struct rlimit no_core = { 0, 0 };
    int null = open("/dev/null", O_RDWR | O_CLOEXEC);

    if (null >= 0) {
        (void) dup2(null, 1);
        (void) dup2(null, 2);
    }
    (void) setrlimit(RLIMIT_CORE, &no_core);
}

/* A fresh process: nothing of what we hold in memory, tokens of a configuration say, is in it. */
static _Noreturn void become_worker(int link)
{
    static const char *const loaders[] = { "LD_", NULL };
    static char name[] = "flotilla", command[] = "provider";
    char *const argv[] = { name, command, NULL };
    char **environment = environment_without(loaders);

    silence();
    if (environment &&
        (link == LINK_FD ? fcntl(link, F_SETFD, 0) == 0 : dup2(link, LINK_FD) == LINK_FD))
        (void) execve(cli_self_exe(), argv, environment);
    _exit(127);
}

static int ask(int link, const char *question, const char *file, struct error *err)
{
    autojson json_t *request = json_frame(question);

    if (!request || json_add_i64(request, "id", 1) < 0 || json_add_str(request, "file", file) < 0 ||
        json_add_i64(request, "deadline_ms", LOAD_TIMEOUT_MS) < 0)
        return error_set(err, -ENOMEM, "out of memory");
    return frame_send(link, request, FRAME_MAX_LINK, LOAD_TIMEOUT_MS, err);
}

/* Log lines may come before the reply; a plugin that sends them for ever is out of time, too. */
static int receive(int link, json_t **ret, struct error *err)
{
    int64_t end = clock_mono_ms(&clock_system) + LOAD_TIMEOUT_MS;
    struct frame_decoder decoder;
    int r;

    frame_decoder_init(&decoder, FRAME_MAX_LINK);
    do {
        int64_t left = end - clock_mono_ms(&clock_system);

        json_object_put(*ret);
        *ret = NULL;
        r = left > 0 ? frame_recv(link, &decoder, (int) left, ret, err)
                     : error_set(err, -ETIMEDOUT, "no answer");
    } while (r == 1 && !json_object_object_get_ex(*ret, "id", NULL));
    frame_decoder_done(&decoder);
    return r;
}

/* Why no answer came, from how the child ended. */
static int explain_end(const char *file, int received, int status, struct error *err)
{
    if (received == -ETIMEDOUT)
        return error_set(err, FLT_E_ABI, "%s: did not load within %d s", file,
                         LOAD_TIMEOUT_MS / 1000);
    if (WIFSIGNALED(status))
        return error_set(err, FLT_E_ABI, "%s: crashed with signal %d while it was loaded", file,
                         WTERMSIG(status));
    return error_set(err, FLT_E_ABI, "%s: ended its process with status %d while it was loaded",
                     file, WEXITSTATUS(status));
}

/* `question` is the request's type. */
static int inspect(const char *question, const char *file, json_t **ret, struct error *err)
{
    autojson json_t *reply = NULL;
    autoclose int ours = -1;
    const char *message = "";
    int64_t code = 0;
    int fds[2], status = 0, r;
    pid_t pid;

    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) < 0)
        return error_errno(err, -errno, "socketpair");
    ours = fds[0];
    pid = fork();
    if (pid == 0) {
        (void) close(ours);
        become_worker(fds[1]);
    }
    (void) close(fds[1]);
    if (pid < 0)
        return error_errno(err, -errno, "fork");
    r = ask(ours, question, file, err);
    if (r == 0)
        r = receive(ours, &reply, err);
    if (r == -ETIMEDOUT)
        (void) kill(pid, SIGKILL);
    (void) shutdown(ours, SHUT_RDWR); /* the worker ends with its link */
    while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
        continue;
    if (r != 1)
        return explain_end(file, r, status, err);
    (void) json_opt_i64(reply, "code", INT32_MIN, 0, &code, NULL);
    (void) json_opt_str(reply, "message", &message, NULL);
    if (code != FLT_OK)
        return error_set(err, (int) code, "%s", message);
    *ret = take_ptr(reply);
    return 0;
}

int plugin_inspect(const char *file, json_t **ret, struct error *err)
{
    return inspect("inspect", file, ret, err);
}

int plugin_inspect_provider(const char *file, json_t **ret, struct error *err)
{
    return inspect("load", file, ret, err);
}
