/* tests/unit/helper/archive/test_pack.c - mirrors helper/archive/pack*.c: what is in the bytes. That what
 * is written can be read is test_round_trip.c's, and of strangers' programs tests/integration's. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

#include "core/base/mem.h"
#include "core/base/random.h"
#include "core/base/str.h"
#include "helper/archive/pack.h"
#include "helper/archive/zip.h"
#include "helper/archive/zip_directory.h"
#include "tests/harness/harness.h"
#include "tests/unit/helper/archive/made_zip.h"
#include "tests/unit/helper/archive/tree.h"

static int to_buffer(void *ctx, const void *data, size_t len)
{
    struct buf *out = ctx;

    buf_add(out, data, len);
    return buf_error(out);
}

static int pack_tree(const char *dir, enum pack_format format, enum pack_level level,
                     struct buf *out, struct said *said, struct error *err)
{
    autoclose int fd = tree_open(dir);
    auto_ptr(selection_free) struct selection *selection = tree_select(dir, fd);
    const struct pack_request request = { format, level, fd, selection };
    const struct pack_sink sink = { to_buffer, out };
    const struct report report = said_report(said);
    uint64_t bytes = 0;
    int r;

    out->max = SIZE_MAX / 2;
    r = pack_write(&request, &sink, said ? &report : NULL, &bytes, err);
    if (r == 0)
        assert_int_equal(bytes, out->len);
    return r;
}

static void write_bytes(const char *dir, const char *name, const void *data, size_t len)
{
    autofree char *path = harness_path(dir, name);
    autoclose int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);

    assert_int_equal(write(fd, data, len), len);
}

static const struct zip_item *item_named(const struct zip_directory *directory, const char *name)
{
    for (size_t i = 0; i < directory->n_items; i++)
        if (directory->items[i].name_len == strlen(name) &&
            memcmp(directory->items[i].name, name, strlen(name)) == 0)
            return &directory->items[i];
    fail_msg("%s is not in the zip", name);
    return NULL;
}

static void open_zip(const struct buf *zip, struct zip_directory *directory)
{
    autoclose int file = made_file(zip);
    struct error err = { 0 };

    if (zip_directory_read(file, 1000, 100000, directory, &err) < 0)
        fail_msg("%s", err.message);
}

/* job-execution.md 6.6. */
static void test_job_execution_6_6_zip(void **unused)
{
    auto_ptr(harness_remove_dir) char *dir = harness_temp_dir();
    autofree char *text = mem_zero(5000), *fifo = harness_path(dir, "fifo");
    autobuf struct buf zip = BUF_INIT;
    struct zip_directory directory;
    const struct zip_item *item;
    uint8_t noise[5000];
    struct error err = { 0 };
    const uint8_t *extra;
    size_t len = 0;

    (void) unused;
    rng_system.fill(rng_system.ctx, noise, sizeof(noise));
    memset(text, 'x', 4999);
    tree_make(dir, "a/ a-b a/c");
    harness_write(dir, "text", text);
    harness_write(dir, "empty", "");
    write_bytes(dir, "noise", noise, sizeof(noise));
    tree_link(dir, "link", "a/c");
    assert_int_equal(mkfifo(fifo, 0644), 0);
    if (pack_tree(dir, FORMAT_ZIP, LEVEL_DEFAULT, &zip, NULL, &err) < 0)
        fail_msg("%s", err.message);
    open_zip(&zip, &directory);

    assert_int_equal(directory.n_items, 7); /* the pipe is left out */
    assert_memory_equal(directory.items[0].name, "a/", 2);
    assert_memory_equal(directory.items[1].name, "a-b", 3);
    item = item_named(&directory, "text");
    assert_int_equal(item->method, ZIP_DEFLATED);
    assert_true(item->packed < 100);
    assert_int_equal(item->flags, ZIP_FLAG_UTF8); /* its sizes are in its header */
    assert_int_equal(item->attributes >> 16, S_IFREG | 0600);
    assert_int_equal(item_named(&directory, "noise")->method, ZIP_STORED);
    assert_int_equal(item_named(&directory, "empty")->method, ZIP_STORED);
    item = item_named(&directory, "link");
    assert_int_equal(item->method, ZIP_STORED);
    assert_int_equal(item->size, 3);
    assert_int_equal(item->attributes >> 16, S_IFLNK | 0777);
    assert_int_equal(item_named(&directory, "a/")->attributes >> 16 & S_IFMT, S_IFDIR);
    extra = zip_extra_find(item->extra, item->extra_len, ZIP_EXTRA_TIME, 5, &len);
    assert_non_null(extra);
    assert_int_equal(extra[0], 1);
    extra = zip_extra_find(item->extra, item->extra_len, ZIP_EXTRA_OWNER, 11, &len);
    assert_non_null(extra);
    assert_int_equal(zip_get32(extra + 2), getuid());
    assert_int_equal(zip_get32(extra + 7), getgid());
    zip_directory_done(&directory);
}

