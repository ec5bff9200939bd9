/* tests/unit/store/test_damage.c - mirrors core/store/damage.c: whichever page of a ledger is damaged, it is found when
 * it is opened or no harm comes of it; it is moved aside as it is, and a disk that fails is no damage. */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <sqlite3.h>

#include "core/base/buf.h"
#include "core/base/fs.h"
#include "core/base/io.h"
#include "core/base/mem.h"
#include "core/base/random.h"
#include "core/store/ledger.h"
#include "tests/harness/fake_clock.h"
#include "tests/harness/harness.h"

#define PAGE 4096

static void add_rows(struct ledger *ledger)
{
    static char long_text[3 * PAGE]; /* more than a page: there are pages of payload alone */
    int64_t group_id = 0, epoch = 0;

    memset(long_text, 'p', sizeof(long_text) - 1);
    assert_int_equal(ledger_open_group(ledger, "key", &group_id, &epoch, NULL), 0);
    for (int i = 1; i <= 40; i++) {
        struct ledger_instance instance = { .group_id = group_id, .state = 1 };
        struct ledger_job row = { .group_id = group_id,
                                  .coordinator_url = "https://gitlab.example.com",
                                  .runner = "r",
                                  .name = "n",
                                  .job_id = i,
                                  .token = secret_from_str("token"),
                                  .payload = secret_from_str(i % 8 ? "{}" : long_text) };

        (void) snprintf(instance.id, sizeof(instance.id), "i-%d", i);
        assert_int_equal(ledger_add_instance(ledger, &instance, NULL), 0);
        assert_int_equal(ledger_add_job(ledger, &row, NULL), 0);
        ledger_job_done(&row);
    }
}

static void make_ledger(const char *dir)
{
    struct ledger *ledger = NULL;

    assert_int_equal(ledger_open(dir, &clock_system, &ledger, NULL), 0);
    add_rows(ledger);
    assert_int_equal(ledger_checkpoint(ledger, NULL), 0);
    ledger_close(ledger);
}

static void overwrite(const char *dir, const struct buf *whole, size_t page, const struct rng *rng)
{
    autofree char *path = harness_path(dir, "ledger.db");
    autoclose int fd = open(path, O_WRONLY | O_TRUNC | O_CREAT | O_CLOEXEC, 0600);
    uint64_t data[PAGE / 8] = { 0 };

    for (size_t i = 0; rng && i < PAGE / 8; i++)
        data[i] = rng_u64(rng);
    assert_int_equal(fs_write_all(fd, whole->data, whole->len), 0);
    assert_int_equal(pwrite(fd, data, PAGE, (off_t) (page * PAGE)), PAGE);
}

static void count_row(void *arg, struct ledger_job *row)
{
    (*(int *) arg)++;
}

/* What was not found when it was opened is found by whoever comes across it, or does not matter. */
static int use(struct ledger *ledger, struct error *err)
{
    int64_t group_id = 0, epoch = 0;
    int rows = 0, r = ledger_each_open_job(ledger, count_row, &rows, err);

    if (r == 0)
        r = ledger_open_group(ledger, "another", &group_id, &epoch, err);
    return r == 0 ? ledger_prune(ledger, err) : r;
}

static int open_and_use(const char *dir, struct error *err)
{
    struct ledger *ledger = NULL;
    int r = ledger_open(dir, &clock_system, &ledger, err);

    if (r == 0)
        r = use(ledger, err);
    if (ledger)
        ledger_close(ledger);
    return r;
}

static void set_aside_unchanged(const char *dir)
{
    autoclose int dir_fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    autobuf struct buf before = BUF_INIT, after = BUF_INIT;
    char name[64];

    assert_int_equal(fs_read_file(dir_fd, "ledger.db", 1 << 24, &before, NULL), 0);
    assert_int_equal(ledger_set_aside(dir_fd, &clock_system, name, sizeof(name), NULL), 0);
    assert_false(ledger_is_there(dir_fd));
    assert_int_equal(fs_read_file(dir_fd, name, 1 << 24, &after, NULL), 0);
    assert_int_equal(before.len, after.len);
    assert_memory_equal(before.data, after.data, after.len);
    assert_int_equal(unlinkat(dir_fd, name, 0), 0);
    assert_int_equal(faccessat(dir_fd, "ledger.db-wal", F_OK, 0), -1);
}

