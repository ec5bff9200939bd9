/* helper/archive/pack_zip.c - a zip as a stream. A file that is one piece is compressed before its
 * header is written, which so has sum and sizes; those of a longer one follow its data.
 *
 * libarchive's writer is not used: it has no zstd in zips, and decides what is stored before it has
 * seen the data. docs/design/helper.md has the figures.
 */
#include <errno.h>
#include <fcntl.h>
#include <libdeflate.h>
#include <string.h>
#include <time.h>

#include "core/base/io.h"
#include "core/base/mem.h"
#include "core/base/str.h"
#include "helper/archive/codec.h"
#include "helper/archive/pack_internal.h"
#include "helper/archive/zip.h"

#define CENTRAL_MAX ((size_t) 1 << 30)
#define EXTRAS_MAX 64
#define ZIP64_FROM (UINT64_C(0xffffffff) - CODEC_PIECE) /* a longer file's descriptor has 64 bits */

struct zip_writer {
    struct pack *pack;
    struct codec *codec; /* NULL: everything is stored */
    uint16_t method;     /* of what is compressed */
    uint8_t *piece;      /* CODEC_PIECE bytes of a file */
    struct buf central;
    uint64_t entries;
};

struct zip_entry {
    const struct pack_file *file;
    const char *name;
    uint16_t method, flags;
    bool zip64; /* sizes have 64 bits */
    uint32_t crc;
    uint64_t size, packed, offset;
};

static void dos_time(time_t seconds, uint16_t *ret_time, uint16_t *ret_date)
{
    struct tm tm;

    *ret_time = 0;
    *ret_date = 1 << 5 | 1; /* the first day that there is */
    if (!gmtime_r(&seconds, &tm) || tm.tm_year < 80 || tm.tm_year > 207)
        return;
    *ret_time = (uint16_t) (tm.tm_hour << 11 | tm.tm_min << 5 | tm.tm_sec / 2);
    *ret_date = (uint16_t) ((tm.tm_year - 80) << 9 | (tm.tm_mon + 1) << 5 | tm.tm_mday);
}

/* What both headers have: time and owner. */
static void put_common_extras(const struct zip_entry *entry, uint8_t **at)
{
    const struct stat *st = &entry->file->st;

    if (st->st_mtim.tv_sec >= INT32_MIN && st->st_mtim.tv_sec <= INT32_MAX) {
        zip_put16(at, ZIP_EXTRA_TIME);
        zip_put16(at, 5);
        *(*at)++ = 1; /* of modification alone */
        zip_put32(at, (uint32_t) st->st_mtim.tv_sec);
    }
    zip_put16(at, ZIP_EXTRA_OWNER);
    zip_put16(at, 11);
    *(*at)++ = 1;
    *(*at)++ = 4;
    zip_put32(at, st->st_uid);
    *(*at)++ = 4;
    zip_put32(at, st->st_gid);
}

static uint16_t version_needed(const struct zip_entry *entry, bool zip64)
{
    return entry->method == ZIP_ZSTD ? 63 : zip64 ? 45 : 20;
}

/* From "version needed" up to the lengths, which both headers have alike. */
static void put_common_head(const struct zip_entry *entry, bool zip64, bool sizes, uint8_t **at)
{
    uint16_t time, date;

    dos_time(entry->file->st.st_mtim.tv_sec, &time, &date);
    zip_put16(at, version_needed(entry, zip64));
    zip_put16(at, entry->flags);
    zip_put16(at, entry->method);
    zip_put16(at, time);
    zip_put16(at, date);
    zip_put32(at, sizes ? entry->crc : 0);
    zip_put32(at, zip64 ? ZIP_MAX32 : sizes ? (uint32_t) entry->packed : 0);
    zip_put32(at, zip64 ? ZIP_MAX32 : sizes ? (uint32_t) entry->size : 0);
    zip_put16(at, (uint32_t) strlen(entry->name));
}

