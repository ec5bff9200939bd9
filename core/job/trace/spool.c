/* core/job/trace/spool.c - the spool file of a job's log, cut at its limit.
 *
 * The limit stands behind the masker (hardening.md M5), so what is cut off is never half a secret.
 * Called by trace.c for all streams.
 */
#include "core/job/trace/spool.h"

#include <errno.h>

#include "core/base/buf.h"
#include "core/base/crc32.h"
#include "core/base/io.h"

void spool_init(struct spool *spool, int fd, int64_t limit_bytes)
{
    *spool =
        (struct spool) { .fd = fd, .limit = limit_bytes > 0 ? limit_bytes : SPOOL_LIMIT_DEFAULT };
}

/* Size and CRC follow each piece, because a full disk takes part of the data. */
static int write_pieces(struct spool *spool, const char *data, size_t len)
{
    while (len > 0) {
        ssize_t n = io_write(spool->fd, data, len);

        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0) {
            spool->error = n < 0 ? -errno : -EIO;
            return spool->error;
        }
        spool->crc = crc32_update(spool->crc, data, (size_t) n);
        spool->size += n;
        data += n;
        len -= (size_t) n;
    }
    return 0;
}

static int write_notice(struct spool *spool)
{
    autobuf struct buf notice = BUF_INIT;

    buf_addf(&notice,
             "\n\033[33;1mJob's log exceeded limit of %lld bytes.\n"
             "Job execution will continue but no more output will be collected.\033[0;m\n",
             (long long) spool->limit);
    if (buf_error(&notice) < 0) {
        spool->error = buf_error(&notice);
        return spool->error;
    }
    return write_pieces(spool, notice.data, notice.len);
}

int spool_write(struct spool *spool, const char *data, size_t len)
{
    size_t left;
    int rc;

    if (spool->error < 0 || spool->full || len == 0)
        return spool->error;
    left = (size_t) (spool->limit - spool->size);
    if (len < left)
        return write_pieces(spool, data, len);
    if (left < len)
        while (left > 0 && ((unsigned char) data[left] & 0xc0) == 0x80)
            left--;
    rc = write_pieces(spool, data, left);
    if (rc < 0)
        return rc;
    spool->full = true;
    return write_notice(spool);
}
