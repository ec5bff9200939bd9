/* helper/archive/unpack_zip.c - a zip's entries, in the directory's order, into the tree. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "core/base/io.h"
#include "core/base/mem.h"
#include "core/base/str.h"
#include "helper/archive/decoder.h"
#include "helper/archive/unpack_internal.h"
#include "helper/archive/zip.h"
#include "helper/archive/zip_directory.h"

#define TARGET_MAX 4096

struct zip_reader {
    struct unpack *unpack;
    int fd;
    struct decoder *decoder;
};

/* Where one entry's data goes, and whether it is as much as it may be. */
struct destination {
    struct unpack *unpack;
    const struct zip_item *item;
    int fd;       /* a file's; else -1 */
    char *target; /* a link's, TARGET_MAX + 1 bytes; else NULL */
    size_t target_len;
};

static int on_data(void *ctx, const void *data, size_t len)
{
    struct destination *to = ctx;
    const struct unpack_limits *limits = to->unpack->limits;
    int r;

    if (to->target) {
        if (len > TARGET_MAX - to->target_len)
            return error_set(to->unpack->err, -EBADMSG, "a link in the archive is too long");
        memcpy(to->target + to->target_len, data, len);
        to->target_len += len;
        return 0;
    }
    r = unpack_file_write(to->unpack, to->fd, data, len);
    if (r == 0 && to->unpack->file_bytes > limits->ratio_from &&
        to->unpack->file_bytes / limits->ratio > to->item->packed)
        r = unpack_too_much(to->unpack, "bytes for each compressed one", limits->ratio);
    return r;
}

static int read_data(struct zip_reader *reader, const char *path, const struct zip_item *item,
                     struct destination *to)
{
    const struct decoder_input input = { reader->fd, item->data_at, item->packed };
    const struct decoder_output output = { on_data, to };
    struct decoder_sums sums = { 0 };
    int r = decoder_run(reader->decoder, item->method, &input, &output, &sums);

    if (reader->unpack->err->code < 0)
        return reader->unpack->err->code;
    if (r == 0 && (sums.crc != item->crc || sums.bytes != item->size))
        r = -EBADMSG;
    if (r == -EBADMSG)
        return error_set(reader->unpack->err, r, "%s: its data in the archive is damaged", path);
    return r < 0 ? error_errno(reader->unpack->err, r, "%s", path) : 0;
}

static int unpack_file(struct zip_reader *reader, const struct unpack_entry *entry,
                       const char *path, const struct zip_item *item)
{
    struct unpack *unpack = reader->unpack;
    autoclose int fd = -1;
    struct destination to = { .unpack = unpack, .item = item };
    int r = unpack_file_begin(unpack, path, &fd);

    if (r < 0 || fd < 0)
        return r;
    to.fd = fd;
    r = read_data(reader, path, item, &to);
    if (r == 0)
        return unpack_file_keep(unpack, entry, path, fd);
    unpack_file_drop(unpack, path);
    return r;
}

static int unpack_symlink(struct zip_reader *reader, struct unpack_entry *entry, const char *path,
                          const struct zip_item *item)
{
    char target[TARGET_MAX + 1] = "";
    struct destination to = { .unpack = reader->unpack, .item = item, .fd = -1, .target = target };
    int r = read_data(reader, path, item, &to);

    if (r < 0)
        return r;
    target[to.target_len] = '\0';
    if (strlen(target) != to.target_len)
        return unpack_refuse(reader->unpack, path, "its target has a zero byte");
    entry->target = target;
    r = unpack_link(reader->unpack, entry, path);
    entry->target = NULL;
    return r;
}

static enum unpack_kind kind_of(const struct zip_item *item, const char *name, mode_t mode)
{
    if (item->name_len > 0 && name[item->name_len - 1] == '/')
        return UNPACK_FOLDER;
    switch (mode & S_IFMT) {
    case 0:
    case S_IFREG:
        return UNPACK_FILE;
    case S_IFDIR:
        return UNPACK_FOLDER;
    case S_IFLNK:
        return UNPACK_LINK;
    default:
        return UNPACK_OTHER;
    }
}

/* Of the extra field; the local time of MS-DOS says too little to be set. */
static void read_time(const struct zip_item *item, struct unpack_entry *entry)
{
    size_t len = 0;
    const uint8_t *at = zip_extra_find(item->extra, item->extra_len, ZIP_EXTRA_TIME, 5, &len);

    if (at && (at[0] & 1)) {
        entry->has_time = true;
        entry->mtime.tv_sec = (int32_t) zip_get32(at + 1);
    }
}

static int unpack_item(struct zip_reader *reader, const struct zip_item *item)
{
    autofree char *name = mem_zero((size_t) item->name_len + 1), *path = NULL;
    struct unpack_entry entry = { .name_len = item->name_len };
    int r;

    if (!name)
        return error_errno(reader->unpack->err, -ENOMEM, "archive");
    memcpy(name, item->name, item->name_len);
    entry.name = name;
    entry.mode = item->host == ZIP_HOST_UNIX ? (mode_t) (item->attributes >> 16) : 0;
    entry.has_mode = entry.mode != 0;
    entry.kind = kind_of(item, name, entry.mode);
    read_time(item, &entry);
    r = unpack_admit(reader->unpack, &entry, &path);
    if (r < 0 || !path)
        return r;
    if (item->flags & ZIP_FLAG_ENCRYPTED)
        return unpack_refuse(reader->unpack, name, "it is encrypted");
    if (!decoder_knows(item->method))
        return unpack_refuse(reader->unpack, name, "it is compressed by an unknown method");
    if (entry.kind == UNPACK_FOLDER)
        return unpack_folder(reader->unpack, &entry, path);
    if (entry.kind == UNPACK_LINK)
        return unpack_symlink(reader, &entry, path, item);
    return unpack_file(reader, &entry, path, item);
}

int unpack_zip(struct unpack *unpack, int fd)
{
    struct zip_reader reader = { .unpack = unpack, .fd = fd, .decoder = decoder_new() };
    struct zip_directory directory = { 0 };
    int r = reader.decoder ? 0 : error_errno(unpack->err, -ENOMEM, "archive");

    if (r == 0)
        r = zip_directory_read(fd, unpack->limits->entries, unpack->limits->names_bytes, &directory,
                               unpack->err);
    for (size_t i = 0; r == 0 && i < directory.n_items; i++)
        r = unpack_item(&reader, &directory.items[i]);
    zip_directory_done(&directory);
    decoder_free(reader.decoder);
    return r;
}
