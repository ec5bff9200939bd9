/* tests/unit/helper/archive/test_round_trip.c - whatever is packed comes out again, byte for byte, with
 * its modes and times. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/base/mem.h"
#include "core/base/random.h"
#include "core/base/str.h"
#include "helper/archive/beneath.h"
#include "helper/archive/codec.h"
#include "helper/archive/pack.h"
#include "helper/archive/unpack.h"
#include "tests/harness/harness.h"
#include "tests/unit/helper/archive/tree.h"

static const enum pack_format formats[] = { FORMAT_ZIP, FORMAT_ZIPZSTD, FORMAT_TARZSTD };

static void there_and_back(const char *from, enum pack_format format, enum pack_level level,
                           bool old_kernel)
{
    auto_ptr(harness_remove_dir) char *to = harness_temp_dir();
    autoclose int from_fd = tree_open(from), to_fd = tree_open(to);
    autoclose int file = memfd_create("archive", MFD_CLOEXEC);
    auto_ptr(selection_free) struct selection *selection = tree_select(from, from_fd);
    const struct pack_request request = { format, level, from_fd, selection };
    const struct pack_sink sink = pack_sink_fd(&file);
    struct unpack_result result;
    struct error err = { 0 };

    beneath_pretend_old_kernel(old_kernel);
    if (pack_write(&request, &sink, NULL, NULL, &err) < 0)
        fail_msg("packing: %s", err.message);
    if (unpack_extract(file, to_fd, NULL, NULL, &result, &err) < 0)
        fail_msg("unpacking: %s", err.message);
    beneath_pretend_old_kernel(false);
    assert_int_equal(result.refused, 0);
    assert_int_equal(result.entries, selection->n_paths);
    tree_assert_same(from, to);
}

static void write_pattern(const char *dir, const char *name, size_t size, const struct rng *rng)
{
    autofree char *path = harness_path(dir, name);
    autofree uint8_t *data = mem_zero(size + 1);
    autoclose int fd = -1;
    uint64_t kind = rng_below(rng, 3);

    for (size_t i = 0; i < size && kind > 0; i += kind == 1 ? 18 : 1)
        data[i] = (uint8_t) rng_u64(rng);
    fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, data, size), size);
    assert_int_equal(fchmod(fd, (mode_t) (0400 | rng_below(rng, 0400))), 0);
}

static void set_time(const char *dir, const char *name, int64_t seconds)
{
    const struct timespec times[2] = { { seconds, 0 }, { seconds, 0 } };
    autofree char *path = harness_path(dir, name);

    assert_int_equal(utimensat(AT_FDCWD, path, times, AT_SYMLINK_NOFOLLOW), 0);
}

/* Around the length at which files are cut. */
static void test_sizes(void **unused)
{
    static const size_t sizes[] = { 0,
                                    1,
                                    CODEC_PIECE - 1,
                                    CODEC_PIECE,
                                    CODEC_PIECE + 1,
                                    2 * CODEC_PIECE,
                                    2 * CODEC_PIECE + 12345 };
    auto_ptr(harness_remove_dir) char *dir = harness_temp_dir();
    struct rng_seeded rng;

    (void) unused;
    rng_seed(&rng, 1);
    for (size_t i = 0; i < ARRAY_LEN(sizes); i++) {
        char name[16];

        (void) snprintf(name, sizeof(name), "f%zu", i);
        write_pattern(dir, name, sizes[i], &rng.rng);
    }
    for (size_t i = 0; i < ARRAY_LEN(formats); i++)
        there_and_back(dir, formats[i], LEVEL_DEFAULT, false);
    there_and_back(dir, FORMAT_ZIP, LEVEL_FASTEST, false);
}

static void test_every_level(void **unused)
{
    auto_ptr(harness_remove_dir) char *dir = harness_temp_dir();
    struct rng_seeded rng;

    (void) unused;
    rng_seed(&rng, 2);
    write_pattern(dir, "a", 200000, &rng.rng);
    write_pattern(dir, "b", 200000, &rng.rng);
    for (size_t i = 0; i < ARRAY_LEN(formats); i++)
        for (int level = LEVEL_FASTEST; level <= LEVEL_SLOWEST; level++)
            there_and_back(dir, formats[i], (enum pack_level) level, false);
}