static int write_local(struct zip_writer *writer, struct zip_entry *entry)
{
    bool sizes = (entry->flags & ZIP_FLAG_DESCRIPTOR) == 0;
    uint8_t head[ZIP_LOCAL_SIZE], extras[EXTRAS_MAX], *at = head, *extra = extras;
    int r;

    entry->offset = writer->pack->bytes;
    if (entry->zip64) {
        zip_put16(&extra, ZIP_EXTRA_ZIP64);
        zip_put16(&extra, 16);
        zip_put64(&extra, sizes ? entry->size : 0);
        zip_put64(&extra, sizes ? entry->packed : 0);
    }
    put_common_extras(entry, &extra);
    zip_put32(&at, ZIP_LOCAL);
    put_common_head(entry, entry->zip64, sizes, &at);
    zip_put16(&at, (uint32_t) (extra - extras));
    r = pack_out(writer->pack, head, sizeof(head));
    if (r == 0)
        r = pack_out(writer->pack, entry->name, strlen(entry->name));
    return r < 0 ? r : pack_out(writer->pack, extras, (size_t) (extra - extras));
}

static int write_descriptor(struct zip_writer *writer, const struct zip_entry *entry)
{
    uint8_t descriptor[24], *at = descriptor;

    zip_put32(&at, ZIP_DESCRIPTOR);
    zip_put32(&at, entry->crc);
    if (entry->zip64) {
        zip_put64(&at, entry->packed);
        zip_put64(&at, entry->size);
    } else {
        zip_put32(&at, (uint32_t) entry->packed);
        zip_put32(&at, (uint32_t) entry->size);
    }
    return pack_out(writer->pack, descriptor, (size_t) (at - descriptor));
}

static int add_central(struct zip_writer *writer, const struct zip_entry *entry)
{
    bool sizes64 = entry->size >= ZIP_MAX32 || entry->packed >= ZIP_MAX32;
    bool offset64 = entry->offset >= ZIP_MAX32;
    uint8_t head[ZIP_CENTRAL_SIZE], extras[EXTRAS_MAX], *at = head, *extra = extras;
    mode_t mode = entry->file->st.st_mode;

    if (sizes64 || offset64) {
        zip_put16(&extra, ZIP_EXTRA_ZIP64);
        zip_put16(&extra, (sizes64 ? 16u : 0) + (offset64 ? 8u : 0));
        if (sizes64) {
            zip_put64(&extra, entry->size);
            zip_put64(&extra, entry->packed);
        }
        if (offset64)
            zip_put64(&extra, entry->offset);
    }
    put_common_extras(entry, &extra);
    zip_put32(&at, ZIP_CENTRAL);
    zip_put16(&at, ZIP_HOST_UNIX << 8 | version_needed(entry, sizes64 || offset64));
    put_common_head(entry, sizes64, true, &at);
    zip_put16(&at, (uint32_t) (extra - extras));
    zip_put16(&at, 0); /* comment */
    zip_put16(&at, 0); /* disk */
    zip_put16(&at, 0); /* internal attributes */
    zip_put32(&at, (uint32_t) mode << 16 | (S_ISDIR(mode) ? 0x10 : 0));
    zip_put32(&at, offset64 ? ZIP_MAX32 : (uint32_t) entry->offset);
    buf_add(&writer->central, head, sizeof(head));
    buf_add_str(&writer->central, entry->name);
    buf_add(&writer->central, extras, (size_t) (extra - extras));
    writer->entries++;
    return buf_error(&writer->central) < 0
               ? error_errno(writer->pack->err, buf_error(&writer->central), "archive")
               : 0;
}

/* All of what is in memory, sizes first. */
static int write_whole(struct zip_writer *writer, struct zip_entry *entry, const void *data,
                       size_t len)
{
    const void *out = data;
    size_t out_len = len;
    int r = 0;

    entry->crc = libdeflate_crc32(0, data, len);
    entry->size = len;
    if (writer->codec && len > 0 && S_ISREG(entry->file->st.st_mode)) {
        r = codec_compress(writer->codec, data, len, true, true, &out, &out_len);
        if (r < 0)
            return error_errno(writer->pack->err, r, "%s: compressing", entry->file->path);
        entry->method = out_len < len ? writer->method : ZIP_STORED;
    }
    if (entry->method == ZIP_STORED) {
        out = data;
        out_len = len;
    }
    entry->packed = out_len;
    r = write_local(writer, entry);
    if (r == 0)
        r = pack_out(writer->pack, out, out_len);
    return r < 0 ? r : add_central(writer, entry);
}

