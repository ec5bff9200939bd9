/* core/cli/control_client.c - one question to the supervisor over its control socket. */
#include "core/cli/control_client.h"

#include <errno.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "core/base/frame.h"
#include "core/base/mem.h"
#include "core/base/str.h"
#include "core/cli/cli.h"
#include "core/config/config.h"
#include "core/supervisor/supervisor.h"

char *control_state_dir(const char *state_dir, const char *config_file, struct error *err)
{
    const char *file = config_file ? config_file : cli_default_config();
    autofree char *configured = NULL;
    char *dir;
    int r = 0;

    if (!state_dir) {
        r = config_load_state_dir(file, &configured, err);
        state_dir = configured;
    }
    if (r < 0 && (config_file || r != -ENOENT))
        return NULL;
    dir = state_dir ? mem_strdup(state_dir) : supervisor_default_state_dir();
    if (!dir)
        (void) error_set(err, -ENOMEM, "out of memory");
    return dir;
}

static int connect_to(const char *state_dir, struct error *err)
{
    struct sockaddr_un address = { .sun_family = AF_UNIX };
    autofree char *path = mem_printf("%s/control.sock", state_dir);
    autoclose int fd = -1;

    if (!path)
        return error_set(err, -ENOMEM, "control socket: out of memory");
    if (str_copy(address.sun_path, sizeof(address.sun_path), path) < 0)
        return error_set(err, -ENAMETOOLONG, "control socket %s: the path is too long", path);
    fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return error_errno(err, -errno, "control socket");
    if (connect(fd, (struct sockaddr *) &address, sizeof(address)) < 0)
        return error_errno(err, -errno,
                           "no flotilla answers at %s (is `flotilla run` running with this state "
                           "directory?)",
                           path);
    return take_fd(&fd);
}

int control_ask(const char *state_dir, json_t *request, int timeout_ms, json_t **ret, int *ret_fd,
                struct error *err)
{
    autoclose int fd = connect_to(state_dir, err), passed = -1;
    struct frame_decoder decoder;
    autojson json_t *answer = NULL;
    const char *type = "", *message = "";
    int r;

    if (fd < 0)
        return fd;
    r = frame_send(fd, request, FRAME_MAX_OPERATOR, timeout_ms, err);
    if (r < 0)
        return r;
    frame_decoder_init(&decoder, FRAME_MAX_ANSWER);
    decoder.passed = &passed;
    r = frame_recv(fd, &decoder, timeout_ms, &answer, err);
    frame_decoder_done(&decoder);
    if (r == 0)
        return error_set(err, -EPIPE, "the supervisor closed the connection without an answer");
    if (r < 0)
        return r;
    (void) json_opt_str(answer, "type", &type, NULL);
    (void) json_opt_str(answer, "message", &message, NULL);
    if (str_eq(type, "error"))
        return error_set(err, -EINVAL, "%s", message);
    *ret = take_ptr(answer);
    if (ret_fd)
        *ret_fd = take_fd(&passed);
    return 0;
}
