/* tests/unit/helper/archive/test_unpack.c - mirrors helper/archive/unpack*.c: what is extracted from a
 * zip, what is not, and that nothing is ever touched outside of the directory. Tar has a file of its
 * own. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/base/mem.h"
#include "core/base/str.h"
#include "helper/archive/beneath.h"
#include "helper/archive/unpack.h"
#include "helper/archive/zip.h"
#include "tests/harness/harness.h"
#include "tests/unit/helper/archive/made_zip.h"
#include "tests/unit/helper/archive/tree.h"

#define FILE_0644 (S_IFREG | 0644)

/* outer/in is what is extracted to; outer/out is what must stay as it is. */
struct place {
    char *outer, *in;
    int fd;
    struct said said;
    struct unpack_result result;
    struct error err;
};

static struct place place_new(void)
{
    struct place place = { .outer = harness_temp_dir() };

    tree_make(place.outer, "in/ out/ out/kept");
    place.in = harness_path(place.outer, "in");
    place.fd = tree_open(place.in);
    return place;
}

static void place_done(struct place *place)
{
    autofree char *kept = harness_read(place->outer, "out/kept"), *out = NULL;
    autofree char *out_dir = harness_path(place->outer, "out");

    assert_string_equal(kept, "out/kept");
    out = tree_list(out_dir);
    assert_string_equal(out, "kept");
    (void) close(place->fd);
    free(place->in);
    said_done(&place->said);
    harness_remove_dir(place->outer);
}
#define autoplace __attribute__((cleanup(place_done)))

static int extract_bytes(struct place *place, const struct buf *zip,
                         const struct unpack_limits *limits)
{
    autoclose int file = made_file(zip);
    const struct report report = said_report(&place->said);

    buf_clear(&place->said.text);
    place->err = (struct error) { 0 };
    return unpack_extract(file, place->fd, limits, &report, &place->result, &place->err);
}

static int extract(struct place *place, const struct made_entry *entries, size_t n)
{
    autobuf struct buf zip = BUF_INIT;

    made_zip(&zip, entries, n, NULL);
    return extract_bytes(place, &zip, NULL);
}

static void assert_good(struct place *place, const struct made_entry *entries, size_t n)
{
    if (extract(place, entries, n) < 0)
        fail_msg("%s", place->err.message);
}

static void assert_holds(const struct place *place, const char *want)
{
    autofree char *got = tree_list(place->in);

    assert_string_equal(got, want);
}

static void assert_said(const struct place *place, const char *what)
{
    if (!strstr(buf_str(&place->said.text), what))
        fail_msg("'%s' is not among: %s", what, buf_str(&place->said.text));
}

static void assert_refused(struct place *place, const struct buf *zip, int code, const char *why)
{
    int r = extract_bytes(place, zip, NULL);

    if (r != code)
        fail_msg("%s: got %d, %s", why, r, place->err.message);
    if (!strstr(place->err.message, why))
        fail_msg("'%s' is not in: %s", why, place->err.message);
    assert_holds(place, "");
}

/* With openat2() and without. */
static void in_both_ways(void (*test)(void))
{
    test();
    beneath_pretend_old_kernel(true);
    test();
    beneath_pretend_old_kernel(false);
}

static void names_that_lead_out(void)
{
    static const struct made_entry entries[] = {
        { "../../etc/cron.d/x", .data = "x" },
        { "/abs", .data = "x" },
        { "C:\\x", .data = "x" },
        { "a/../../b", .data = "x" },
        { "../out/kept", .data = "x" },
        { "a/..", .data = "x" },
        { "..", .data = "x" },
        { "D:x", .data = "x" },
        { "a\\b", .data = "x" },
        { "a\0b", 3, .data = "x" },
        { "good/./file", .data = "good" },
        { "fifo", .mode = S_IFIFO | 0644, .data = "x" },
        { "device", .mode = S_IFBLK | 0644, .data = "x" },
    };
    autoplace struct place place = place_new();
    autofree char *good = NULL;

    assert_good(&place, entries, ARRAY_LEN(entries));
    assert_holds(&place, "good good/file");
    assert_int_equal(place.result.entries, 1);
    assert_int_equal(place.result.refused, ARRAY_LEN(entries) - 1);
    assert_said(&place, "../../etc/cron.d/x: its name leads out of the directory, skipping");
    assert_said(&place, "/abs: its name is absolute");
    assert_said(&place, "C:\\x: its name has a backslash");
    assert_said(&place, "a/../../b: its name leads out");
    assert_said(&place, "D:x: its name begins with a drive");
    assert_said(&place, "its name has a zero byte");
    assert_said(&place, "fifo: it is neither file, folder nor link");
    good = harness_read(place.in, "good/file");
    assert_string_equal(good, "good");
}

