/* helper/packed.c - see packed.h.
 *
 * A process and not a thread: what has been read is thrown away by ending it, whatever it is about, and
 * it shares nothing with the exchange that goes on beside. */
#include "helper/packed.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core/base/autoclean.h"
#include "core/base/io.h"
#include "helper/say.h"

#define PIPE_SIZE (1 << 20)

static _Noreturn void make(const struct packed *packed, int fd)
{
    const struct pack_sink sink = pack_sink_fd(&fd);
    struct error err = { 0 };

    /* Its reader may have gone on purpose: an answer that came early. */
    (void) prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (pack_write(&packed->request, &sink, &say_report, NULL, &err) == 0)
        _exit(0);
    if (err.code != -EPIPE)
        say(SAY_ERROR, "%s", err.message);
    _exit(1);
}

static int start(struct packed *packed)
{
    int ends[2];

    if (pipe2(ends, O_CLOEXEC) < 0)
        return -errno;
    (void) fcntl(ends[1], F_SETPIPE_SZ, PIPE_SIZE);
    packed->pid = fork();
    if (packed->pid == 0) {
        (void) close(ends[0]);
        make(packed, ends[1]);
    }
    (void) close(ends[1]);
    packed->fd = ends[0];
    return packed->pid < 0 ? -errno : 0;
}

/* 0 when the process says that the archive is whole. */
static int finish(struct packed *packed)
{
    int status = -1;

    if (packed->fd >= 0)
        (void) close(packed->fd);
    packed->fd = -1;
    if (packed->pid > 0)
        while (waitpid(packed->pid, &status, 0) < 0 && errno == EINTR)
            continue;
    packed->pid = -1;
    return status == 0 ? 0 : -EIO;
}

int64_t packed_read(struct packed *packed, void *data, size_t size)
{
    ssize_t n;

    if (packed->fd < 0 && start(packed) < 0)
        return -EIO;
    do
        n = io_read(packed->fd, data, size);
    while (n < 0 && errno == EINTR);
    if (n == 0)
        return finish(packed);
    return n < 0 ? -errno : n;
}

void packed_rewind(struct packed *packed)
{
    if (packed->pid > 0)
        (void) kill(packed->pid, SIGKILL);
    (void) finish(packed);
}

void packed_done(struct packed *packed)
{
    packed_rewind(packed);
}