/* Would this piece shrink? */
static int try_piece(struct zip_writer *writer, const struct zip_entry *entry, const void *data,
                     size_t len, bool *ret)
{
    const void *out;
    size_t out_len;
    int r = codec_compress(writer->codec, data, len, true, true, &out, &out_len);

    *ret = out_len < len - len / 64;
    return r < 0 ? error_errno(writer->pack->err, r, "%s: compressing", entry->file->path) : 0;
}

/* What a long file's header says comes before most of its data: its beginning and its middle tell
 * whether it is worth compressing. writer->piece has the beginning before and after. */
static int choose_method(struct zip_writer *writer, struct zip_entry *entry)
{
    off_t middle = entry->file->st.st_size / 2;
    autofree uint8_t *sample = NULL;
    bool shrinks = false;
    ssize_t n;
    int r;

    if (!writer->codec)
        return 0;
    r = try_piece(writer, entry, writer->piece, CODEC_PIECE, &shrinks);
    if (r == 0 && !shrinks) {
        sample = mem_alloc(CODEC_PIECE);
        if (!sample)
            return error_errno(writer->pack->err, -ENOMEM, "archive");
        n = io_pread(entry->file->fd, sample, CODEC_PIECE, middle);
        if (n > 0)
            r = try_piece(writer, entry, sample, (size_t) n, &shrinks);
    }
    entry->method = shrinks ? writer->method : ZIP_STORED;
    return r;
}

static int write_piece(struct zip_writer *writer, struct zip_entry *entry, size_t len, bool last)
{
    bool first = entry->size == 0;
    const void *out = writer->piece;
    size_t out_len = len;

    entry->crc = libdeflate_crc32(entry->crc, writer->piece, len);
    if (entry->method != ZIP_STORED) {
        int r = codec_compress(writer->codec, writer->piece, len, first, last, &out, &out_len);

        if (r < 0)
            return error_errno(writer->pack->err, r, "%s: compressing", entry->file->path);
    }
    entry->size += len;
    entry->packed += out_len;
    return pack_out(writer->pack, out, out_len);
}

/* A file of more than a piece, of which the first is in writer->piece. It may become shorter while it
 * is read; what is added to it is not followed, or a log that grows would have no end. */
static int write_pieces(struct zip_writer *writer, struct zip_entry *entry)
{
    uint64_t left = (uint64_t) entry->file->st.st_size - CODEC_PIECE;
    ssize_t n = (ssize_t) CODEC_PIECE;
    int r;

    entry->flags |= ZIP_FLAG_DESCRIPTOR;
    entry->zip64 = (uint64_t) entry->file->st.st_size >= ZIP64_FROM;
    r = choose_method(writer, entry);
    if (r == 0)
        r = write_local(writer, entry);
    while (r == 0) {
        bool last = left == 0 || (size_t) n < CODEC_PIECE;

        r = write_piece(writer, entry, (size_t) n, last);
        if (r < 0 || last)
            break;
        n = pack_file_read(writer->pack, entry->file, writer->piece, MIN(left, CODEC_PIECE));
        if (n < 0)
            return (int) n;
        left -= (uint64_t) n;
    }
    if (r == 0 && entry->method == ZIP_ZSTD)
        r = pack_out_slack(writer->pack, entry->size, &entry->packed);
    if (r == 0)
        r = write_descriptor(writer, entry);
    return r < 0 ? r : add_central(writer, entry);
}

static int write_regular(struct zip_writer *writer, struct zip_entry *entry)
{
    uint64_t size = (uint64_t) entry->file->st.st_size;
    ssize_t n = pack_file_read(writer->pack, entry->file, writer->piece, MIN(size, CODEC_PIECE));

    if (n < 0)
        return (int) n;
    if (size > CODEC_PIECE && (size_t) n == CODEC_PIECE)
        return write_pieces(writer, entry);
    return write_whole(writer, entry, writer->piece, (size_t) n);
}