static void test_hardening_20_names_that_lead_out(void **unused)
{
    (void) unused;
    in_both_ways(names_that_lead_out);
}

static void test_names_have_a_length(void **unused)
{
    autofree char *name = mem_zero(4098);
    struct made_entry entry = { name, .data = "x" };
    autoplace struct place place = place_new();

    (void) unused;
    for (int i = 0; i < 4097; i++)
        name[i] = i % 2 ? '/' : 'a';
    assert_good(&place, &entry, 1);
    assert_said(&place, "longer than 4,096 bytes");
    assert_holds(&place, "");
}

static void test_a_hundred_are_refused_one_more_is_all(void **unused)
{
    struct made_entry entries[102];
    autoplace struct place place = place_new();
    autobuf struct buf more = BUF_INIT;

    (void) unused;
    entries[0] = (struct made_entry) { "good", .data = "x" };
    for (size_t i = 1; i < ARRAY_LEN(entries); i++)
        entries[i] = (struct made_entry) { "/bad", .data = "x" };
    assert_good(&place, entries, 101);
    assert_holds(&place, "good");
    made_zip(&more, entries, 102, NULL);
    assert_int_equal(extract_bytes(&place, &more, NULL), -EBADMSG);
    assert_holds(&place, ""); /* the new "good" went with all else */
}

static void links_then_through_them(void)
{
    static const struct made_entry entries[] = {
        { "d", .mode = S_IFLNK | 0777, .data = "/" },
        { "d/etc/x", .mode = FILE_0644, .data = "x" },
        { "e", .mode = S_IFLNK | 0777, .data = "../out" },
        { "e/kept", .mode = FILE_0644, .data = "x" },
        { "f", .mode = S_IFLNK | 0777, .data = "f2" },
        { "f/x", .mode = FILE_0644, .data = "x" },
    };
    autoplace struct place place = place_new();

    assert_good(&place, entries, ARRAY_LEN(entries));
    assert_said(&place, "d: a link that leads out of the directory");
    assert_said(&place, "e: a link that leads out of the directory");
    assert_said(&place, "f: a folder is where the link should be");
    assert_holds(&place, "d d/etc d/etc/x e e/kept f f/x");
}

static void test_hardening_21_links_then_through_them(void **unused)
{
    (void) unused;
    in_both_ways(links_then_through_them);
}

/* What an earlier archive, or the job itself, left behind. */
static void links_that_are_there(void)
{
    static const struct made_entry entries[] = {
        { "d/kept", .mode = FILE_0644, .data = "x" },
        { "d/etc/x", .mode = FILE_0644, .data = "x" },
        { "e/new/x", .mode = FILE_0644, .data = "x" },
        { "file", .mode = FILE_0644, .data = "new" },
        { "g/", .mode = S_IFDIR | 0700 },
        { "l", .mode = S_IFLNK | 0777, .data = "file" },
    };
    autoplace struct place place = place_new();
    autofree char *file = NULL;
    struct stat st;

    tree_link(place.in, "d", "../out");
    tree_link(place.in, "e", "/");
    tree_link(place.in, "file", "../out/kept");
    tree_link(place.in, "g", "../out");
    tree_link(place.in, "l", "../out/kept");
    assert_good(&place, entries, ARRAY_LEN(entries));
    assert_said(&place, "d/kept: a link or a file is where its folder should be");
    assert_said(&place, "e/new/x: a link or a file is where its folder should be");
    assert_holds(&place, "d e file g l");
    assert_int_equal(fstatat(place.fd, "file", &st, AT_SYMLINK_NOFOLLOW), 0);
    assert_true(S_ISREG(st.st_mode));
    assert_int_equal(fstatat(place.fd, "g", &st, AT_SYMLINK_NOFOLLOW), 0);
    assert_int_equal(st.st_mode, S_IFDIR | 0700);
    file = harness_read(place.in, "l");
    assert_string_equal(file, "new");
}

