/* core/job/connect/pty.c - see the header. */
#include "core/job/connect/pty.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "core/base/io.h"
#include "core/base/mem.h"
#include "core/base/str.h"
#include "core/job/connect/remote_wait.h"
#include "core/job/connect/ssh_tunnel.h"

#define TYPED 4096
#define PRINTED 16384
#define ROUNDS 4   /* in one turn, so that a terminal that is busy keeps no job waiting */
#define ECHO_MS 50 /* what is typed is seen at once, also where a secret may begin with it */
#define LINE 64

struct pty {
    struct pty_screen screen;
    struct ssh_conn *conn;
    struct ssh_tunnel *tunnel; /* NULL = idle */
    int fd;                    /* -1 = nobody is there any more: the channel is being closed */
    bool open;
    char typed[TYPED]; /* from typed_at, what the instance has not taken */
    size_t typed_at, typed_len;
    char line[LINE]; /* the last of what was typed since the last key that is no character */
    size_t line_len;
    struct buf shown; /* what the person has not taken */
    int64_t echo_at;  /* when the line's echo is shown if nothing more has come; 0 = it is not */
    bool drained;     /* the screen has given what it held: nothing more comes */
};

struct pty *pty_new(struct pty_screen screen)
{
    struct pty *pty = mem_zero(sizeof(*pty));

    if (!pty)
        return NULL;
    pty->screen = screen;
    pty->fd = -1;
    return pty;
}

bool pty_is_idle(const struct pty *pty)
{
    return !pty->tunnel;
}

bool pty_is_connected(const struct pty *pty)
{
    return pty->fd >= 0;
}

static void hang_up(struct pty *pty)
{
    if (pty->fd < 0)
        return;
    (void) close(pty->fd);
    pty->fd = -1;
    buf_done(&pty->shown);
    pty->echo_at = 0;
    (void) pty->screen.end(pty->screen.arg, &pty->shown); /* the next one begins anew */
    buf_done(&pty->shown);
}

void pty_drop(struct pty *pty)
{
    hang_up(pty);
    ssh_tunnel_free(pty->tunnel);
    pty->tunnel = NULL;
}

void pty_free(struct pty *pty)
{
    if (!pty)
        return;
    pty_drop(pty);
    free(pty);
}

void pty_say(int fd, const char *line)
{
    autobuf struct buf text = BUF_INIT;

    buf_addf(&text, "\r\n%s\r\n", line);
    (void) send(fd, buf_str(&text), text.len, MSG_NOSIGNAL | MSG_DONTWAIT);
}

void pty_end(struct pty *pty, const char *why)
{
    if (pty->fd >= 0)
        pty_say(pty->fd, why);
    hang_up(pty);
}

int pty_begin(struct pty *pty, struct ssh_conn *conn, const char *command, int fd,
              struct error *err)
{
    const struct ssh_target target = { .command = command };

    pty->tunnel = ssh_tunnel_new(conn, &target);
    if (!pty->tunnel)
        return error_set(err, -ENOMEM, "terminal: out of memory");
    pty->conn = conn;
    pty->fd = fd;
    pty->open = false;
    pty->typed_at = pty->typed_len = pty->line_len = 0;
    pty->drained = false;
    return 0;
}

static bool for_later(int error)
{
    return error == EAGAIN || error == EWOULDBLOCK || error == EINTR;
}

static bool try_open(struct pty *pty)
{
    struct error err = { 0 };
    int r = ssh_tunnel_open(pty->tunnel, &err);

    if (r == -EAGAIN)
        return false;
    pty->open = r == 0;
    if (r < 0)
        (void) error_wrap(&err, r, "the instance gives no terminal");
    if (r < 0)
        pty_end(pty, err.message);
    return true;
}

static void note_typed(struct pty *pty, const char *keys, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        unsigned char key = (unsigned char) keys[i];

        if (key < ' ' || key == 0x7f) {
            pty->line_len = 0;
            continue;
        }
        if (pty->line_len == sizeof(pty->line))
            memmove(pty->line, pty->line + 1, --pty->line_len);
        pty->line[pty->line_len++] = keys[i];
    }
}