static void test_job_execution_6_6_levels(void **unused)
{
    static const struct {
        enum pack_format format;
        enum pack_level level;
        uint16_t want;
    } rows[] = {
        { FORMAT_ZIP, LEVEL_FASTEST, ZIP_STORED },   { FORMAT_ZIP, LEVEL_FAST, ZIP_DEFLATED },
        { FORMAT_ZIP, LEVEL_SLOWEST, ZIP_DEFLATED }, { FORMAT_ZIPZSTD, LEVEL_FASTEST, ZIP_ZSTD },
        { FORMAT_ZIPZSTD, LEVEL_SLOWEST, ZIP_ZSTD },
    };
    auto_ptr(harness_remove_dir) char *dir = harness_temp_dir();

    (void) unused;
    harness_write(dir, "text", "the same again, the same again, the same again, the same again");
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        autobuf struct buf zip = BUF_INIT;
        struct zip_directory directory;

        assert_int_equal(pack_tree(dir, rows[i].format, rows[i].level, &zip, NULL, NULL), 0);
        open_zip(&zip, &directory);
        assert_int_equal(directory.items[0].method, rows[i].want);
        zip_directory_done(&directory);
    }
}

/* A long file's method is chosen by its beginning and its middle; its sizes follow it. */
static void test_long_files(void **unused)
{
    const size_t size = 3 << 20;
    auto_ptr(harness_remove_dir) char *dir = harness_temp_dir();
    autofree uint8_t *data = mem_zero(size);
    autobuf struct buf zip = BUF_INIT;
    struct zip_directory directory;

    (void) unused;
    write_bytes(dir, "zeros", data, size);
    rng_system.fill(rng_system.ctx, data, 1 << 20);
    write_bytes(dir, "noise-first", data, size);
    rng_system.fill(rng_system.ctx, data, size);
    write_bytes(dir, "noise", data, size);
    assert_int_equal(pack_tree(dir, FORMAT_ZIP, LEVEL_FAST, &zip, NULL, NULL), 0);
    open_zip(&zip, &directory);
    assert_int_equal(item_named(&directory, "zeros")->method, ZIP_DEFLATED);
    assert_int_equal(item_named(&directory, "zeros")->flags, ZIP_FLAG_UTF8 | ZIP_FLAG_DESCRIPTOR);
    assert_int_equal(item_named(&directory, "noise-first")->method, ZIP_DEFLATED);
    assert_int_equal(item_named(&directory, "noise")->method, ZIP_STORED);
    assert_int_equal(item_named(&directory, "noise")->packed, size);
    zip_directory_done(&directory);
}

static void test_git_is_warned_about(void **unused)
{
    auto_ptr(harness_remove_dir) char *dir = harness_temp_dir();
    autobuf struct buf zip = BUF_INIT;
    struct said said = { BUF_INIT };

    (void) unused;
    tree_make(dir, "sub/ sub/.git/ sub/.git/config");
    assert_int_equal(pack_tree(dir, FORMAT_ZIP, LEVEL_DEFAULT, &zip, &said, NULL), 0);
    assert_non_null(strstr(buf_str(&said.text), "warning: Part of .git directory is on the list"));
    said_done(&said);
}

static void test_what_vanished_is_left_out(void **unused)
{
    auto_ptr(harness_remove_dir) char *dir = harness_temp_dir();
    autoclose int fd = tree_open(dir);
    auto_ptr(selection_free) struct selection *selection = NULL;
    autobuf struct buf zip = BUF_INIT;
    const struct pack_sink sink = { to_buffer, &zip };
    struct said said = { BUF_INIT };
    const struct report report = said_report(&said);
    struct zip_directory directory;
    struct pack_request request = { .root_fd = fd };

    (void) unused;
    tree_make(dir, "gone kept");
    selection = tree_select(dir, fd);
    request.selection = selection;
    assert_int_equal(unlinkat(fd, "gone", 0), 0);
    assert_int_equal(pack_write(&request, &sink, &report, NULL, NULL), 0);
    assert_string_equal(buf_str(&said.text),
                        "warning: gone: vanished before it was archived, skipping\n");
    open_zip(&zip, &directory);
    assert_int_equal(directory.n_items, 1);
    zip_directory_done(&directory);
    said_done(&said);
}

