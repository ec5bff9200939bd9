/* sdk/lib/grpc.c - see grpc.h. */
#include "sdk/lib/grpc.h"

#include "sdk/lib/text.h"

#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define CHUNK 16384

#ifdef MSG_NOSIGNAL
#define NO_SIGNAL MSG_NOSIGNAL
#else
#define NO_SIGNAL 0 /* on macOS, where this is flotilla-nesting's alone, which ignores SIGPIPE */
#endif

static int32_t because(char *why, int32_t code, const char *text)
{
    (void) snprintf(why, FLT_ERROR_MAX, "%s", text);
    return code;
}

static bool would_block(void)
{
    return errno == EAGAIN || errno == EINTR;
}

/* As much as the descriptor takes now; -1: it takes no more for ever. */
static int send_some(struct flt_grpc *grpc)
{
    const unsigned char *data;
    size_t len;

    while ((len = flt_grpc_session_pending(grpc->session, &data)) > 0) {
        ssize_t n = send(grpc->fd, data, len, NO_SIGNAL);

        if (n < 0)
            return would_block() ? 0 : -1;
        flt_grpc_session_sent(grpc->session, (size_t) n);
    }
    return 0;
}

/* What is there now; -1: it was the end. */
static int receive_some(struct flt_grpc *grpc)
{
    unsigned char data[CHUNK];
    ssize_t n = recv(grpc->fd, data, sizeof(data), 0);

    if (n < 0)
        return would_block() ? 0 : -1;
    if (n == 0) {
        errno = 0;
        return -1;
    }
    flt_grpc_session_feed(grpc->session, data, (size_t) n, flt_monotonic_ms());
    return 0;
}

static int32_t wait_for_more(struct flt_grpc *grpc, const struct flt_watch *watch)
{
    const unsigned char *ignored;
    bool more = flt_grpc_session_pending(grpc->session, &ignored) > 0;
    struct pollfd fds[] = {
        { .fd = grpc->fd, .events = (short) (POLLIN | (more ? POLLOUT : 0)) },
        { .fd = flt_watch_cancel_fd(watch), .events = POLLIN },
    };
    int64_t left = flt_watch_left_ms(watch);

    (void) poll(fds, 2, left < INT_MAX ? (int) left : INT_MAX);
    return flt_watch_ended(watch);
}

/* The server hears of it if the descriptor takes the few bytes at once; else by the connection's end. */
static int32_t give_up(struct flt_grpc *grpc, int32_t code, char *why)
{
    flt_grpc_session_cancel(grpc->session);
    (void) send_some(grpc);
    return because(why, code,
                   code == FLT_E_TIMEOUT ? "it has not answered in time"
                                         : "the call was cancelled");
}

static int32_t lost(char *why)
{
    (void) snprintf(why, FLT_ERROR_MAX, "it closed the connection%s%s", errno ? ": " : "",
                    errno ? strerror(errno) : "");
    return FLT_E_UNAVAILABLE;
}

/* Until the call has come to something, which sending may do as well: HTTP/2 ends streams with what it sends. */
static int32_t exchange(struct flt_grpc *grpc, const struct flt_watch *watch, char *why)
{
    for (;;) {
        bool sends = send_some(grpc) == 0;
        int32_t code;

        if (flt_grpc_session_state(grpc->session) != FLT_GRPC_WAITS)
            return FLT_OK;
        if (!sends)
            return lost(why);
        code = wait_for_more(grpc, watch);
        if (code != FLT_OK)
            return give_up(grpc, code, why);
        if (receive_some(grpc) < 0)
            return lost(why);
    }
}

int32_t flt_grpc_call(struct flt_grpc *grpc, const char *path, const void *message, size_t len,
                      const struct flt_watch *watch, struct flt_grpc_answer *ret, char *why)
{
    int32_t code;

    if (!grpc->session)
        grpc->session = flt_grpc_session_new();
    if (!grpc->session)
        return because(why, FLT_E_INTERNAL, "there is no memory for it");
    (void) flt_grpc_session_begin(grpc->session, path, message, len, flt_watch_left_ms(watch));
    code = exchange(grpc, watch, why);
    if (code != FLT_OK)
        return code;
    if (flt_grpc_session_state(grpc->session) == FLT_GRPC_ANSWERED) {
        flt_grpc_session_take(grpc->session, ret);
        return FLT_OK;
    }
    return because(why,
                   flt_grpc_session_state(grpc->session) == FLT_GRPC_REFUSED ? FLT_E_UNAVAILABLE
                                                                             : FLT_E_INTERNAL,
                   flt_grpc_session_why(grpc->session));
}

void flt_grpc_done(struct flt_grpc *grpc)
{
    flt_grpc_session_free(grpc->session);
    grpc->session = NULL;
}
