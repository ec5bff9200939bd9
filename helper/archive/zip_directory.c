/* helper/archive/zip_directory.c - from the end of the file to the directory, from there to each local
 * header. Whatever is said twice must be said alike, and no byte belongs to two entries.
 */
#include "helper/archive/zip_directory.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>
#include <sys/stat.h>

#include "core/base/io.h"
#include "core/base/mem.h"
#include "core/base/str.h"
#include "helper/archive/zip.h"

#define COMMENT_MAX 65535
/* What an entry's record has beside its name: an archive of the most entries and longest names, with
 * the extra fields that are usual. */
#define RECORD_MAX 256

struct reading {
    int fd;
    uint64_t file_size;
    uint64_t central, central_size, count; /* the directory: where, how long, how many */
    uint64_t end;                          /* where the records behind it begin */
    struct zip_directory *directory;
    struct error *err;
};

static int bad(struct reading *reading, const char *what)
{
    return error_set(reading->err, -EBADMSG, "the zip is damaged: %s", what);
}

/* All of it, or an error. */
static int read_at(struct reading *reading, uint64_t offset, void *data, size_t len)
{
    size_t have = 0;

    if (offset > reading->file_size || len > reading->file_size - offset)
        return bad(reading, "something should be behind its end");
    while (have < len) {
        ssize_t n =
            io_pread(reading->fd, (char *) data + have, len - have, (off_t) (offset + have));

        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return error_errno(reading->err, -errno, "archive");
        if (n == 0)
            return bad(reading, "it ends too early");
        have += (size_t) n;
    }
    return 0;
}

/* The record at the end: the last that, with its comment, ends with the file. */
static int find_end(struct reading *reading, uint8_t record[ZIP_END_SIZE], uint64_t *ret_at)
{
    size_t len = (size_t) MIN(reading->file_size, ZIP_END_SIZE + COMMENT_MAX);
    autofree uint8_t *tail = mem_alloc(MAX(len, 1));
    int r;

    if (!tail)
        return error_errno(reading->err, -ENOMEM, "archive");
    r = read_at(reading, reading->file_size - len, tail, len);
    if (r < 0)
        return r;
    for (size_t at = len - MIN(len, ZIP_END_SIZE) + 1; len >= ZIP_END_SIZE && at-- > 0;) {
        if (zip_get32(tail + at) != ZIP_END || at + ZIP_END_SIZE + zip_get16(tail + at + 20) != len)
            continue;
        memcpy(record, tail + at, ZIP_END_SIZE);
        *ret_at = reading->file_size - len + at;
        return 0;
    }
    return error_set(reading->err, -EBADMSG,
                     "the archive is neither zip nor tar+zstd, or its end is missing");
}

/* What the small record has no room for. */
static int read_zip64_end(struct reading *reading, uint64_t end_at)
{
    uint8_t locator[ZIP64_LOCATOR_SIZE] = { 0 }, end[ZIP64_END_SIZE] = { 0 };
    uint64_t at;
    int r;

    if (end_at < ZIP64_LOCATOR_SIZE)
        return bad(reading, "its Zip64 records are missing");
    r = read_at(reading, end_at - ZIP64_LOCATOR_SIZE, locator, sizeof(locator));
    if (r < 0)
        return r;
    if (zip_get32(locator) != ZIP64_LOCATOR || zip_get32(locator + 4) != 0 ||
        zip_get32(locator + 16) > 1)
        return bad(reading, "its Zip64 records are missing");
    at = zip_get64(locator + 8);
    r = read_at(reading, at, end, sizeof(end));
    if (r < 0)
        return r;
    if (zip_get32(end) != ZIP64_END || zip_get64(end + 4) < ZIP64_END_SIZE - 12 ||
        zip_get64(end + 4) > end_at - ZIP64_LOCATOR_SIZE - at - 12 || zip_get32(end + 16) != 0 ||
        zip_get32(end + 20) != 0 || zip_get64(end + 24) != zip_get64(end + 32))
        return bad(reading, "its Zip64 records contradict themselves");
    reading->count = zip_get64(end + 32);
    reading->central_size = zip_get64(end + 40);
    reading->central = zip_get64(end + 48);
    reading->end = at;
    return 0;
}

static int find_directory(struct reading *reading)
{
    uint8_t end[ZIP_END_SIZE] = { 0 };
    uint64_t end_at = 0;
    int r = find_end(reading, end, &end_at);

    if (r < 0)
        return r;
    if (zip_get16(end + 4) != 0 || zip_get16(end + 6) != 0 ||
        zip_get16(end + 8) != zip_get16(end + 10))
        return bad(reading, "it is a part of several");
    reading->count = zip_get16(end + 10);
    reading->central_size = zip_get32(end + 12);
    reading->central = zip_get32(end + 16);
    reading->end = end_at;
    if (reading->count == ZIP_MAX16 || reading->central_size == ZIP_MAX32 ||
        reading->central == ZIP_MAX32)
        r = read_zip64_end(reading, end_at);
    if (r < 0)
        return r;
    if (reading->central > reading->end || reading->end - reading->central != reading->central_size)
        return bad(reading, "its directory is not where it should be");
    return 0;
}

