/* tests/unit/cli/test_grid.c - mirrors core/cli/grid.c. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "core/base/str.h"
#include "core/cli/grid.h"

static const struct grid_column columns[] = {
    { .heading = "NAME" },
    { .heading = "N", .number = true, .drop_at = 2 },
    { .heading = "WHY", .drop_at = 1, .cut_to = 6 },
};

static void assert_table(const char *const *cells, size_t n, size_t width, const char *want)
{
    struct grid grid = GRID(columns);
    autobuf struct buf out = BUF_INIT;

    for (size_t i = 0; i < n; i++)
        grid_add(&grid, cells[i]);
    assert_int_equal(grid_format(&grid, width, &out), 0);
    assert_string_equal(buf_str(&out), want);
    grid_done(&grid);
}

static void test_columns_are_as_wide_as_what_is_in_them(void **unused)
{
    static const char *const cells[] = { "a", "1", "", "longer", "100", "because" };

    (void) unused;
    assert_table(cells, ARRAY_LEN(cells), 0,
                 "NAME      N  WHY\n"
                 "a         1  -\n"
                 "longer  100  because\n");
}

static void test_where_it_is_narrow_the_least_important_go_first_and_text_is_cut(void **unused)
{
    static const char *const cells[] = { "a-rather-long-name", "1", "because" };
    static const struct {
        size_t width;
        const char *want;
    } cases[] = {
        { 30, "NAME                N  WHY\na-rather-long-name  1  because\n" },
        { 29, "NAME                N  WHY\na-rather-long-name  1  becau\xe2\x80\xa6\n" },
        { 28, "NAME                WHY\na-rather-long-name  because\n" },
        { 25, "NAME\na-rather-long-name\n" },
        { 10, "NAME\na-rather-\xe2\x80\xa6\n" },
        { 3, "NAME\na-rathe\xe2\x80\xa6\n" },
    };

    (void) unused;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++)
        assert_table(cells, ARRAY_LEN(cells), cases[i].width, cases[i].want);
}

static void test_no_cell_drives_the_terminal(void **unused)
{
    static const char *const cells[] = { "\x1b[2Jx", NULL, "a\nb" };

    (void) unused;
    assert_table(cells, ARRAY_LEN(cells), 0,
                 "NAME      N  WHY\n"
                 "\\x1b[2Jx  -  a\\x0ab\n");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_columns_are_as_wide_as_what_is_in_them),
        cmocka_unit_test(test_where_it_is_narrow_the_least_important_go_first_and_text_is_cut),
        cmocka_unit_test(test_no_cell_drives_the_terminal),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
