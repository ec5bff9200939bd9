/* core/store/reserve.c - room on the disk that is kept for the ledger: when the disk is full, what
 * runs must still be brought to its end and told (ledger.h, "A full disk").
 *
 * The room is a file of zeros beside the ledger. A write of SQLite's, or of the supervisor's own to a
 * spool, that finds no room cuts a piece off that file and is repeated. Others may take the piece
 * first: each such writer of ours stops at its first failure, so there are more pieces than thieves.
 * SQLite's file system layer calls the system through a table that may be changed; so no transaction
 * need know of this. There is one ledger, and one reserve, a process. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>

#include "core/base/io.h"
#include "core/base/str.h"
#include "core/store/internal.h"

#define RESERVE_BYTES ((off_t) 4 << 20)
#define PIECE_BYTES ((off_t) 64 << 10)
/* Beyond the reserve itself: what jobs that begin now will write at once. */
#define SPARE_BYTES ((off_t) 4 << 20)

static struct {
    int fd; /* -1 = there is none */
    off_t left;
} reserve = { .fd = -1 };

static bool give_piece(void)
{
    if (reserve.fd < 0 || reserve.left == 0)
        return false;
    reserve.left -= MIN(reserve.left, PIECE_BYTES);
    return ftruncate(reserve.fd, reserve.left) == 0;
}

static bool is_full(int error)
{
    return error == ENOSPC || error == EDQUOT;
}

static ssize_t reserve_pwrite(int fd, const void *data, size_t len, off_t offset)
{
    ssize_t n;

    do
        n = io_pwrite(fd, data, len, offset);
    while (n < 0 && is_full(errno) && give_piece());
    return n;
}

int reserve_write_all(int fd, const void *data, size_t len)
{
    const char *at = data;

    while (len > 0) {
        ssize_t n = io_write(fd, at, len);

        if (n < 0 && (errno == EINTR || (is_full(errno) && give_piece())))
            continue;
        if (n < 0)
            return -errno;
        at += n;
        len -= (size_t) n;
    }
    return 0;
}

static off_t free_bytes(void)
{
    struct statvfs fs;

    return fstatvfs(reserve.fd, &fs) < 0 ? 0 : (off_t) (fs.f_bavail * fs.f_frsize);
}

bool reserve_is_short(void)
{
    return reserve.fd >= 0 && (reserve.left < RESERVE_BYTES || free_bytes() < SPARE_BYTES);
}

void reserve_refill(void)
{
    if (reserve.fd < 0 || reserve.left == RESERVE_BYTES ||
        free_bytes() < RESERVE_BYTES - reserve.left + SPARE_BYTES)
        return;
    if (posix_fallocate(reserve.fd, 0, RESERVE_BYTES) == 0)
        reserve.left = RESERVE_BYTES;
}

int reserve_open(const char *dir, struct error *err)
{
    autoclose int dir_fd = open(dir, O_PATH | O_DIRECTORY | O_CLOEXEC);
    sqlite3_vfs *vfs = sqlite3_vfs_find(NULL);
    struct stat st;

    reserve.fd = openat(dir_fd, "ledger.reserve", O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (reserve.fd < 0 || fstat(reserve.fd, &st) < 0)
        return error_errno(err, -errno, "%s/ledger.reserve, room for a full disk", dir);
    reserve.left = MIN(st.st_size, RESERVE_BYTES);
    reserve_refill();
    /* Of the two names SQLite calls one, and refuses the other. */
    (void) vfs->xSetSystemCall(vfs, "pwrite", (sqlite3_syscall_ptr) reserve_pwrite);
    (void) vfs->xSetSystemCall(vfs, "pwrite64", (sqlite3_syscall_ptr) reserve_pwrite);
    return 0;
}

void reserve_close(void)
{
    if (reserve.fd >= 0)
        (void) close(reserve.fd);
    reserve.fd = -1;
}
