/* helper/archive/pack_gzip.c - each file a gzip member of its own, and the one file that is sent as it
 * is. Neither can be extracted by the helper.
 */
#include <ctype.h>
#include <errno.h>
#include <libdeflate.h>
#include <string.h>

#include "core/base/mem.h"
#include "core/base/str.h"
#include "helper/archive/codec.h"
#include "helper/archive/pack_internal.h"
#include "helper/archive/zip.h"

#define GZIP_NAME 0x08
#define GZIP_COMMENT 0x10

/* A file's pieces, one after the other, to `piece`. */
static int each_piece(struct pack *pack, const struct pack_file *file, void *data,
                      int (*piece)(void *ctx, const void *data, size_t len, bool first, bool last),
                      void *ctx)
{
    uint64_t left = (uint64_t) file->st.st_size;
    bool first = true, last;
    int r;

    do {
        ssize_t n = pack_file_read(pack, file, data, MIN(left, CODEC_PIECE));

        if (n < 0)
            return (int) n;
        left -= (uint64_t) n;
        last = left == 0 || (size_t) n < CODEC_PIECE;
        r = piece(ctx, data, (size_t) n, first, last);
        first = false;
    } while (r == 0 && !last);
    return r;
}

/* gzip's texts are Latin-1: others are marked and percent-encoded. */
static void add_text(struct buf *head, const char *text)
{
    static const char plain[] = "-._~/";
    const char *at = text;

    while ((unsigned char) *at >= 0x20 && (unsigned char) *at < 0x7f && *at != '%')
        at++;
    if (!*at) {
        buf_add(head, text, strlen(text) + 1);
        return;
    }
    buf_add_str(head, "e:");
    for (at = text; *at; at++) {
        unsigned char c = (unsigned char) *at;

        if (isalnum(c) || strchr(plain, c))
            buf_add_char(head, *at);
        else
            buf_addf(head, "%%%02X", c);
    }
    buf_add_char(head, '\0');
}

struct member {
    struct pack *pack;
    struct codec *codec;
    const struct pack_file *file;
    uint32_t crc, size;
};

static int write_head(struct member *member)
{
    const char *path = member->file->path, *slash = strrchr(path, '/');
    time_t mtime = member->file->st.st_mtim.tv_sec;
    uint8_t fixed[10] = { 0x1f, 0x8b, 8, GZIP_NAME | GZIP_COMMENT, [9] = 255 /* no system */ };
    uint8_t *at = fixed + 4;
    autobuf struct buf head = BUF_INIT;

    zip_put32(&at, mtime > 0 && mtime <= UINT32_MAX ? (uint32_t) mtime : 0);
    buf_add(&head, fixed, sizeof(fixed));
    add_text(&head, slash ? slash + 1 : path);
    add_text(&head, path);
    if (buf_error(&head) < 0)
        return error_errno(member->pack->err, buf_error(&head), "archive");
    return pack_out(member->pack, buf_str(&head), head.len);
}

static int write_piece(void *ctx, const void *data, size_t len, bool first, bool last)
{
    struct member *member = ctx;
    const void *out;
    size_t out_len;
    int r = codec_compress(member->codec, data, len, first, last, &out, &out_len);

    if (r < 0)
        return error_errno(member->pack->err, r, "%s: compressing", member->file->path);
    member->crc = libdeflate_crc32(member->crc, data, len);
    member->size += (uint32_t) len;
    return pack_out(member->pack, out, out_len);
}

static int write_member(struct pack *pack, struct codec *codec, const struct pack_file *file,
                        void *piece)
{
    struct member member = { pack, codec, file, 0, 0 };
    uint8_t tail[8], *at = tail;
    int r = write_head(&member);

    if (r == 0)
        r = each_piece(pack, file, piece, write_piece, &member);
    zip_put32(&at, member.crc);
    zip_put32(&at, member.size);
    return r < 0 ? r : pack_out(pack, tail, sizeof(tail));
}

/* Opens the n-th selected path, which must be a file. */
static int open_regular(struct pack *pack, size_t n, struct pack_file *file, bool *ret_there)
{
    int r = pack_file_open(pack, pack->request->selection->paths[n], file, ret_there);

    if (r == 0 && *ret_there && file->fd < 0)
        return error_set(pack->err, -EISDIR, "%s: only regular files can be sent as %s", file->path,
                         pack->request->format == FORMAT_RAW ? "raw" : "gzip");
    return r;
}

int pack_gzip(struct pack *pack)
{
    static const int levels[] = { 1, 1, 5, 7, 9 }; /* by enum pack_level */
    auto_ptr(codec_free) struct codec *codec =
        codec_new(CODEC_DEFLATE, levels[pack->request->level]);
    autofree uint8_t *piece = mem_alloc(CODEC_PIECE);
    int r = codec && piece ? 0 : error_errno(pack->err, -ENOMEM, "archive");

    for (size_t i = 0; r == 0 && i < pack->request->selection->n_paths; i++) {
        struct pack_file file;
        bool there;

        r = open_regular(pack, i, &file, &there);
        if (r == 0 && there)
            r = write_member(pack, codec, &file, piece);
        pack_file_close(&file);
    }
    return r;
}

static int write_raw(void *ctx, const void *data, size_t len, bool first, bool last)
{
    (void) first;
    (void) last;
    return pack_out(ctx, data, len);
}

int pack_raw(struct pack *pack)
{
    autofree uint8_t *piece = mem_alloc(CODEC_PIECE);
    struct pack_file file;
    bool there;
    int r;

    if (!piece)
        return error_errno(pack->err, -ENOMEM, "archive");
    if (pack->request->selection->n_paths != 1)
        return error_set(pack->err, -EINVAL, "only one file can be sent as raw");
    r = open_regular(pack, 0, &file, &there);
    if (r == 0 && there)
        r = each_piece(pack, &file, piece, write_raw, pack);
    else if (r == 0)
        r = error_set(pack->err, -ENOENT, "%s: vanished before it was sent", file.path);
    pack_file_close(&file);
    return r;
}
