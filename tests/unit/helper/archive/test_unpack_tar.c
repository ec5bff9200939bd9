/* tests/unit/helper/archive/test_unpack_tar.c - mirrors helper/archive/unpack_tar.c: the rules of zips hold
 * for tar, which has more kinds of entries. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <archive.h>
#include <archive_entry.h>
#include <cmocka.h>
#include <errno.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/base/mem.h"
#include "core/base/str.h"
#include "helper/archive/beneath.h"
#include "helper/archive/unpack.h"
#include "tests/harness/harness.h"
#include "tests/unit/helper/archive/tree.h"

struct made {
    const char *name, *link, *hard, *data;
    mode_t mode;
    size_t zeros; /* instead of data */
};

static void write_entry(struct archive *tar, const struct made *made)
{
    struct archive_entry *entry = archive_entry_new();
    autofree char *zeros = mem_zero(made->zeros + 1);
    size_t len = made->zeros ? made->zeros : made->data ? strlen(made->data) : 0;

    archive_entry_copy_pathname(entry, made->name);
    archive_entry_set_mode(entry, made->mode ? made->mode : S_IFREG | 0644);
    archive_entry_set_size(entry, (la_int64_t) len);
    if (made->link)
        archive_entry_copy_symlink(entry, made->link);
    if (made->hard)
        archive_entry_copy_hardlink(entry, made->hard);
    assert_int_equal(archive_write_header(tar, entry), ARCHIVE_OK);
    if (len > 0)
        assert_int_equal(archive_write_data(tar, made->zeros ? zeros : made->data, len), len);
    archive_entry_free(entry);
}

static int make_tar(const struct made *made, size_t n)
{
    struct archive *tar = archive_write_new();
    int file = memfd_create("archive", MFD_CLOEXEC);

    assert_int_equal(archive_write_set_format_gnutar(tar), ARCHIVE_OK);
    assert_int_equal(archive_write_add_filter_zstd(tar), ARCHIVE_OK);
    assert_int_equal(archive_write_open_fd(tar, file), ARCHIVE_OK);
    for (size_t i = 0; i < n; i++)
        write_entry(tar, &made[i]);
    assert_int_equal(archive_write_free(tar), ARCHIVE_OK);
    return file;
}

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
    autofree char *kept = harness_read(place->outer, "out/kept");

    assert_string_equal(kept, "out/kept");
    (void) close(place->fd);
    free(place->in);
    said_done(&place->said);
    harness_remove_dir(place->outer);
}
#define autoplace __attribute__((cleanup(place_done)))

static int extract(struct place *place, const struct made *made, size_t n,
                   const struct unpack_limits *limits)
{
    autoclose int file = make_tar(made, n);
    const struct report report = said_report(&place->said);

    return unpack_extract(file, place->fd, limits, &report, &place->result, &place->err);
}

static void assert_said(const struct place *place, const char *what)
{
    if (!strstr(buf_str(&place->said.text), what))
        fail_msg("'%s' is not among: %s", what, buf_str(&place->said.text));
}

static void assert_holds(const struct place *place, const char *want)
{
    autofree char *got = tree_list(place->in);

    assert_string_equal(got, want);
}

static void test_hardening_22_links_of_links(void **unused)
{
    static const struct made entries[] = {
        { "a/up", .link = "..", .mode = S_IFLNK | 0777 },
        { "a/e", .link = "up/up/..", .mode = S_IFLNK | 0777 },
        { "a/e/out/kept", .data = "evil" },
        { "a/up/out/kept", .data = "evil" },
        { "d", .link = "../out", .mode = S_IFLNK | 0777 },
        { "d/kept", .data = "evil" },
    };

    (void) unused;
    for (int old = 0; old < 2; old++) {
        autoplace struct place place = place_new();

        beneath_pretend_old_kernel(old == 1);
        assert_int_equal(extract(&place, entries, ARRAY_LEN(entries), NULL), 0);
        beneath_pretend_old_kernel(false);
        assert_said(&place, "a/e: a link that leads out of the directory");
        assert_said(&place, "d: a link that leads out of the directory");
        assert_holds(&place, "a a/e a/e/out a/e/out/kept a/up a/up/out a/up/out/kept d d/kept");
    }
}

static void test_hardening_20_names_and_kinds(void **unused)
{
    static const struct made entries[] = {
        { "../x", .data = "x" },
        { "/abs", .data = "x" },
        { "fifo", .mode = S_IFIFO | 0644 },
        { "device", .mode = S_IFCHR | 0644 },
        { "good", .data = "good" },
        { "good", .data = "again" },
    };
    autoplace struct place place = place_new();

    (void) unused;
    assert_int_equal(extract(&place, entries, ARRAY_LEN(entries), NULL), 0);
    assert_said(&place, "../x: its name leads out of the directory");
    assert_said(&place, "/abs: its name is absolute");
    assert_said(&place, "fifo: it is neither file, folder nor link");
    assert_said(&place, "device: it is neither file, folder nor link");
    assert_said(&place, "good: the archive has this name already");
    assert_holds(&place, "good");
    assert_int_equal(place.result.refused, 5);
}