static void test_hardening_21_links_that_are_there(void **unused)
{
    (void) unused;
    in_both_ways(links_that_are_there);
}

/* hardening.md Z1: only what leads out is refused. */
static void test_links_that_stay_inside_are_followed(void **unused)
{
    tree_need_openat2();

    static const struct made_entry entries[] = {
        { "lnk/x", .mode = FILE_0644, .data = "x" },
        { "lnk/", .mode = S_IFDIR | 0700 },
        { "lnk/sub/", .mode = S_IFDIR | 0700 },
    };
    autoplace struct place place = place_new();
    struct stat st;

    (void) unused;
    tree_make(place.in, "dir/ dir/sub/");
    tree_link(place.in, "lnk", "dir");
    assert_good(&place, entries, ARRAY_LEN(entries));
    assert_holds(&place, "dir dir/sub dir/x lnk");
    /* What has another name here keeps its mode. */
    assert_int_equal(fstatat(place.fd, "dir", &st, 0), 0);
    assert_int_equal(st.st_mode, S_IFDIR | 0755);
    assert_int_equal(fstatat(place.fd, "dir/sub", &st, 0), 0);
    assert_int_equal(st.st_mode, S_IFDIR | 0755);
}

static void test_hardening_22_links_of_links(void **unused)
{
    static const struct made_entry entries[] = {
        { "a/up", .mode = S_IFLNK | 0777, .data = ".." },
        { "a/e", .mode = S_IFLNK | 0777, .data = "up/up/.." },
        { "a/e/out/x", .mode = FILE_0644, .data = "x" },
        { "a/b/c", .mode = S_IFLNK | 0777, .data = "../../.." },
        { "a/b/d", .mode = S_IFLNK | 0777, .data = "../../x/./y/" },
        { "a/b/f", .mode = S_IFLNK | 0777, .data = "" },
    };
    autoplace struct place place = place_new();
    char target[64] = "";

    (void) unused;
    assert_good(&place, entries, ARRAY_LEN(entries));
    assert_said(&place, "a/e: a link that leads out");
    assert_said(&place, "a/b/c: a link that leads out");
    assert_said(&place, "a/b/f: a link that leads out");
    assert_holds(&place, "a a/b a/b/d a/e a/e/out a/e/out/x a/up");
    assert_true(readlinkat(place.fd, "a/b/d", target, sizeof(target) - 1) > 0);
    assert_string_equal(target, "../../x/./y/");
}

static void test_hardening_23_ratio(void **unused)
{
    autofree char *zeros = mem_zero(8 << 20);
    struct made_entry entry = { "bomb", .data = zeros, .len = 8 << 20, .method = ZIP_DEFLATED };
    struct unpack_limits limits = unpack_limits_default;
    autoplace struct place place = place_new();
    autobuf struct buf zip = BUF_INIT;

    (void) unused;
    made_zip(&zip, &entry, 1, NULL);
    /* A job's file of zeros is none. */
    assert_int_equal(extract_bytes(&place, &zip, NULL), 0);
    assert_holds(&place, "bomb");
    assert_int_equal(unlinkat(place.fd, "bomb", 0), 0);
    limits.ratio = 1000;
    assert_int_equal(extract_bytes(&place, &zip, &limits), -EFBIG);
    assert_string_equal(place.err.message, "the archive has more than 1000 bytes for each "
                                           "compressed one, which is the limit");
    assert_holds(&place, "");
}

