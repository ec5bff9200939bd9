/* tests/unit/helper/archive/made_zip.c - see the header. */
#include "tests/unit/helper/archive/made_zip.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>
#include <sys/mman.h>
#include <zlib.h>

#include "core/base/fs.h"
#include "core/base/mem.h"
#include "core/base/str.h"
#include "helper/archive/zip.h"

struct packed {
    struct buf data;
    uint32_t crc;
    size_t size;
};

static void pack(const struct made_entry *entry, struct packed *packed)
{
    const char *data = entry->data ? entry->data : "";
    z_stream stream = { 0 };

    packed->data = (struct buf) { .max = SIZE_MAX / 2 };
    packed->size = entry->len ? entry->len : strlen(data);
    packed->crc = (uint32_t) crc32(0, (const Bytef *) data, (uInt) packed->size);
    packed->crc ^= entry->wrong_crc;
    if (entry->method != ZIP_DEFLATED) {
        buf_add(&packed->data, data, packed->size);
        return;
    }
    assert_int_equal(deflateInit2(&stream, 9, Z_DEFLATED, -15, 9, 0), Z_OK);
    assert_int_equal(buf_reserve(&packed->data, deflateBound(&stream, packed->size)), 0);
    stream.next_in = (Bytef *) (uintptr_t) data;
    stream.avail_in = (uInt) packed->size;
    stream.next_out = (Bytef *) packed->data.data;
    stream.avail_out = (uInt) deflateBound(&stream, packed->size);
    assert_int_equal(deflate(&stream, Z_FINISH), Z_STREAM_END);
    packed->data.len = stream.total_out;
    (void) deflateEnd(&stream);
}

static size_t name_len(const struct made_entry *entry)
{
    return entry->name_len ? entry->name_len : strlen(entry->name);
}

static void add_local(struct buf *out, const struct made_entry *entry, const struct packed *packed)
{
    const char *name = entry->local_name ? entry->local_name : entry->name;
    size_t len = entry->local_name ? strlen(name) : name_len(entry);
    uint8_t head[ZIP_LOCAL_SIZE], *at = head;

    zip_put32(&at, ZIP_LOCAL);
    zip_put16(&at, 20);
    zip_put16(&at, (uint32_t) (entry->flags ^ entry->local_flags));
    zip_put16(&at, entry->method);
    zip_put32(&at, 0);
    zip_put32(&at, packed->crc);
    zip_put32(&at, (uint32_t) ((int64_t) packed->data.len + entry->packed_off));
    zip_put32(&at, (uint32_t) ((int64_t) packed->size + entry->size_off + entry->local_size_off));
    zip_put16(&at, (uint32_t) len);
    zip_put16(&at, 0);
    buf_add(out, head, sizeof(head));
    buf_add(out, name, len);
    buf_add(out, buf_str(&packed->data), packed->data.len);
}

static void add_central(struct buf *out, const struct made_entry *entry,
                        const struct packed *packed, size_t offset)
{
    uint8_t head[ZIP_CENTRAL_SIZE], *at = head;

    zip_put32(&at, ZIP_CENTRAL);
    zip_put16(&at, entry->mode ? ZIP_HOST_UNIX << 8 | 20 : 20);
    zip_put16(&at, 20);
    zip_put16(&at, entry->flags);
    zip_put16(&at, entry->central_method ? entry->central_method : entry->method);
    zip_put32(&at, 0);
    zip_put32(&at, packed->crc);
    zip_put32(&at, (uint32_t) ((int64_t) packed->data.len + entry->packed_off));
    zip_put32(&at, (uint32_t) ((int64_t) packed->size + entry->size_off));
    zip_put16(&at, (uint32_t) name_len(entry));
    zip_put16(&at, (uint32_t) entry->extra_len);
    zip_put16(&at, 0);
    zip_put16(&at, 0);
    zip_put16(&at, 0);
    zip_put32(&at, entry->mode << 16);
    zip_put32(&at, (uint32_t) ((int64_t) offset + entry->offset_off));
    buf_add(out, head, sizeof(head));
    buf_add(out, entry->name, name_len(entry));
    buf_add(out, entry->extra, entry->extra_len);
}

static void add_end(struct buf *out, size_t central, size_t n, const struct made_quirks *quirks)
{
    size_t size = out->len - central, comment = quirks->comment ? strlen(quirks->comment) : 0;
    uint32_t count = (uint32_t) ((int64_t) n + quirks->count_off);
    uint8_t end[ZIP_END_SIZE], *at = end;

    zip_put32(&at, ZIP_END);
    zip_put32(&at, 0);
    zip_put16(&at, count);
    zip_put16(&at, count);
    zip_put32(&at, (uint32_t) ((int64_t) size + quirks->central_size_off));
    zip_put32(&at, (uint32_t) ((int64_t) central + quirks->central_off));
    zip_put16(&at, (uint32_t) comment);
    buf_add(out, end, sizeof(end));
    buf_add(out, quirks->comment ? quirks->comment : "", comment);
    out->len -= quirks->cut;
}

void made_zip(struct buf *out, const struct made_entry *entries, size_t n,
              const struct made_quirks *quirks)
{
    static const struct made_quirks none;
    autobuf struct buf central = { .max = SIZE_MAX / 2 };
    size_t begin;

    out->max = SIZE_MAX / 2;
    for (size_t i = 0; i < n; i++) {
        struct packed packed;
        size_t offset = out->len;

        pack(&entries[i], &packed);
        add_local(out, &entries[i], &packed);
        add_central(&central, &entries[i], &packed, offset);
        buf_done(&packed.data);
    }
    begin = out->len;
    buf_add(out, buf_str(&central), central.len);
    add_end(out, begin, n, quirks ? quirks : &none);
    assert_int_equal(buf_error(out), 0);
}

int made_file(const struct buf *bytes)
{
    int fd = memfd_create("archive", MFD_CLOEXEC);

    assert_true(fd >= 0);
    assert_int_equal(fs_write_all(fd, buf_str(bytes), bytes->len), 0);
    return fd;
}