const uint8_t *zip_extra_find(const uint8_t *extra, size_t extra_len, uint16_t id, size_t len,
                              size_t *ret_len)
{
    while (extra_len >= 4) {
        size_t field = zip_get16(extra + 2);

        if (field > extra_len - 4)
            return NULL;
        if (zip_get16(extra) == id && field >= len) {
            *ret_len = field;
            return extra + 4;
        }
        extra += 4 + field;
        extra_len -= 4 + field;
    }
    return NULL;
}

/* The next of the 64-bit numbers, for a field that has no room for it. */
static bool take64(const uint8_t **at, size_t *left, uint64_t *value)
{
    if (*value != ZIP_MAX32)
        return true;
    if (*left < 8)
        return false;
    *value = zip_get64(*at);
    *at += 8;
    *left -= 8;
    return true;
}

static int widen(struct reading *reading, struct zip_item *item)
{
    size_t left = 0;
    const uint8_t *at = zip_extra_find(item->extra, item->extra_len, ZIP_EXTRA_ZIP64, 0, &left);

    /* Without the field the numbers are what they are. */
    if (at && (!take64(&at, &left, &item->size) || !take64(&at, &left, &item->packed) ||
               !take64(&at, &left, &item->offset)))
        return bad(reading, "a Zip64 field is too short");
    return 0;
}

/* One record of the directory; *ret_len is how long it is. */
static int read_record(struct reading *reading, const uint8_t *at, size_t left,
                       struct zip_item *item, size_t *ret_len)
{
    uint16_t comment_len;

    if (left < ZIP_CENTRAL_SIZE || zip_get32(at) != ZIP_CENTRAL)
        return bad(reading, "its directory has fewer entries than it says");
    *item = (struct zip_item) {
        .name = (const char *) at + ZIP_CENTRAL_SIZE,
        .name_len = zip_get16(at + 28),
        .flags = zip_get16(at + 8),
        .method = zip_get16(at + 10),
        .host = at[5],
        .crc = zip_get32(at + 16),
        .packed = zip_get32(at + 20),
        .size = zip_get32(at + 24),
        .attributes = zip_get32(at + 38),
        .offset = zip_get32(at + 42),
        .extra_len = zip_get16(at + 30),
    };
    comment_len = zip_get16(at + 32);
    *ret_len = (size_t) ZIP_CENTRAL_SIZE + item->name_len + item->extra_len + comment_len;
    if (*ret_len > left)
        return bad(reading, "an entry of its directory is cut off");
    item->extra = at + ZIP_CENTRAL_SIZE + item->name_len;
    return widen(reading, item);
}

static int read_records(struct reading *reading)
{
    struct zip_directory *directory = reading->directory;
    size_t at = 0, size = (size_t) reading->central_size, len = 0;
    int r = 0;

    for (uint64_t i = 0; r == 0 && i < reading->count; i++, at += len)
        r = read_record(reading, directory->bytes + at, size - at,
                        &directory->items[directory->n_items++], &len);
    if (r == 0 && at != size)
        r = bad(reading, "its directory has more entries than it says");
    return r;
}

static int read_directory(struct reading *reading, uint64_t items_max, uint64_t names_max)
{
    struct zip_directory *directory = reading->directory;
    int r;

    if (reading->count > items_max)
        return error_set(reading->err, -EFBIG,
                         "the archive has more than %llu entries, which is the limit",
                         (unsigned long long) items_max);
    if (reading->count > reading->central_size / ZIP_CENTRAL_SIZE)
        return bad(reading, "its directory has fewer entries than it says");
    if (reading->central_size > names_max + reading->count * RECORD_MAX)
        return error_set(reading->err, -EFBIG,
                         "the names in the archive have more than %llu bytes, which is the limit",
                         (unsigned long long) names_max);
    directory->bytes = mem_alloc((size_t) reading->central_size + 1);
    directory->items = mem_array((size_t) reading->count + 1, sizeof(*directory->items));
    if (!directory->bytes || !directory->items)
        return error_errno(reading->err, -ENOMEM, "archive");
    r = read_at(reading, reading->central, directory->bytes, (size_t) reading->central_size);
    return r < 0 ? r : read_records(reading);
}

/* A local header's number, where it has one: sums and sizes may stand behind the data. */
static bool agrees(uint64_t local, uint64_t central, bool may_be_missing)
{
    return local == central || (may_be_missing && local == 0);
}