static void test_hardening_23_total(void **unused)
{
    static const struct made_entry entries[] = {
        { "dir/", .mode = S_IFDIR | 0755 },
        { "dir/a", .data = "0123456789" },
        { "b/c/d", .data = "0123456789" },
    };
    struct unpack_limits limits = unpack_limits_default;
    autoplace struct place place = place_new();
    autobuf struct buf zip = BUF_INIT;

    (void) unused;
    tree_make(place.in, "b/ b/mine");
    made_zip(&zip, entries, ARRAY_LEN(entries), NULL);
    limits.total_bytes = 19;
    assert_int_equal(extract_bytes(&place, &zip, &limits), -EFBIG);
    assert_holds(&place, "b b/mine"); /* what was there stays */
    limits.total_bytes = 20;
    assert_int_equal(extract_bytes(&place, &zip, &limits), 0);
}

/* A million and one entries need no million and one headers to be refused. */
static void test_hardening_23_entries(void **unused)
{
    const uint64_t count = 1000001, size = count * ZIP_CENTRAL_SIZE;
    uint8_t records[ZIP64_END_SIZE + ZIP64_LOCATOR_SIZE + ZIP_END_SIZE] = { 0 }, *at = records;
    autoclose int file = open("/tmp", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
    autoplace struct place place = place_new();

    (void) unused;
    zip_put32(&at, ZIP64_END);
    zip_put64(&at, ZIP64_END_SIZE - 12);
    at = records + 24;
    zip_put64(&at, count);
    zip_put64(&at, count);
    zip_put64(&at, size);
    at = records + ZIP64_END_SIZE;
    zip_put32(&at, ZIP64_LOCATOR);
    at += 4;
    zip_put64(&at, size);
    zip_put32(&at, 1);
    zip_put32(&at, ZIP_END);
    at += 4;
    zip_put32(&at, 0xffffffff);
    zip_put32(&at, ZIP_MAX32);
    zip_put32(&at, ZIP_MAX32);
    assert_int_equal(pwrite(file, records, sizeof(records), (off_t) size), sizeof(records));
    assert_int_equal(unpack_extract(file, place.fd, NULL, NULL, NULL, &place.err), -EFBIG);
    assert_string_equal(place.err.message,
                        "the archive has more than 1000000 entries, which is the limit");
}

static void test_hardening_23_names(void **unused)
{
    static const struct made_entry entries[] = { { "aaaa", .data = "x" }, { "bbbb", .data = "x" } };
    struct unpack_limits limits = unpack_limits_default;
    autoplace struct place place = place_new();
    autobuf struct buf zip = BUF_INIT;

    (void) unused;
    made_zip(&zip, entries, ARRAY_LEN(entries), NULL);
    limits.names_bytes = 7;
    assert_int_equal(extract_bytes(&place, &zip, &limits), -EFBIG);
    assert_holds(&place, "");
}

static void test_hardening_23_overlapping(void **unused)
{
    static const struct made_entry same[] = {
        { "aa", .data = "0123456789012345678901234567890123456789" },
        { "aa", .data = "x", .offset_off = -72 },
    };
    static const struct made_entry into_next[] = {
        { "aa", .data = "0123456789", .packed_off = 1, .size_off = 1 },
        { "bb", .data = "x" },
    };
    static const struct made_entry into_directory[] = {
        { "aa", .data = "0123456789", .packed_off = 1, .size_off = 1 },
    };
    autoplace struct place place = place_new();
    autobuf struct buf zip = BUF_INIT;

    (void) unused;
    made_zip(&zip, same, 2, NULL);
    assert_refused(&place, &zip, -EBADMSG, "entries lie over each other");
    buf_clear(&zip);
    made_zip(&zip, into_next, 2, NULL);
    assert_refused(&place, &zip, -EBADMSG, "entries lie over each other");
    buf_clear(&zip);
    made_zip(&zip, into_directory, 1, NULL);
    assert_refused(&place, &zip, -EBADMSG, "entries lie over each other");
}

/* On a file system that tells them apart, X and x are two. */
static void test_hardening_24_duplicates(void **unused)
{
    static const struct made_entry entries[] = {
        { "X", .data = "first" },
        { "x", .data = "small" },
        { "X", .data = "second" },
        { "./X", .data = "third" },
    };
    autoplace struct place place = place_new();
    autofree char *first = NULL, *small = NULL;

    (void) unused;
    assert_good(&place, entries, ARRAY_LEN(entries));
    assert_said(&place, "warning: X: the archive has this name already, skipping");
    assert_said(&place, "warning: ./X: the archive has this name already, skipping");
    first = harness_read(place.in, "X");
    small = harness_read(place.in, "x");
    assert_string_equal(first, "first");
    assert_string_equal(small, "small");
}

static void test_hardening_25_two_names(void **unused)
{
    static const struct made_entry entry = { "aa", .local_name = "ab", .data = "x" };
    static const struct made_entry longer = { "aa", .local_name = "aab", .data = "x" };
    autoplace struct place place = place_new();
    autobuf struct buf zip = BUF_INIT;

    (void) unused;
    made_zip(&zip, &entry, 1, NULL);
    assert_refused(&place, &zip, -EBADMSG, "an entry has two different names");
    buf_clear(&zip);
    made_zip(&zip, &longer, 1, NULL);
    assert_refused(&place, &zip, -EBADMSG, "an entry has two different names");
}

static void test_what_is_there_is_replaced(void **unused)
{
    static const struct made_entry entries[] = {
        { "file", .mode = S_IFREG | 0640, .data = "new" },
        { "empty", .mode = FILE_0644, .data = "file now" },
        { "full", .mode = FILE_0644, .data = "x" },
        { "was/", .mode = S_IFDIR | 0755 },
        { "was/x", .mode = FILE_0644, .data = "x" },
        { "blocked/x", .mode = FILE_0644, .data = "x" },
        { "suid", .mode = S_IFREG | 07755, .data = "x" },
        { "dos", .data = "x" },
    };
    autoplace struct place place = place_new();
    autofree char *file = NULL, *empty = NULL;
    mode_t umask_before = umask(027);
    struct stat st;

    (void) unused;
    tree_make(place.in, "file empty/ full/ full/kept was blocked");
    assert_good(&place, entries, ARRAY_LEN(entries));
    (void) umask(umask_before);
    assert_said(&place, "full: a folder is in its place, skipping");
    assert_said(&place, "blocked/x: a link or a file is where its folder should be");
    assert_holds(&place, "blocked dos empty file full full/kept suid was was/x");
    file = harness_read(place.in, "file");
    assert_string_equal(file, "new");
    empty = harness_read(place.in, "empty");
    assert_string_equal(empty, "file now");
    assert_int_equal(fstatat(place.fd, "file", &st, 0), 0);
    assert_int_equal(st.st_mode, S_IFREG | 0640);
    assert_int_equal(fstatat(place.fd, "suid", &st, 0), 0);
    assert_int_equal(st.st_mode, S_IFREG | 0755);
    assert_int_equal(fstatat(place.fd, "dos", &st, 0), 0);
    assert_int_equal(st.st_mode, S_IFREG | 0640); /* the umask, where the archive says nothing */
}

static void test_data_that_is_damaged(void **unused)
{
    static const struct made_entry good = { "good", .data = "good" };
    const struct made_entry crc[] = { good, { "bad", .data = "x", .wrong_crc = true } };
    const struct made_entry size[] = {
        good, { "bad", .data = "xxxxxxxx", .method = ZIP_DEFLATED, .size_off = 1 }
    };
    const struct made_entry rest[] = {
        good, { "bad", .data = "xxxxxxxx", .method = ZIP_STORED, .size_off = -1 }
    };
    const struct made_entry early[] = {
        good, { "bad", .data = "xxxxxxxx", .method = ZIP_DEFLATED, .packed_off = -2 }
    };
    const struct made_entry *const cases[] = { crc, size, rest, early };
    autoplace struct place place = place_new();

    (void) unused;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        autobuf struct buf zip = BUF_INIT;

        made_zip(&zip, cases[i], 2, NULL);
        assert_refused(&place, &zip, -EBADMSG, "bad: its data in the archive is damaged");
    }
}

