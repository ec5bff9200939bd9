/* core/base/rights.c - sendmsg() and recvmsg() with their control messages (rights.h). */
#include "core/base/rights.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>

#include "core/base/str.h"

union control {
    char bytes[CMSG_SPACE(RIGHTS_MAX * sizeof(int))];
    struct cmsghdr align;
};

int rights_send(int fd, const struct buf *data, const int *fds, size_t n_fds)
{
    union control control = { 0 };
    struct iovec iov = { .iov_base = data->data, .iov_len = data->len };
    struct msghdr msg = { .msg_iov = &iov,
                          .msg_iovlen = 1,
                          .msg_control = control.bytes,
                          .msg_controllen = CMSG_SPACE(n_fds * sizeof(int)) };
    struct cmsghdr *cmsg = n_fds > RIGHTS_MAX ? NULL : CMSG_FIRSTHDR(&msg);
    ssize_t n;

    if (!cmsg)
        return -EINVAL;
    cmsg->cmsg_level = SOL_SOCKET;
    cmsg->cmsg_type = SCM_RIGHTS;
    cmsg->cmsg_len = CMSG_LEN(n_fds * sizeof(int));
    memcpy(CMSG_DATA(cmsg), fds, n_fds * sizeof(int));
    n = sendmsg(fd, &msg, MSG_NOSIGNAL | MSG_DONTWAIT);
    if (n < 0)
        return -errno;
    return (size_t) n == data->len ? 0 : -EIO;
}

ssize_t rights_recv(int fd, void *data, size_t len, int flags, int *fds, size_t n_fds)
{
    union control control = { 0 };
    struct iovec iov = { .iov_base = data, .iov_len = len };
    /* CMSG_SPACE() has room for one more, which would be taken and lost. */
    struct msghdr msg = { .msg_iov = &iov,
                          .msg_iovlen = 1,
                          .msg_control = control.bytes,
                          .msg_controllen =
                              CMSG_LEN(MIN(n_fds, (size_t) RIGHTS_MAX) * sizeof(int)) };
    struct cmsghdr *cmsg;
    ssize_t n;

    for (size_t i = 0; i < n_fds; i++)
        fds[i] = -1;
    n = recvmsg(fd, &msg, flags | MSG_CMSG_CLOEXEC);
    if (n < 0)
        return -errno;
    cmsg = CMSG_FIRSTHDR(&msg);
    if (cmsg && cmsg->cmsg_level == SOL_SOCKET && cmsg->cmsg_type == SCM_RIGHTS)
        memcpy(fds, CMSG_DATA(cmsg), MIN(cmsg->cmsg_len - CMSG_LEN(0), n_fds * sizeof(int)));
    return n;
}