static void test_hard_links(void **unused)
{
    static const struct made entries[] = {
        { "d/file", .data = "x" },
        { "d/again", .hard = "./d/file" },
        { "over", .hard = "d/file" },
        { "outside", .hard = "../out/kept" },
        { "absolute", .hard = "/etc/passwd" },
        { "mine", .hard = "there" },
        { "via", .hard = "l/kept" },
    };
    autoplace struct place place = place_new();
    struct stat one, other;

    (void) unused;
    tree_make(place.in, "over there");
    tree_link(place.in, "l", "../out");
    assert_int_equal(extract(&place, entries, ARRAY_LEN(entries), NULL), 0);
    assert_int_equal(fstatat(place.fd, "d/file", &one, 0), 0);
    assert_int_equal(fstatat(place.fd, "d/again", &other, 0), 0);
    assert_int_equal(one.st_ino, other.st_ino);
    assert_int_equal(fstatat(place.fd, "over", &other, 0), 0);
    assert_int_equal(one.st_ino, other.st_ino);
    assert_said(&place, "outside: a hard link to what the archive has not brought before");
    assert_said(&place, "absolute: a hard link to what");
    assert_said(&place, "mine: a hard link to what");
    assert_said(&place, "via: a hard link to what");
    assert_holds(&place, "d d/again d/file l over there");
}

static void test_hardening_23_limits(void **unused)
{
    static const struct made zeros[] = { { "a", .zeros = 4 << 20 }, { "b", .data = "x" } };
    static const struct made refused[] = { { "/a", .zeros = 4 << 20 }, { "b", .data = "x" } };
    static const struct made three[] = { { "a", .data = "x" },
                                         { "b/c", .data = "y" },
                                         { "d", .data = "z" } };
    struct unpack_limits limits = unpack_limits_default;
    autoplace struct place place = place_new();

    (void) unused;
    assert_int_equal(extract(&place, zeros, 2, NULL), -EFBIG);
    assert_holds(&place, "");
    /* What is passed over counts. */
    assert_int_equal(extract(&place, refused, 2, NULL), -EFBIG);
    limits.entries = 2;
    assert_int_equal(extract(&place, three, 3, &limits), -EFBIG);
    assert_holds(&place, "");
    limits = unpack_limits_default;
    limits.names_bytes = 4;
    assert_int_equal(extract(&place, three, 3, &limits), -EFBIG);
    limits = unpack_limits_default;
    limits.total_bytes = 2;
    assert_int_equal(extract(&place, three, 3, &limits), -EFBIG);
    assert_holds(&place, "");
    limits.total_bytes = 3;
    assert_int_equal(extract(&place, three, 3, &limits), 0);
    assert_holds(&place, "a b b/c d");
}

static void test_damaged(void **unused)
{
    static const struct made entries[] = { { "a", .data = "some data" }, { "b", .data = "x" } };
    autoplace struct place place = place_new();
    autoclose int file = make_tar(entries, 2);
    struct stat st;

    (void) unused;
    assert_int_equal(fstat(file, &st), 0);
    assert_int_equal(ftruncate(file, st.st_size / 2), 0);
    assert_int_equal(unpack_extract(file, place.fd, NULL, NULL, NULL, &place.err), -EBADMSG);
    assert_true(str_starts(place.err.message, "the archive is damaged: "));
    assert_holds(&place, "");
}

static int extract_something(void *arg)
{
    static const struct made entries[] = {
        { "a/", .mode = S_IFDIR | 0755 },
        { "a/b/c", .data = "text" },
        { "a/h", .hard = "a/b/c" },
        { "a/l", .link = "b", .mode = S_IFLNK | 0777 },
    };
    struct place *place = arg;
    static int file = -1;

    if (file < 0)
        file = make_tar(entries, ARRAY_LEN(entries));
    return unpack_extract(file, place->fd, NULL, NULL, NULL, &place->err);
}

static void test_without_memory(void **unused)
{
    autoplace struct place place = place_new();

    (void) unused;
    harness_need_faults();
    assert_int_equal(extract_something(&place), 0);
    assert_true(harness_fail_each_allocation(extract_something, &place) > 5);
    assert_holds(&place, "a a/b a/b/c a/h a/l");
    assert_true(harness_try_each_call(extract_something, &place, EIO) > 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_hardening_22_links_of_links),
        cmocka_unit_test(test_hardening_20_names_and_kinds),
        cmocka_unit_test(test_hard_links),
        cmocka_unit_test(test_hardening_23_limits),
        cmocka_unit_test(test_damaged),
        cmocka_unit_test(test_without_memory),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