static void test_entries_that_cannot_be_read(void **unused)
{
    static const struct made_entry entries[] = {
        { "secret", .data = "x", .flags = ZIP_FLAG_ENCRYPTED },
        { "strange", .data = "x", .method = 12, .central_method = 12 },
        { "good", .data = "x" },
    };
    autoplace struct place place = place_new();

    (void) unused;
    assert_good(&place, entries, ARRAY_LEN(entries));
    assert_said(&place, "secret: it is encrypted");
    assert_said(&place, "strange: it is compressed by an unknown method");
    assert_holds(&place, "good");
}

static void test_a_link_has_a_length(void **unused)
{
    autofree char *target = mem_zero(4098);
    struct made_entry entry = { "l", .mode = S_IFLNK | 0777, .data = target };
    autoplace struct place place = place_new();
    autobuf struct buf zip = BUF_INIT;

    (void) unused;
    memset(target, 'a', 4097);
    made_zip(&zip, &entry, 1, NULL);
    assert_refused(&place, &zip, -EBADMSG, "a link in the archive is too long");
    entry.data = "a\0b";
    entry.len = 3;
    assert_good(&place, &entry, 1);
    assert_said(&place, "l: its target has a zero byte");
    assert_holds(&place, "");
}

static void test_gzip_is_not_extracted(void **unused)
{
    autoplace struct place place = place_new();
    autobuf struct buf bytes = BUF_INIT;

    (void) unused;
    buf_add(&bytes, "\x1f\x8b\x08\0\0\0\0\0", 8);
    assert_int_equal(extract_bytes(&place, &bytes, NULL), -ENOTSUP);
}