static void test_every_damaged_page_is_found_or_does_no_harm(void **state)
{
    auto_ptr(harness_remove_dir) char *dir = harness_temp_dir();
    autoclose int dir_fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    autobuf struct buf whole = BUF_INIT;
    struct rng_seeded random;
    size_t found = 0, pages;

    rng_seed(&random, 20261125);
    make_ledger(dir);
    assert_int_equal(fs_read_file(dir_fd, "ledger.db", 1 << 24, &whole, NULL), 0);
    pages = whole.len / PAGE;
    assert_true(pages > 15);
    for (size_t i = 0; i < 2 * pages; i++) {
        struct error err = { 0 };
        int r;

        overwrite(dir, &whole, i / 2, i % 2 ? &random.rng : NULL);
        r = open_and_use(dir, &err);
        if (r < 0 && err.code != -EUCLEAN)
            fail_msg("page %zu: %d, %s", i / 2, r, err.message);
        found += r < 0;
        if (r < 0)
            set_aside_unchanged(dir);
        (void) unlinkat(dir_fd, "ledger.db-wal", 0);
        (void) unlinkat(dir_fd, "ledger.db-shm", 0);
    }
    assert_true(found > pages); /* all but pages of text and free ones */
}

static void test_a_table_that_is_gone_is_damage(void **state)
{
    auto_ptr(harness_remove_dir) char *dir = harness_temp_dir();
    autofree char *path = harness_path(dir, "ledger.db");
    struct error err = { 0 };
    sqlite3 *db = NULL;

    make_ledger(dir);
    assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
    assert_int_equal(sqlite3_exec(db, "DROP TABLE warmth", NULL, NULL, NULL), SQLITE_OK);
    assert_int_equal(sqlite3_close(db), SQLITE_OK);
    assert_int_equal(open_and_use(dir, &err), -EUCLEAN);
}

static void test_nothing_that_was_set_aside_is_overwritten(void **state)
{
    auto_ptr(harness_remove_dir) char *dir = harness_temp_dir();
    autoclose int dir_fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    struct clock_fake clock;
    struct error err = { 0 };
    char name[64];

    clock_fake_init(&clock, 1000);
    harness_write(dir, "ledger.db", "first");
    assert_int_equal(ledger_set_aside(dir_fd, &clock.clock, name, sizeof(name), &err), 0);
    harness_write(dir, "ledger.db", "second");
    assert_int_equal(ledger_set_aside(dir_fd, &clock.clock, name, sizeof(name), &err), -EEXIST);
    {
        autofree char *kept = harness_read(dir, name);

        assert_string_equal(kept, "first");
    }
}

static int open_ledger(void *arg)
{
    struct error err = { 0 };
    int r = open_and_use(arg, &err);

    if (err.code == -EUCLEAN)
        fail_msg("taken for damage: %s", err.message);
    return r < 0 ? -1 : 0;
}

/* Else a new one would be begun beside the old one's WAL, and be given its pages. */
static void test_the_ledger_goes_after_its_wal(void **state)
{
    auto_ptr(harness_remove_dir) char *dir = harness_temp_dir();
    autoclose int dir_fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    struct clock_fake clock;
    char name[64];

    clock_fake_init(&clock, 1000);
    harness_write(dir, "ledger.db", "ledger");
    harness_write(dir, "ledger.db-wal", "wal");
    harness_write(dir, "ledger.db.damaged-19700101T000001Z-wal", "in the way");
    assert_int_equal(ledger_set_aside(dir_fd, &clock.clock, name, sizeof(name), NULL), -EEXIST);
    assert_true(ledger_is_there(dir_fd));
}

static void test_a_disk_that_fails_is_no_damage(void **state)
{
    auto_ptr(harness_remove_dir) char *dir = harness_temp_dir();

    harness_need_faults();
    make_ledger(dir);
    for (size_t n = 1, counted = n; counted >= n; n++) {
        (void) io_fail_at(n, IO_FAULT_FAIL, EIO);
        (void) open_ledger(dir);
        counted = io_fail_at(0, IO_FAULT_FAIL, 0);
        assert_int_equal(open_ledger(dir), 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_damaged_page_is_found_or_does_no_harm),
        cmocka_unit_test(test_a_table_that_is_gone_is_damage),
        cmocka_unit_test(test_nothing_that_was_set_aside_is_overwritten),
        cmocka_unit_test(test_the_ledger_goes_after_its_wal),
        cmocka_unit_test(test_a_disk_that_fails_is_no_damage),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
