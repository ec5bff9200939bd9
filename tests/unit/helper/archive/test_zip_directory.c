/* tests/unit/helper/archive/test_zip_directory.c - mirrors helper/archive/zip_directory.c: what
 * contradicts itself is refused as a whole (hardening.md Z6). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <unistd.h>

#include "core/base/str.h"
#include "helper/archive/zip.h"
#include "helper/archive/zip_directory.h"
#include "tests/harness/harness.h"
#include "tests/unit/helper/archive/made_zip.h"

static int read_zip(const struct buf *zip, size_t *ret_items, struct error *err)
{
    autoclose int file = made_file(zip);
    struct zip_directory directory;
    int r = zip_directory_read(file, 1000, 100000, &directory, err);

    *ret_items = directory.n_items;
    zip_directory_done(&directory);
    return r;
}

static void assert_bad(const struct buf *zip, const char *why)
{
    struct error err = { 0 };
    size_t items;

    if (read_zip(zip, &items, &err) != -EBADMSG)
        fail_msg("%s: taken", why);
    if (!strstr(err.message, why))
        fail_msg("'%s' is not in: %s", why, err.message);
}

static void test_good_ones(void **unused)
{
    static const struct made_entry entries[] = { { "a", .data = "x" }, { "b", .data = "y" } };
    static const struct made_quirks comment = { .comment = "a comment" };
    autobuf struct buf zip = BUF_INIT, commented = BUF_INIT, empty = BUF_INIT;
    struct error err = { 0 };
    size_t items;

    (void) unused;
    made_zip(&zip, entries, 2, NULL);
    assert_int_equal(read_zip(&zip, &items, &err), 0);
    assert_int_equal(items, 2);
    made_zip(&commented, entries, 2, &comment);
    assert_int_equal(read_zip(&commented, &items, &err), 0);
    made_zip(&empty, NULL, 0, NULL);
    assert_int_equal(read_zip(&empty, &items, &err), 0);
    assert_int_equal(items, 0);
}

static void test_ends_that_do_not_fit(void **unused)
{
    static const struct {
        struct made_quirks quirks;
        const char *why;
    } rows[] = {
        { { .count_off = -1 }, "has more entries than it says" },
        { { .count_off = 1 }, "has fewer entries than it says" },
        { { .central_off = 1 }, "not where it should be" },
        { { .central_off = -1 }, "not where it should be" },
        { { .central_size_off = 1 }, "not where it should be" },
        { { .central_size_off = -1 }, "not where it should be" },
        { { .central_off = -1, .central_size_off = 1 }, "fewer entries" },
        { { .comment = "", .cut = true }, "neither zip nor tar+zstd" },
    };
    static const struct made_entry entries[] = { { "a", .data = "x" }, { "b", .data = "y" } };

    (void) unused;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        autobuf struct buf zip = BUF_INIT;

        made_zip(&zip, entries, 2, &rows[i].quirks);
        assert_bad(&zip, rows[i].why);
    }
}

static void test_headers_that_disagree(void **unused)
{
    static const uint8_t short_zip64[] = { 0x01, 0, 4, 0, 1, 2, 3, 4 };
    static const struct {
        struct made_entry entry;
        const char *why;
    } rows[] = {
        { { "a", .data = "x", .offset_off = 1 }, "is not where the directory says" },
        { { "a", .data = "x", .offset_off = 100000 }, "behind the directory" },
        { { "a", .data = "x", .local_size_off = 1 }, "two different sizes" },
        { { "a", .data = "x", .local_flags = ZIP_FLAG_DESCRIPTOR }, "two different ways" },
        { { "a", .data = "x", .local_flags = ZIP_FLAG_ENCRYPTED }, "two different ways" },
        { { "a", .data = "x", .central_method = ZIP_DEFLATED }, "two different ways" },
        { { "a", .data = "x", .size_off = 0xfffffffe, .extra = short_zip64, .extra_len = 8 },
          "Zip64 field is too short" },
    };

    (void) unused;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        autobuf struct buf zip = BUF_INIT;

        made_zip(&zip, &rows[i].entry, 1, NULL);
        assert_bad(&zip, rows[i].why);
    }
}

/* Every beginning of a zip is none. */
static void test_cut_anywhere(void **unused)
{
    static const struct made_entry entries[] = { { "a", .data = "xyz" }, { "b", .data = "y" } };
    autobuf struct buf zip = BUF_INIT;

    (void) unused;
    made_zip(&zip, entries, 2, NULL);
    while (zip.len > 0) {
        struct error err = { 0 };
        size_t items;

        zip.len--;
        assert_int_equal(read_zip(&zip, &items, &err), -EBADMSG);
    }
}

static void test_limits(void **unused)
{
    static const struct made_entry entries[] = { { "a", .data = "x" }, { "b", .data = "y" } };
    autobuf struct buf zip = BUF_INIT;
    struct zip_directory directory;
    struct error err = { 0 };
    int file, pipe_ends[2];

    (void) unused;
    made_zip(&zip, entries, 2, NULL);
    file = made_file(&zip);
    assert_int_equal(zip_directory_read(file, 1, 100, &directory, &err), -EFBIG);
    zip_directory_done(&directory);
    (void) close(file);
    assert_int_equal(pipe(pipe_ends), 0);
    assert_int_equal(zip_directory_read(pipe_ends[0], 1, 100, &directory, &err), -ESPIPE);
    (void) close(pipe_ends[0]);
    (void) close(pipe_ends[1]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_good_ones),
        cmocka_unit_test(test_ends_that_do_not_fit),
        cmocka_unit_test(test_headers_that_disagree),
        cmocka_unit_test(test_cut_anywhere),
        cmocka_unit_test(test_limits),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