/* Both of these return whether something moved. */
static bool move_typed(struct pty *pty)
{
    size_t room = ssh_tunnel_room(pty->tunnel);
    ssize_t n;

    if (room == 0)
        return false;
    if (pty->typed_len == 0) {
        n = io_read(pty->fd, pty->typed, sizeof(pty->typed));
        if (n < 0 && for_later(errno))
            return false;
        if (n <= 0) {
            hang_up(pty);
            return true;
        }
        pty->typed_at = 0;
        pty->typed_len = (size_t) n;
    }
    n = ssh_tunnel_send(pty->tunnel, pty->typed + pty->typed_at, MIN(pty->typed_len, room));
    if (n < 0) /* it takes no more: what was typed is lost with it */
        n = (ssize_t) pty->typed_len;
    note_typed(pty, pty->typed + pty->typed_at, (size_t) n);
    pty->typed_at += (size_t) n;
    pty->typed_len -= (size_t) n;
    return n > 0;
}

/* What the instance printed, or what of it was held back, through the screen. */
static int refill(struct pty *pty)
{
    char piece[PRINTED];
    size_t n = ssh_tunnel_take(pty->tunnel, piece, sizeof(piece));
    int r = 0;

    if (n > 0) {
        r = pty->screen.show(pty->screen.arg, piece, n, &pty->shown);
        pty->echo_at = pty->line_len > 0 ? now_ms() + ECHO_MS : 0;
    } else if (ssh_tunnel_ended(pty->tunnel) && !pty->drained) {
        r = pty->screen.end(pty->screen.arg, &pty->shown);
        pty->echo_at = 0;
        pty->drained = true;
    } else if (pty->echo_at > 0 && now_ms() >= pty->echo_at) {
        r = pty->screen.echo(pty->screen.arg, pty->line, pty->line_len, &pty->shown);
        pty->echo_at = 0;
    }
    return r < 0 ? r : buf_error(&pty->shown);
}

static bool move_printed(struct pty *pty)
{
    ssize_t n;

    if (pty->shown.len == 0 && refill(pty) < 0) {
        hang_up(pty);
        return true;
    }
    if (pty->shown.len == 0)
        return false;
    n = send(pty->fd, pty->shown.data, pty->shown.len, MSG_NOSIGNAL | MSG_DONTWAIT);
    if (n < 0 && for_later(errno))
        return false;
    if (n < 0)
        hang_up(pty);
    else
        buf_consume(&pty->shown, (size_t) n);
    return true;
}

static bool move(struct pty *pty)
{
    bool moved;

    if (!pty->open)
        return try_open(pty);
    moved = move_printed(pty);
    if (pty->fd >= 0)
        moved = move_typed(pty) || moved;
    if (pty->fd >= 0 && !moved && pty->shown.len == 0 && pty->drained)
        hang_up(pty);
    return moved;
}

/* What it still prints is nobody's. True once it is gone. */
static bool leave(struct pty *pty)
{
    char piece[PRINTED];

    for (int round = 0; round < ROUNDS; round++)
        if (!pty->open || ssh_tunnel_take(pty->tunnel, piece, sizeof(piece)) == 0)
            break;
    if (!ssh_tunnel_leave(pty->tunnel))
        return false;
    pty->tunnel = NULL;
    return true;
}

static size_t add_events(const struct pty *pty, struct pollfd *fd)
{
    *fd = (struct pollfd) { .fd = pty->fd };
    if (pty->typed_len == 0 && ssh_tunnel_room(pty->tunnel) > 0)
        fd->events |= POLLIN;
    if (pty->shown.len > 0)
        fd->events |= POLLOUT;
    return fd->events != 0;
}

/* Whatever the library does for one channel may make it read what is another's, and the socket does not tell of that
 * any more: then nobody waits. */
size_t pty_poll(struct pty *pty, struct pollfd *fds, int64_t *wait_ms)
{
    bool moved = pty->fd >= 0;
    uint64_t heard;

    if (!pty->tunnel)
        return 0;
    heard = ssh_tunnels_heard(pty->conn);
    for (int round = 0; moved && pty->fd >= 0 && round < ROUNDS; round++)
        moved = move(pty);
    if (pty->fd < 0 && leave(pty)) {
        *wait_ms = 0;
        return 0;
    }
    if (moved || ssh_tunnels_heard(pty->conn) != heard)
        *wait_ms = 0;
    else if (pty->echo_at > 0)
        *wait_ms = MAX(MIN(*wait_ms, pty->echo_at - now_ms()), (int64_t) 0);
    return pty->open && pty->fd >= 0 ? add_events(pty, fds) : 0;
}
