/* tests/unit/exec/test_artifact_store.c - mirrors core/exec/artifact_store.c: real files. */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "core/base/fs.h"
#include "core/base/mem.h"
#include "core/base/str.h"
#include "core/exec/artifact_store.h"

struct place {
    char root[64], *folder;
    struct artifact_store *store;
};

static int setup(void **state)
{
    struct place *place = mem_zero(sizeof(*place));

    (void) str_copy(place->root, sizeof(place->root), "/tmp/flotilla-test-store-XXXXXX");
    assert_non_null(mkdtemp(place->root));
    place->folder = mem_printf("%s/kept", place->root);
    assert_int_equal(artifact_store_new(place->folder, 10, &place->store, NULL), 0);
    *state = place;
    return 0;
}

static int teardown(void **state)
{
    struct place *place = *state;

    artifact_store_free(place->store);
    assert_int_equal(fs_remove_tree(AT_FDCWD, place->root), 0);
    free(place->folder);
    free(place);
    return 0;
}

static int keep(const struct place *place, int64_t job, const char *type, const char *name,
                const char *data)
{
    struct artifact_upload *upload = NULL;
    int r = artifact_upload_new(place->store, job, "glcbt-x", artifact_type_find(type), &upload);

    if (r == 0)
        r = artifact_upload_add(upload, data, strlen(data));
    if (r == 0)
        r = artifact_upload_keep(upload, name, NULL);
    artifact_upload_free(upload);
    return r;
}

static void expect_content(const struct place *place, const char *file, const char *want)
{
    autofree char *path = mem_printf("%s/%s", place->folder, file);
    autobuf struct buf got = BUF_INIT;

    assert_int_equal(fs_read_file(AT_FDCWD, path, 100, &got, NULL), 0);
    assert_string_equal(buf_str(&got), want);
}

static size_t count_files(const char *folder)
{
    DIR *dir = fs_open_dir(AT_FDCWD, folder);
    size_t count = 0;

    assert_non_null(dir);
    while (readdir(dir))
        count++;
    (void) closedir(dir);
    return count - 2; /* . and .. */
}

static void test_files_are_called_by_job_and_type_whatever_their_names(void **state)
{
    static const struct {
        const char *name, *shown;
    } cases[] = {
        { "artifacts.zip", "artifacts.zip" },
        { "../../../etc/passwd", "passwd" },
        { "/etc/shadow", "shadow" },
        { "..\\..\\x.zip", "x.zip" },
        { "..", "archive.zip" },
        { "a/", "archive.zip" },
        { "", "archive.zip" },
        { "a\nb", "archive.zip" },
        { "a\"; x=\"", "archive.zip" },
        { "\xff", "archive.zip" },
    };
    const struct place *place = *state;

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        const struct artifact_file *file;

        assert_int_equal(keep(place, 7, "archive", cases[i].name, "data"), 0);
        file = artifact_set_archive(artifact_store_find(place->store, 7));
        assert_non_null(file);
        assert_string_equal(file->name, cases[i].shown);
        assert_int_equal(file->size, 4);
        expect_content(place, "7-archive.zip", "data");
    }
    assert_int_equal(count_files(place->folder), 1);
    assert_int_equal(count_files(place->root), 1);
}

static void test_a_later_upload_takes_the_place_of_an_earlier_one(void **state)
{
    const struct place *place = *state;

    assert_int_equal(keep(place, 1, "archive", "a.zip", "one"), 0);
    assert_int_equal(keep(place, 1, "junit", "j.gz", "report"), 0);
    assert_int_equal(keep(place, 1, "archive", "b.zip", "two"), 0);
    assert_int_equal(artifact_store_find(place->store, 1)->n_files, 2);
    expect_content(place, "1-archive.zip", "two");
    expect_content(place, "1-junit.gz", "report");
    assert_null(artifact_store_find(place->store, 2));
    assert_null(artifact_set_archive(NULL));
}

static void test_what_is_too_large_or_broken_leaves_nothing(void **state)
{
    const struct place *place = *state;

    assert_int_equal(keep(place, 1, "archive", "a.zip", "0123456789"), 0);
    assert_int_equal(keep(place, 2, "archive", "a.zip", "0123456789+"), -EFBIG);
    assert_int_equal(keep(place, 3, "dotenv", ".env", "A=1"), -EBADMSG);
    assert_null(artifact_store_find(place->store, 2));
    assert_null(artifact_store_find(place->store, 3));
    assert_int_equal(count_files(place->folder), 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_files_are_called_by_job_and_type_whatever_their_names,
                                        setup, teardown),
        cmocka_unit_test_setup_teardown(test_a_later_upload_takes_the_place_of_an_earlier_one,
                                        setup, teardown),
        cmocka_unit_test_setup_teardown(test_what_is_too_large_or_broken_leaves_nothing, setup,
                                        teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