static int extract_something(void *arg)
{
    struct place *place = arg;
    static const struct made_entry entries[] = {
        { "a/", .mode = S_IFDIR | 0755 },
        { "a/b/c", .mode = FILE_0644, .data = "text text text text", .method = ZIP_DEFLATED },
        { "a/l", .mode = S_IFLNK | 0777, .data = "b/c" },
    };
    static int file = -1; /* made before anything fails */

    if (file < 0) {
        autobuf struct buf zip = BUF_INIT;

        made_zip(&zip, entries, ARRAY_LEN(entries), NULL);
        file = made_file(&zip);
    }
    return unpack_extract(file, place->fd, NULL, NULL, NULL, &place->err);
}

static void test_without_memory(void **unused)
{
    autoplace struct place place = place_new();

    (void) unused;
    harness_need_faults();
    assert_int_equal(extract_something(&place), 0);
    assert_true(harness_fail_each_allocation(extract_something, &place) > 5);
    assert_holds(&place, "a a/b a/b/c a/l");
}

static void test_each_call_failing(void **unused)
{
    autoplace struct place place = place_new();

    (void) unused;
    harness_need_faults();
    assert_int_equal(extract_something(&place), 0);
    assert_true(harness_try_each_call(extract_something, &place, EIO) > 5);
    assert_holds(&place, "a a/b a/b/c a/l");
    assert_true(harness_shorten_each_call(extract_something, &place) > 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_hardening_20_names_that_lead_out),
        cmocka_unit_test(test_names_have_a_length),
        cmocka_unit_test(test_a_hundred_are_refused_one_more_is_all),
        cmocka_unit_test(test_hardening_21_links_then_through_them),
        cmocka_unit_test(test_hardening_21_links_that_are_there),
        cmocka_unit_test(test_links_that_stay_inside_are_followed),
        cmocka_unit_test(test_hardening_22_links_of_links),
        cmocka_unit_test(test_hardening_23_ratio),
        cmocka_unit_test(test_hardening_23_total),
        cmocka_unit_test(test_hardening_23_entries),
        cmocka_unit_test(test_hardening_23_names),
        cmocka_unit_test(test_hardening_23_overlapping),
        cmocka_unit_test(test_hardening_24_duplicates),
        cmocka_unit_test(test_hardening_25_two_names),
        cmocka_unit_test(test_what_is_there_is_replaced),
        cmocka_unit_test(test_data_that_is_damaged),
        cmocka_unit_test(test_entries_that_cannot_be_read),
        cmocka_unit_test(test_a_link_has_a_length),
        cmocka_unit_test(test_gzip_is_not_extracted),
        cmocka_unit_test(test_without_memory),
        cmocka_unit_test(test_each_call_failing),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