static int write_file(struct zip_writer *writer, const struct pack_file *file)
{
    bool folder = S_ISDIR(file->st.st_mode);
    autofree char *name = mem_printf("%s%s", file->path, folder ? "/" : "");
    struct zip_entry entry = { .file = file, .name = name, .method = ZIP_STORED };

    if (!name)
        return error_errno(writer->pack->err, -ENOMEM, "archive");
    if (utf8_valid(name, strlen(name)))
        entry.flags |= ZIP_FLAG_UTF8;
    if (file->fd >= 0)
        return write_regular(writer, &entry);
    return write_whole(writer, &entry, file->target ? file->target : "",
                       file->target ? strlen(file->target) : 0);
}

static void put_zip64_end(const struct zip_writer *writer, uint64_t central, uint64_t end,
                          uint8_t **at)
{
    zip_put32(at, ZIP64_END);
    zip_put64(at, ZIP64_END_SIZE - 12);
    zip_put16(at, ZIP_HOST_UNIX << 8 | 45);
    zip_put16(at, 45);
    zip_put32(at, 0);
    zip_put32(at, 0);
    zip_put64(at, writer->entries);
    zip_put64(at, writer->entries);
    zip_put64(at, writer->central.len);
    zip_put64(at, central);
    zip_put32(at, ZIP64_LOCATOR);
    zip_put32(at, 0);
    zip_put64(at, end);
    zip_put32(at, 1);
}

static int write_end(struct zip_writer *writer)
{
    uint64_t central = writer->pack->bytes;
    uint8_t records[ZIP64_END_SIZE + ZIP64_LOCATOR_SIZE + ZIP_END_SIZE], *at = records;
    uint32_t count = (uint32_t) MIN(writer->entries, ZIP_MAX16);
    int r = pack_out(writer->pack, buf_str(&writer->central), writer->central.len);

    if (r < 0)
        return r;
    if (writer->entries >= ZIP_MAX16 || central >= ZIP_MAX32 || writer->central.len >= ZIP_MAX32)
        put_zip64_end(writer, central, writer->pack->bytes, &at);
    zip_put32(&at, ZIP_END);
    zip_put16(&at, 0);
    zip_put16(&at, 0);
    zip_put16(&at, count);
    zip_put16(&at, count);
    zip_put32(&at, (uint32_t) MIN(writer->central.len, ZIP_MAX32));
    zip_put32(&at, (uint32_t) MIN(central, ZIP_MAX32));
    zip_put16(&at, 0);
    return pack_out(writer->pack, records, (size_t) (at - records));
}

static int choose_codec(struct zip_writer *writer)
{
    /* By enum pack_level: job-execution.md 6.6. 0 stores; zstd's are those of its own library that
     * are about as fast as the peer's names for them promise. */
    static const int deflate[] = { 0, 1, 5, 7, 9 }, zstd[] = { 3, 1, 3, 7, 11 };
    const struct pack_request *request = writer->pack->request;
    bool is_zstd = request->format == FORMAT_ZIPZSTD;
    int level = (is_zstd ? zstd : deflate)[request->level];

    writer->piece = mem_alloc(CODEC_PIECE);
    writer->method = is_zstd ? ZIP_ZSTD : ZIP_DEFLATED;
    if (level > 0)
        writer->codec = codec_new(is_zstd ? CODEC_ZSTD : CODEC_DEFLATE, level);
    if (!writer->piece || (level > 0 && !writer->codec))
        return error_errno(writer->pack->err, -ENOMEM, "archive");
    return 0;
}

int pack_zip(struct pack *pack)
{
    struct zip_writer writer = { .pack = pack, .central = { .max = CENTRAL_MAX } };
    const struct selection *selection = pack->request->selection;
    int r = choose_codec(&writer);

    for (size_t i = 0; r == 0 && i < selection->n_paths; i++) {
        struct pack_file file;
        bool there;

        r = pack_file_open(pack, selection->paths[i], &file, &there);
        if (r == 0 && there)
            r = write_file(&writer, &file);
        pack_file_close(&file);
    }
    if (r == 0)
        r = write_end(&writer);
    codec_free(writer.codec);
    free(writer.piece);
    buf_done(&writer.central);
    return r;
}
