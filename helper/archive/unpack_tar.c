/* helper/archive/unpack_tar.c - tar within zstd, read by libarchive, which is asked for nothing but
 * what the entries say: it writes no file itself.
 */
#include <archive.h>
#include <archive_entry.h>
#include <errno.h>
#include <string.h>

#include "core/base/mem.h"
#include "core/base/str.h"
#include "helper/archive/tar.h"
#include "helper/archive/unpack_internal.h"

#define READ_SIZE ((size_t) 256 * 1024)

struct tar_reader {
    struct unpack *unpack;
    struct archive *tar;
    uint64_t archive_size;
    uint8_t *data; /* READ_SIZE bytes */
};

static int damaged(struct tar_reader *reader)
{
    if (archive_errno(reader->tar) == ENOMEM)
        return error_errno(reader->unpack->err, -ENOMEM, "archive");
    return error_set(reader->unpack->err, -EBADMSG, "the archive is damaged: %s",
                     archive_error_string(reader->tar));
}

static void describe(struct archive_entry *from, struct unpack_entry *entry)
{
    const char *name = archive_entry_pathname(from), *target = archive_entry_hardlink(from);

    *entry = (struct unpack_entry) { .kind = UNPACK_OTHER, .has_mode = true, .has_time = true };
    entry->name = name ? name : "";
    entry->name_len = strlen(entry->name);
    entry->mode = archive_entry_mode(from);
    entry->mtime = (struct timespec) { .tv_sec = archive_entry_mtime(from),
                                       .tv_nsec = archive_entry_mtime_nsec(from) };
    if (target) {
        entry->kind = UNPACK_HARD_LINK;
    } else if (archive_entry_filetype(from) == AE_IFREG) {
        entry->kind = UNPACK_FILE;
    } else if (archive_entry_filetype(from) == AE_IFDIR) {
        entry->kind = UNPACK_FOLDER;
    } else if (archive_entry_filetype(from) == AE_IFLNK) {
        entry->kind = UNPACK_LINK;
        target = archive_entry_symlink(from);
    }
    entry->target = target ? target : "";
}

/* An entry's own compressed size is not known: the whole is judged by the whole. */
static int check_ratio(struct tar_reader *reader)
{
    const struct unpack_limits *limits = reader->unpack->limits;
    uint64_t bytes = reader->unpack->result.bytes;

    if (bytes > limits->ratio_from && bytes / limits->ratio > reader->archive_size)
        return unpack_too_much(reader->unpack, "bytes for each of its own", limits->ratio);
    return 0;
}

/* With fd -1 the data is passed over, and counts all the same. */
static int copy_data(struct tar_reader *reader, int fd)
{
    la_ssize_t n;
    int r = 0;

    while (r == 0 && (n = archive_read_data(reader->tar, reader->data, READ_SIZE)) != 0) {
        if (n < 0)
            return damaged(reader);
        r = fd < 0 ? unpack_count(reader->unpack, (size_t) n)
                   : unpack_file_write(reader->unpack, fd, reader->data, (size_t) n);
        if (r == 0)
            r = check_ratio(reader);
    }
    return r;
}

static int unpack_file(struct tar_reader *reader, const struct unpack_entry *entry,
                       const char *path)
{
    autoclose int fd = -1;
    int r = unpack_file_begin(reader->unpack, path, &fd);

    if (r < 0 || fd < 0)
        return r;
    r = copy_data(reader, fd);
    if (r == 0)
        return unpack_file_keep(reader->unpack, entry, path, fd);
    unpack_file_drop(reader->unpack, path);
    return r;
}

static int unpack_one(struct tar_reader *reader, struct archive_entry *from)
{
    struct unpack_entry entry;
    autofree char *path = NULL;
    int r;

    describe(from, &entry);
    r = unpack_admit(reader->unpack, &entry, &path);
    if (r < 0 || !path)
        return r;
    switch (entry.kind) {
    case UNPACK_FOLDER:
        return unpack_folder(reader->unpack, &entry, path);
    case UNPACK_LINK:
        return unpack_link(reader->unpack, &entry, path);
    case UNPACK_HARD_LINK:
        return unpack_hard_link(reader->unpack, &entry, path);
    default:
        return unpack_file(reader, &entry, path);
    }
}

static int read_entries(struct tar_reader *reader)
{
    struct archive_entry *entry;
    int r = 0, status;

    while (r == 0) {
        status = archive_read_next_header(reader->tar, &entry);
        if (status == ARCHIVE_EOF)
            break;
        /* A warning is about a name that is no text. */
        if (status < ARCHIVE_WARN)
            return damaged(reader);
        r = unpack_one(reader, entry);
        /* What was refused, or has data behind a link, is decompressed even so. */
        if (r == 0)
            r = copy_data(reader, -1);
    }
    return r;
}

static int open_tar(struct tar_reader *reader, int fd)
{
    struct stat st;

    if (fstat(fd, &st) < 0 || lseek(fd, 0, SEEK_SET) < 0)
        return error_errno(reader->unpack->err, -errno, "archive");
    reader->archive_size = (uint64_t) st.st_size;
    if (archive_read_support_filter_zstd(reader->tar) != ARCHIVE_OK ||
        archive_read_support_format_tar(reader->tar) != ARCHIVE_OK ||
        archive_read_support_format_empty(reader->tar) != ARCHIVE_OK ||
        archive_read_open_fd(reader->tar, fd, READ_SIZE) != ARCHIVE_OK)
        return damaged(reader);
    return 0;
}

int unpack_tar(struct unpack *unpack, int fd)
{
    autofree uint8_t *data = mem_alloc(READ_SIZE);
    struct tar_reader reader = { .unpack = unpack, .tar = archive_read_new(), .data = data };
    locale_t before = tar_use_utf8();
    int r;

    if (!reader.tar || !data)
        r = error_errno(unpack->err, -ENOMEM, "archive");
    else
        r = open_tar(&reader, fd);
    if (r == 0)
        r = read_entries(&reader);
    (void) archive_read_free(reader.tar);
    tar_restore_locale(before);
    return r;
}
