/* tests/unit/base/test_footprint.c - mirrors core/base/footprint.c */
#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/base/footprint.h"
#include "core/base/str.h"

static int written = 17;
static const char constant[] = "a constant of the program";

/* Pages of files that this process has in memory now: the third number of statm. */
static int64_t file_pages(void)
{
    FILE *file = fopen("/proc/self/statm", "re");
    char line[256] = "", *at, *end;
    int64_t pages = 0;

    assert_non_null(file);
    assert_non_null(fgets(line, sizeof(line), file));
    (void) fclose(file);
    at = strchr(line, ' ');
    assert_non_null(at);
    at = strchr(at + 1, ' ');
    assert_non_null(at);
    end = strchr(at + 1, ' ');
    assert_non_null(end);
    *end = '\0';
    assert_int_equal(parse_i64(at + 1, 1, INT64_MAX, &pages), 0);
    return pages;
}

static void test_the_image_shrinks_and_nothing_is_lost(void **state)
{
    char *heap = malloc(100000);
    int64_t before, after;

    assert_non_null(heap);
    memset(heap, 'x', 100000);
    written = 18;
    before = file_pages();
    footprint_trim_heap();
    footprint_trim_image();
    after = file_pages();
    if (after >= before)
        fail_msg("%" PRId64 " pages of files before, %" PRId64 " after", before, after);
    assert_int_equal(written, 18);
    assert_string_equal(constant, "a constant of the program");
    assert_int_equal(heap[99999], 'x');
    free(heap);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_image_shrinks_and_nothing_is_lost),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