/* Any bytes but what the rules for names refuse: "/" and zero, backslashes, and what a drive begins
 * with. Not valid as text more often than not. */
static void odd_name(const struct rng *rng, char name[32])
{
    size_t len = 1 + (size_t) rng_below(rng, 30);

    for (size_t i = 0; i < len; i++)
        do
            name[i] = (char) rng_below(rng, rng_below(rng, 2) ? 256 : 128);
        while (name[i] == '/' || name[i] == '\0' || name[i] == '\\' || (i == 1 && name[i] == ':'));
    name[len] = '\0';
    if (str_eq(name, ".") || str_eq(name, ".."))
        (void) str_copy(name, 32, "...");
}

static void add_odd_entry(const char *dir, const char *folder, const struct rng *rng)
{
    autofree char *path = NULL;
    char name[32];

    odd_name(rng, name);
    path = mem_printf("%s/%s", folder, name);
    switch (rng_below(rng, 4)) {
    case 0:
        tree_folder(dir, path);
        break;
    case 1: {
        autofree char *whole = harness_path(dir, path);

        odd_name(rng, name);
        if (symlink(name, whole) < 0)
            assert_int_equal(errno, EEXIST);
        break;
    }
    default:
        write_pattern(dir, path, (size_t) rng_below(rng, 3000), rng);
    }
    set_time(dir, path, (int64_t) rng_below(rng, INT32_MAX));
}

static void test_odd_names(void **unused)
{
    const char *full = getenv("FLOTILLA_TEST_FULL");
    uint64_t rounds = str_empty(full) ? 12 : 1000;

    (void) unused;
    for (uint64_t seed = 0; seed < rounds; seed++) {
        auto_ptr(harness_remove_dir) char *dir = harness_temp_dir();
        struct rng_seeded rng;

        rng_seed(&rng, seed);
        tree_make(dir, "one/ one/two/");
        for (int i = 0; i < 20; i++)
            add_odd_entry(dir, rng_below(&rng.rng, 2) ? "one" : "one/two", &rng.rng);
        set_time(dir, "one", 1000000000);
        there_and_back(dir, formats[seed % 3], LEVEL_DEFAULT, seed % 2 == 1);
    }
}

static void test_folders_that_shut_themselves(void **unused)
{
    auto_ptr(harness_remove_dir) char *dir = harness_temp_dir();
    autofree char *outer = harness_path(dir, "a"), *inner = harness_path(dir, "a/b");

    (void) unused;
    tree_make(dir, "a/ a/b/ a/b/c");
    tree_link(dir, "a/b/l", "c");
    set_time(dir, "a/b/l", 1234567890);
    assert_int_equal(chmod(inner, 0500), 0);
    assert_int_equal(chmod(outer, 0500), 0);
    set_time(dir, "a/b", 1234567890);
    set_time(dir, "a", 1234567890);
    for (size_t i = 0; i < ARRAY_LEN(formats); i++)
        there_and_back(dir, formats[i], LEVEL_DEFAULT, false);
    assert_int_equal(chmod(outer, 0700), 0);
    assert_int_equal(chmod(inner, 0700), 0);
}

/* Thousands of times smaller, and still no bomb to ourselves. */
static void test_files_of_zeros(void **unused)
{
    auto_ptr(harness_remove_dir) char *dir = harness_temp_dir();
    autofree char *path = harness_path(dir, "zeros");
    autoclose int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0644);

    (void) unused;
    assert_int_equal(ftruncate(fd, 24 << 20), 0);
    for (size_t i = 0; i < ARRAY_LEN(formats); i++)
        there_and_back(dir, formats[i], LEVEL_DEFAULT, false);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sizes),          cmocka_unit_test(test_every_level),
        cmocka_unit_test(test_odd_names),      cmocka_unit_test(test_folders_that_shut_themselves),
        cmocka_unit_test(test_files_of_zeros),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
