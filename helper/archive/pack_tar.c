/* helper/archive/pack_tar.c - tar within zstd, both by libarchive. */
#include <archive.h>
#include <archive_entry.h>
#include <errno.h>
#include <locale.h>
#include <string.h>

#include "core/base/mem.h"
#include "core/base/str.h"
#include "helper/archive/pack_internal.h"
#include "helper/archive/tar.h"

#define READ_SIZE ((size_t) 256 * 1024)

/* libarchive is not told of a failure, after which it would not give its memory back: what is written
 * behind one goes nowhere. */
static la_ssize_t on_write(struct archive *tar, void *ctx, const void *data, size_t len)
{
    struct pack *pack = ctx;

    (void) tar;
    if (pack->err->code == 0)
        (void) pack_out(pack, data, len);
    return (la_ssize_t) len;
}

static int failed(struct pack *pack, struct archive *tar, const char *path)
{
    return error_set(pack->err, -EIO, "%s: %s", path, archive_error_string(tar));
}

static int open_tar(struct pack *pack, struct archive *tar)
{
    static const char *const levels[] = { "1", "1", "3", "7", "11" }; /* by enum pack_level */

    if (archive_write_set_format_pax_restricted(tar) != ARCHIVE_OK ||
        archive_write_add_filter_zstd(tar) != ARCHIVE_OK ||
        archive_write_set_filter_option(tar, NULL, "compression-level",
                                        levels[pack->request->level]) != ARCHIVE_OK ||
        archive_write_set_bytes_in_last_block(tar, 1) != ARCHIVE_OK ||
        archive_write_open(tar, pack, NULL, on_write, NULL) != ARCHIVE_OK)
        return failed(pack, tar, "archive");
    return 0;
}

static void describe(const struct pack_file *file, struct archive_entry *entry)
{
    archive_entry_clear(entry);
    archive_entry_copy_stat(entry, &file->st);
    archive_entry_set_nlink(entry, 1); /* every name has its own contents */
    archive_entry_copy_pathname(entry, file->path);
    if (file->target)
        archive_entry_copy_symlink(entry, file->target);
    if (file->fd < 0)
        archive_entry_set_size(entry, 0);
}

/* libarchive fills up with zeros what a file has become too short for, which nobody would notice. */
static int write_data(struct pack *pack, struct archive *tar, const struct pack_file *file,
                      void *data)
{
    uint64_t left = (uint64_t) file->st.st_size;

    while (left > 0) {
        ssize_t n = pack_file_read(pack, file, data, MIN(left, READ_SIZE));

        if (n < 0)
            return (int) n;
        if (n == 0)
            return error_set(pack->err, -EIO, "%s: became shorter while it was archived",
                             file->path);
        if (archive_write_data(tar, data, (size_t) n) != n)
            return failed(pack, tar, file->path);
        if (pack->err->code < 0)
            return pack->err->code;
        left -= (uint64_t) n;
    }
    return 0;
}

static int write_file(struct pack *pack, struct archive *tar, const struct pack_file *file,
                      struct archive_entry *entry, void *data)
{
    describe(file, entry);
    /* A warning is about a name that is no text: it is written as the bytes that it is. */
    if (archive_write_header(tar, entry) < ARCHIVE_WARN)
        return failed(pack, tar, file->path);
    return file->fd >= 0 ? write_data(pack, tar, file, data) : pack->err->code;
}

static int write_files(struct pack *pack, struct archive *tar, struct archive_entry *entry,
                       void *data)
{
    const struct selection *selection = pack->request->selection;
    uint64_t packed;
    int r = open_tar(pack, tar);

    for (size_t i = 0; r == 0 && i < selection->n_paths; i++) {
        struct pack_file file;
        bool there;

        r = pack_file_open(pack, selection->paths[i], &file, &there);
        if (r == 0 && there)
            r = write_file(pack, tar, &file, entry, data);
        pack_file_close(&file);
    }
    if (r == 0 && archive_write_close(tar) != ARCHIVE_OK)
        r = failed(pack, tar, "archive");
    if (r == 0)
        r = pack->err->code;
    packed = pack->bytes;
    if (r == 0)
        r = pack_out_slack(pack, (uint64_t) archive_filter_bytes(tar, 0), &packed);
    return r;
}

int pack_tar(struct pack *pack)
{
    autofree void *data = mem_alloc(READ_SIZE);
    struct archive *tar = archive_write_new();
    struct archive_entry *entry = archive_entry_new();
    locale_t before = tar_use_utf8();
    int r = -ENOMEM;

    if (data && tar && entry)
        r = write_files(pack, tar, entry, data);
    else
        error_errno(pack->err, r, "archive");
    archive_entry_free(entry);
    (void) archive_write_free(tar);
    tar_restore_locale(before);
    return r;
}
