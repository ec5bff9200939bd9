/* helper/archive/pack.c - from a selection to a stream, whatever the format. */
#include "helper/archive/pack.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>

#include "core/base/fs.h"
#include "core/base/io.h"
#include "core/base/mem.h"
#include "core/base/str.h"
#include "helper/archive/pack_internal.h"
#include "helper/archive/zip.h"

#define SAFE_RATIO 900 /* below that of hardening.md Z5 */

static int write_fd(void *ctx, const void *data, size_t len)
{
    return fs_write_all(*(const int *) ctx, data, len);
}

struct pack_sink pack_sink_fd(const int *fd)
{
    return (struct pack_sink) { write_fd, (void *) (uintptr_t) fd };
}

static int to_sink(struct pack *pack, const void *data, size_t len)
{
    int r = len > 0 ? pack->sink->write(pack->sink->ctx, data, len) : 0;

    return r < 0 ? error_errno(pack->err, r, "writing the archive") : 0;
}

int pack_flush(struct pack *pack)
{
    size_t len = pack->buffered;

    pack->buffered = 0;
    return to_sink(pack, pack->buffer, len);
}

int pack_out(struct pack *pack, const void *data, size_t len)
{
    pack->bytes += len;
    if (len > PACK_BUFFER - pack->buffered) {
        int r = pack_flush(pack);

        if (r < 0)
            return r;
    }
    if (len >= PACK_BUFFER)
        return to_sink(pack, data, len);
    memcpy(pack->buffer + pack->buffered, data, len);
    pack->buffered += len;
    return 0;
}

int pack_out_slack(struct pack *pack, uint64_t bytes, uint64_t *packed)
{
    static const uint8_t zeros[4096];
    const uint64_t least = bytes / SAFE_RATIO + 1;
    uint8_t head[8] = { 0x50, 0x2a, 0x4d, 0x18 }, *at = head + 4;
    uint64_t left = least > *packed + sizeof(head) ? least - *packed - sizeof(head) : 0;
    int r;

    if (least <= *packed)
        return 0;
    *packed += sizeof(head) + left;
    zip_put32(&at, (uint32_t) left);
    r = pack_out(pack, head, sizeof(head));
    for (; r == 0 && left > 0; left -= MIN(left, sizeof(zeros)))
        r = pack_out(pack, zeros, MIN(left, sizeof(zeros)));
    return r;
}

/* Whoever removes files while they are archived means it: the others are still wanted. */
static int vanished(struct pack *pack, const char *path)
{
    report_say(pack->report, REPORT_WARNING, "%s: vanished before it was archived, skipping", path);
    return 0;
}

static int read_link(int folder, const char *name, char **ret)
{
    char target[PATH_MAX];
    ssize_t len = readlinkat(folder, name, target, sizeof(target));

    if (len < 0)
        return -errno;
    if ((size_t) len == sizeof(target))
        return -ENAMETOOLONG;
    *ret = mem_strndup(target, (size_t) len);
    return *ret ? 0 : -ENOMEM;
}

/* Negative errno. */
static int look_and_open(struct pack *pack, struct pack_file *file)
{
    const char *name;
    int folder = beneath_parent(&pack->tree, file->path, &name);

    if (folder < 0)
        return folder;
    if (fstatat(folder, name, &file->st, AT_SYMLINK_NOFOLLOW) < 0)
        return -errno;
    if (S_ISLNK(file->st.st_mode))
        return read_link(folder, name, &file->target);
    if (!S_ISREG(file->st.st_mode))
        return 0;
    /* It may have become a pipe since. */
    file->fd = io_openat(folder, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC, 0);
    if (file->fd < 0 || fstat(file->fd, &file->st) < 0)
        return -errno;
    return 0;
}

int pack_file_open(struct pack *pack, const char *path, struct pack_file *file, bool *ret_there)
{
    int r;

    *file = (struct pack_file) { .path = path, .fd = -1 };
    *ret_there = false;
    r = look_and_open(pack, file);
    if (r == -ENOENT)
        return vanished(pack, path);
    if (r < 0)
        return error_errno(pack->err, r, "%s", path);
    *ret_there =
        S_ISREG(file->st.st_mode) || S_ISDIR(file->st.st_mode) || S_ISLNK(file->st.st_mode);
    return 0;
}

void pack_file_close(struct pack_file *file)
{
    cleanup_close(&file->fd);
    free(file->target);
}

ssize_t pack_file_read(struct pack *pack, const struct pack_file *file, void *data, size_t len)
{
    size_t have = 0;

    while (have < len) {
        ssize_t n = io_read(file->fd, (char *) data + have, len - have);

        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return error_errno(pack->err, -errno, "%s", file->path);
        if (n == 0)
            break;
        have += (size_t) n;
    }
    return (ssize_t) have;
}

/* hardening.md Z7: it holds who may fetch, and what a job did not mean to publish. */
static void warn_of_git(const struct pack *pack)
{
    for (size_t i = 0; i < pack->request->selection->n_paths; i++) {
        const char *path = pack->request->selection->paths[i];

        if (str_eq(path, ".git") || str_starts(path, ".git/") || strstr(path, "/.git/")) {
            report_say(pack->report, REPORT_WARNING,
                       "Part of .git directory is on the list of files to archive");
            report_say(pack->report, REPORT_WARNING, "This may introduce unexpected problems");
            return;
        }
    }
}

int pack_write(const struct pack_request *request, const struct pack_sink *sink,
               const struct report *report, uint64_t *ret_bytes, struct error *err)
{
    static int (*const writers[])(struct pack *) = {
        [FORMAT_ZIP] = pack_zip,   [FORMAT_ZIPZSTD] = pack_zip, [FORMAT_TARZSTD] = pack_tar,
        [FORMAT_GZIP] = pack_gzip, [FORMAT_RAW] = pack_raw,
    };
    autofree uint8_t *buffer = mem_alloc(PACK_BUFFER);
    struct error own = { 0 }; /* what the caller's says already is none of ours */
    struct pack pack = { request, sink, report, &own, .buffer = buffer };
    int r;

    if (!buffer)
        return error_errno(err, -ENOMEM, "archive");
    pack.tree = BENEATH_INIT(request->root_fd, BENEATH_INSIDE_LINKS);
    warn_of_git(&pack);
    r = writers[request->format](&pack);
    if (r == 0)
        r = pack_flush(&pack);
    if (r < 0 && err)
        *err = own;
    if (ret_bytes)
        *ret_bytes = pack.bytes;
    beneath_done(&pack.tree);
    return r;
}
