/* tests/unit/base/test_footprint.c - mirrors core/base/footprint.c */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/base/footprint.h"

static int written = 17;
static const char constant[] = "a constant of the program";

/* Pages of files that this process has in memory now. */
static unsigned long file_pages(void)
{
    unsigned long size = 0, resident = 0, shared = 0;
    FILE *file = fopen("/proc/self/statm", "re");
    char line[256] = "", *at = line;

    assert_non_null(file);
    assert_non_null(fgets(line, sizeof(line), file));
    (void) fclose(file);
    size = strtoul(at, &at, 10);
    resident = strtoul(at, &at, 10);
    shared = strtoul(at, &at, 10);
    assert_true(size >= resident && resident >= shared);
    return shared;
}

static void test_the_image_shrinks_and_nothing_is_lost(void **state)
{
    char *heap = malloc(100000);
    unsigned long before, after;

    assert_non_null(heap);
    memset(heap, 'x', 100000);
    written = 18;
    before = file_pages();
    footprint_trim_heap();
    footprint_trim_image();
    after = file_pages();
    if (after >= before)
        fail_msg("%lu pages of files before, %lu after", before, after);
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
