/* nestingd/client.c - a call of the daemon, for the commands (commands.h). */
#include <errno.h>
#include <stdlib.h>

#include "core/base/fs.h"
#include "core/base/mem.h"
#include "core/base/str.h"
#include "nestingd/commands.h"
#include "nestingd/places.h"
#include "nestingd/socket.h"
#include "sdk/lib/grpc.h"
#include "sdk/lib/text.h"

/* As Go's clients name them. */
static const char *status_name(int status)
{
    static const char *const names[] = {
        "OK",
        "Canceled",
        "Unknown",
        "InvalidArgument",
        "DeadlineExceeded",
        "NotFound",
        "AlreadyExists",
        "PermissionDenied",
        "ResourceExhausted",
        "FailedPrecondition",
        "Aborted",
        "OutOfRange",
        "Unimplemented",
        "Internal",
        "Unavailable",
        "DataLoss",
        "Unauthenticated",
    };

    return names[status];
}

/* A manager does it by itself; who asks by hand may not know. */
static const char *what_to_do(const struct flt_grpc_answer *answer)
{
    return str_eq(answer->message, "not initialized") ? "; `flotilla-nesting init` comes first"
                                                      : "";
}

static int connect_to_daemon(int *ret_fd, struct error *err)
{
    autobuf struct buf path = BUF_INIT;
    int r = places_socket(&path, err);

    if (r < 0)
        return r;
    r = socket_connect(buf_str(&path), ret_fd, err);
    if (r == -ENOENT || r == -ECONNREFUSED)
        return error_wrap(err, r, "no daemon answers; start one with `flotilla-nesting serve`");
    return r < 0 ? r : fs_set_nonblock(*ret_fd);
}

static int call(const char *method, const void *message, size_t len, struct flt_grpc_answer *ret,
                struct error *err)
{
    autoclose int fd = -1;
    struct flt_grpc grpc = { .fd = -1 };
    char path[64], why[FLT_ERROR_MAX];
    int r = connect_to_daemon(&fd, err);
    int32_t code;

    if (r < 0)
        return r;
    (void) snprintf(path, sizeof(path), "/nesting.Nesting/%s", method);
    grpc.fd = fd;
    code = flt_grpc_call(&grpc, path, message, len, NULL, ret, why);
    flt_grpc_done(&grpc);
    return code == FLT_OK ? 0 : error_set(err, -EIO, "the daemon: %s", why);
}

int client_call(const char *command, const char *method, const ProtobufCMessage *request,
                struct flt_grpc_answer *ret)
{
    struct error err = { 0 };
    size_t len = request ? protobuf_c_message_get_packed_size(request) : 0;
    autofree unsigned char *message = mem_alloc(len);
    int r;

    if (message && request)
        (void) protobuf_c_message_pack(request, message);
    r = message ? call(method, message, len, ret, &err) : error_set(&err, -ENOMEM, "out of memory");
    if (r == 0 && ret->status != FLT_GRPC_OK)
        r = error_set(&err, -EIO, "rpc error: code = %s desc = %s%s", status_name(ret->status),
                      ret->message, what_to_do(ret));
    if (r == 0)
        return 0;
    (void) command_failed(command, &err);
    return -1;
}