/* hardening.md Z7: a folder that became a link to elsewhere after it was selected. */
static void test_hardening_Z7_no_link_is_followed_out(void **unused)
{
    tree_need_openat2();

    auto_ptr(harness_remove_dir) char *dir = harness_temp_dir();
    autofree char *root = harness_path(dir, "root");
    auto_ptr(selection_free) struct selection *selection = NULL;
    autobuf struct buf zip = BUF_INIT;
    const struct pack_sink sink = { to_buffer, &zip };
    struct pack_request request = { 0 };
    struct error err = { 0 };
    int fd;

    (void) unused;
    tree_make(dir, "root/ root/a/ root/a/key out/ out/key");
    fd = tree_open(root);
    selection = tree_select(root, fd);
    assert_int_equal(renameat(fd, "a", fd, "b"), 0);
    tree_link(root, "a", "../out");
    request.root_fd = fd;
    request.selection = selection;
    assert_int_equal(pack_write(&request, &sink, NULL, NULL, &err), -EXDEV);
    assert_true(str_starts(err.message, "a/key: "));
    (void) close(fd);
}

static int full(void *ctx, const void *data, size_t len)
{
    (void) ctx;
    (void) data;
    (void) len;
    return -ENOSPC;
}

static void test_a_sink_that_fails_ends_it(void **unused)
{
    auto_ptr(harness_remove_dir) char *dir = harness_temp_dir();
    autoclose int fd = tree_open(dir);
    const struct pack_sink sink = { full, NULL };

    (void) unused;
    harness_write(dir, "file", "x");
    for (int format = FORMAT_ZIP; format <= FORMAT_RAW; format++) {
        auto_ptr(selection_free) struct selection *selection = tree_select(dir, fd);
        const struct pack_request request = { (enum pack_format) format, LEVEL_DEFAULT, fd,
                                              selection };
        struct error err = { 0 };

        assert_int_equal(pack_write(&request, &sink, NULL, NULL, &err), -ENOSPC);
        assert_string_equal(err.message, "writing the archive: No space left on device");
    }
}

/* The text of a header, whose end is its NUL. */
static const char *after_text(const char *at, const char *want)
{
    assert_string_equal(at, want);
    return at + strlen(at) + 1;
}

static void test_job_execution_6_6_gzip(void **unused)
{
    auto_ptr(harness_remove_dir) char *dir = harness_temp_dir();
    autoclose int fd = tree_open(dir);
    struct selection selection = { 0 };
    const struct pack_request request = { FORMAT_GZIP, LEVEL_DEFAULT, fd, &selection };
    autobuf struct buf gzip = BUF_INIT;
    const struct pack_sink sink = { to_buffer, &gzip };
    z_stream stream = { 0 };
    char out[64] = "";
    const char *at;
    struct stat st;

    (void) unused;
    tree_make(dir, "d/ d/\xc3\xa4 d/plain");
    assert_int_equal(selection_add(&selection, "d/plain"), 0);
    assert_int_equal(selection_add(&selection, "d/\xc3\xa4"), 0);
    assert_int_equal(pack_write(&request, &sink, NULL, NULL, NULL), 0);
    assert_int_equal(fstatat(fd, "d/plain", &st, 0), 0);

    at = buf_str(&gzip);
    assert_memory_equal(at, "\x1f\x8b\x08\x18", 4);
    assert_int_equal(zip_get32((const uint8_t *) at + 4), st.st_mtim.tv_sec);
    (void) after_text(after_text(at + 10, "plain"), "d/plain");
    assert_int_equal(inflateInit2(&stream, 15 + 16), Z_OK);
    stream.next_in = (Bytef *) gzip.data;
    stream.avail_in = (uInt) gzip.len;
    stream.next_out = (Bytef *) out;
    stream.avail_out = sizeof(out) - 1;
    assert_int_equal(inflate(&stream, Z_FINISH), Z_STREAM_END);
    assert_string_equal(out, "d/plain");

    at = (const char *) stream.next_in; /* the second member */
    assert_memory_equal(at, "\x1f\x8b\x08\x18", 4);
    (void) after_text(after_text(at + 10, "e:%C3%A4"), "e:d/%C3%A4");
    assert_int_equal(inflateReset(&stream), Z_OK);
    assert_int_equal(inflate(&stream, Z_FINISH), Z_STREAM_END);
    assert_string_equal(out, "d/plaind/\xc3\xa4");
    assert_int_equal(stream.avail_in, 0);
    (void) inflateEnd(&stream);

    buf_clear(&gzip);
    assert_int_equal(selection_add(&selection, "d"), 0);
    assert_int_equal(pack_write(&request, &sink, NULL, NULL, NULL), -EISDIR);
    for (size_t i = 0; i < selection.n_paths; i++)
        free(selection.paths[i]);
    free(selection.paths);
}