static int compare_sizes(struct reading *reading, const uint8_t *head, const uint8_t *extra,
                         size_t extra_len, const struct zip_item *item)
{
    bool later = item->flags & ZIP_FLAG_DESCRIPTOR;
    uint64_t packed = zip_get32(head + 18), size = zip_get32(head + 22);
    size_t left = 0;
    const uint8_t *at = zip_extra_find(extra, extra_len, ZIP_EXTRA_ZIP64, 0, &left);

    if (at && (!take64(&at, &left, &size) || !take64(&at, &left, &packed)))
        return bad(reading, "a Zip64 field is too short");
    if (!agrees(zip_get32(head + 14), item->crc, later) || !agrees(packed, item->packed, later) ||
        !agrees(size, item->size, later))
        return bad(reading, "an entry has two different sizes or sums");
    return 0;
}

/* The rest of a local header: name and extra fields. */
static int compare_rest(struct reading *reading, const uint8_t *head, struct zip_item *item)
{
    size_t extra_len = zip_get16(head + 28), len = item->name_len + extra_len;
    autofree char *rest = mem_alloc(len + 1);
    int r;

    if (!rest)
        return error_errno(reading->err, -ENOMEM, "archive");
    r = read_at(reading, item->offset + ZIP_LOCAL_SIZE, rest, len);
    if (r < 0)
        return r;
    if (memcmp(rest, item->name, item->name_len) != 0)
        return bad(reading, "an entry has two different names");
    item->data_at = item->offset + ZIP_LOCAL_SIZE + len;
    return compare_sizes(reading, head, (const uint8_t *) rest + item->name_len, extra_len, item);
}

static int compare_local(struct reading *reading, struct zip_item *item)
{
    const uint16_t flags = ZIP_FLAG_ENCRYPTED | ZIP_FLAG_DESCRIPTOR;
    uint8_t head[ZIP_LOCAL_SIZE] = { 0 };
    int r;

    if (item->offset > reading->central)
        return bad(reading, "an entry lies behind the directory");
    r = read_at(reading, item->offset, head, sizeof(head));
    if (r < 0)
        return r;
    if (zip_get32(head) != ZIP_LOCAL)
        return bad(reading, "an entry is not where the directory says");
    if (zip_get16(head + 26) != item->name_len)
        return bad(reading, "an entry has two different names");
    if (zip_get16(head + 8) != item->method || ((zip_get16(head + 6) ^ item->flags) & flags) != 0)
        return bad(reading, "an entry is compressed in two different ways");
    return compare_rest(reading, head, item);
}

static int by_offset(const void *a, const void *b)
{
    const struct zip_item *x = *(struct zip_item *const *) a, *y = *(struct zip_item *const *) b;

    return (x->offset > y->offset) - (x->offset < y->offset);
}

/* From the first to the last in the file: each ends before the next begins. */
static int check_extents(struct reading *reading, struct zip_item **sorted)
{
    for (size_t i = 0; i < reading->directory->n_items; i++) {
        struct zip_item *item = sorted[i];
        uint64_t next =
            i + 1 < reading->directory->n_items ? sorted[i + 1]->offset : reading->central;
        int r = compare_local(reading, item);

        if (r < 0)
            return r;
        if (item->data_at > next || item->packed > next - item->data_at)
            return bad(reading, "entries lie over each other");
    }
    return 0;
}

static int check_entries(struct reading *reading)
{
    struct zip_directory *directory = reading->directory;
    autofree struct zip_item **sorted = mem_array(directory->n_items + 1, sizeof(*sorted));

    if (!sorted)
        return error_errno(reading->err, -ENOMEM, "archive");
    for (size_t i = 0; i < directory->n_items; i++)
        sorted[i] = &directory->items[i];
    qsort(sorted, directory->n_items, sizeof(*sorted), by_offset);
    return check_extents(reading, sorted);
}

int zip_directory_read(int fd, uint64_t items_max, uint64_t names_max,
                       struct zip_directory *directory, struct error *err)
{
    struct reading reading = { .fd = fd, .directory = directory, .err = err };
    struct stat st;
    int r;

    *directory = (struct zip_directory) { 0 };
    if (fstat(fd, &st) < 0)
        return error_errno(err, -errno, "archive");
    if (!S_ISREG(st.st_mode))
        return error_set(err, -ESPIPE,
                         "the archive is no regular file: a zip is read from its end");
    reading.file_size = (uint64_t) st.st_size;
    r = find_directory(&reading);
    if (r == 0)
        r = read_directory(&reading, items_max, names_max);
    return r < 0 ? r : check_entries(&reading);
}

void zip_directory_done(struct zip_directory *directory)
{
    free(directory->items);
    free(directory->bytes);
    *directory = (struct zip_directory) { 0 };
}
