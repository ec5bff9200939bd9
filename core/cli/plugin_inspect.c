/* core/cli/plugin_inspect.c - a child loads the plugin, answers with one frame and ends. */
#include "core/cli/plugin_inspect.h"

#include <errno.h>
#include <fcntl.h>
#include <flotilla/provider.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include "core/base/frame.h"
#include "core/base/str.h"
#include "core/provider/session.h"

#define LOAD_TIMEOUT_MS 10000

static void drop_log(void *arg, enum log_level level, const char *text)
{
    (void) arg;
    (void) level;
    (void) text;
}

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

static _Noreturn void answer(int link, const char *file)
{
    struct session *session = NULL;
    autojson json_t *request = json_frame("load"), *reply = NULL;

    silence();
    if (!request || session_new(drop_log, NULL, &session, NULL) < 0)
        _exit(1);
    (void) json_add_i64(request, "id", 1);
    (void) json_add_str(request, "file", file);
    reply = session_run(session, request);
    _exit(reply && frame_send(link, reply, FRAME_MAX_LINK, LOAD_TIMEOUT_MS, NULL) == 0 ? 0 : 1);
}

static int receive(int link, json_t **ret, struct error *err)
{
    struct frame_decoder decoder;
    int r;

    frame_decoder_init(&decoder, FRAME_MAX_LINK);
    r = frame_recv(link, &decoder, LOAD_TIMEOUT_MS, ret, err);
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

int plugin_inspect(const char *file, json_t **ret, struct error *err)
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
        answer(fds[1], file);
    }
    (void) close(fds[1]);
    if (pid < 0)
        return error_errno(err, -errno, "fork");
    r = receive(ours, &reply, err);
    if (r == -ETIMEDOUT)
        (void) kill(pid, SIGKILL);
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