static void test_raw(void **unused)
{
    auto_ptr(harness_remove_dir) char *dir = harness_temp_dir();
    autobuf struct buf raw = BUF_INIT;
    struct error err = { 0 };

    (void) unused;
    harness_write(dir, "file", "as it is");
    assert_int_equal(pack_tree(dir, FORMAT_RAW, LEVEL_DEFAULT, &raw, NULL, &err), 0);
    assert_string_equal(buf_str(&raw), "as it is");
    harness_write(dir, "second", "x");
    assert_int_equal(pack_tree(dir, FORMAT_RAW, LEVEL_DEFAULT, &raw, NULL, &err), -EINVAL);
    assert_string_equal(err.message, "only one file can be sent as raw");
}

static void test_names_of_formats_and_levels(void **unused)
{
    enum pack_format format;
    enum pack_level level;

    (void) unused;
    assert_int_equal(pack_format_parse("tarzstd", &format), 0);
    assert_int_equal(format, FORMAT_TARZSTD);
    assert_string_equal(pack_format_suffix(format), ".tar.zst");
    assert_int_equal(pack_format_parse("", &format), 0);
    assert_int_equal(format, FORMAT_ZIP);
    assert_int_equal(pack_format_parse("rar", &format), -EINVAL);
    assert_int_equal(format, FORMAT_ZIP);
    assert_int_equal(pack_level_parse("slowest", &level), 0);
    assert_int_equal(level, LEVEL_SLOWEST);
    assert_int_equal(pack_level_parse(NULL, &level), 0);
    assert_int_equal(level, LEVEL_DEFAULT);
    assert_int_equal(pack_level_parse("9", &level), -EINVAL);
    assert_int_equal(level, LEVEL_DEFAULT);
}

static int swallow(void *ctx, const void *data, size_t len)
{
    (void) ctx;
    (void) data;
    (void) len;
    return 0;
}

struct attempt {
    const char *dir;
    enum pack_format format;
};

static int pack_something(void *arg)
{
    const struct attempt *attempt = arg;
    static const struct pack_sink sink = { swallow, NULL };
    static char *paths[] = { "a", "a/b" };
    const struct selection selection = { paths, 2 };
    autoclose int fd = tree_open(attempt->dir);
    const struct pack_request request = { attempt->format, LEVEL_DEFAULT, fd, &selection };

    return pack_write(&request, &sink, NULL, NULL, NULL);
}

static void test_without_memory(void **unused)
{
    auto_ptr(harness_remove_dir) char *dir = harness_temp_dir();
    struct attempt attempt = { dir, FORMAT_ZIP };

    (void) unused;
    harness_need_faults();
    tree_make(dir, "a/ a/b");
    assert_true(harness_fail_each_allocation(pack_something, &attempt) > 3);
    assert_true(harness_try_each_call(pack_something, &attempt, EIO) > 1);
    attempt.format = FORMAT_TARZSTD;
    assert_true(harness_fail_each_allocation(pack_something, &attempt) > 1);
    assert_true(harness_try_each_call(pack_something, &attempt, EIO) > 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_job_execution_6_6_zip),
        cmocka_unit_test(test_job_execution_6_6_levels),
        cmocka_unit_test(test_long_files),
        cmocka_unit_test(test_git_is_warned_about),
        cmocka_unit_test(test_what_vanished_is_left_out),
        cmocka_unit_test(test_hardening_Z7_no_link_is_followed_out),
        cmocka_unit_test(test_a_sink_that_fails_ends_it),
        cmocka_unit_test(test_job_execution_6_6_gzip),
        cmocka_unit_test(test_raw),
        cmocka_unit_test(test_names_of_formats_and_levels),
        cmocka_unit_test(test_without_memory),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
