/* nestingd/turn.c - see turn.h. */
#include "nestingd/turn.h"

#include "core/base/fs.h"
#include "core/base/str.h"
#include "nestingd/fd.h"

int turn_open(struct turn *turn, struct error *err)
{
    int r = fd_pipe(turn->ends);

    return r < 0 ? error_errno(err, r, "a pipe to wait at") : 0;
}

void turn_close(struct turn *turn)
{
    (void) close(turn->ends[0]);
    (void) close(turn->ends[1]);
}

void turn_give(struct turn *turn)
{
    (void) fs_write_all(turn->ends[1], "", 1);
}

int turn_wait(const struct turn *turn, const struct call *call, int64_t most_ms, struct error *err)
{
    struct pollfd fds[] = { { 0 }, { .fd = turn->ends[0], .events = POLLIN } };
    int r = call_poll(call, fds, ARRAY_LEN(fds), most_ms, err);

    return MIN(r, 1);
}
