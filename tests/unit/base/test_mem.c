/* tests/unit/base/test_mem.c - mirrors core/base/mem.c */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <string.h>

#include "core/base/autoclean.h"
#include "core/base/mem.h"
#include "tests/harness/harness.h"

static void test_copies_are_whole_and_terminated(void **unused)
{
    autofree char *copy = mem_strdup("abc");
    autofree char *cut = mem_strndup("abcdef", 3);
    autofree char *whole = mem_strndup("ab", 100);
    autofree char *text = mem_printf("%d-%s", 5, "x");
    autofree char *bytes = mem_dup("a\0b", 3);

    assert_string_equal(copy, "abc");
    assert_string_equal(cut, "abc");
    assert_string_equal(whole, "ab");
    assert_string_equal(text, "5-x");
    assert_memory_equal(bytes, "a\0b", 3);
    assert_null(mem_strdup(NULL));
}

static void test_zeroed_memory_is_zero(void **unused)
{
    static const char zeros[64] = { 0 };
    autofree char *one = mem_zero(64);
    autofree char *many = mem_array(8, 8);

    assert_memory_equal(one, zeros, 64);
    assert_memory_equal(many, zeros, 64);
}

static void test_nothing_is_still_an_address(void **unused)
{
    autofree void *alloc = mem_alloc(0);
    autofree void *zero = mem_zero(0);
    autofree void *array = mem_array(0, 8);
    autofree void *dup = mem_dup("", 0);

    assert_non_null(alloc);
    assert_non_null(zero);
    assert_non_null(array);
    assert_non_null(dup);
}

static void test_sizes_that_overflow_are_refused(void **unused)
{
    autofree char *old = mem_strdup("kept");
    volatile size_t huge = SIZE_MAX / 2;

    errno = 0;
    assert_null(mem_array(huge, 3));
    assert_int_equal(errno, ENOMEM);
    assert_null(mem_resize(old, huge, 3));
    assert_null(mem_alloc(huge + 1));
    assert_string_equal(old, "kept");
}

static void test_resize_keeps_the_contents(void **unused)
{
    char *grown = mem_resize(NULL, 4, 1);

    assert_non_null(grown);
    memcpy(grown, "abc", 4);
    grown = mem_resize(grown, 1000, 2);
    assert_non_null(grown);
    assert_string_equal(grown, "abc");
    free(grown);
}

static void test_seam_fails_exactly_the_nth_and_counts(void **unused)
{
    autofree void *first = NULL;
    autofree void *second = NULL;
    autofree void *third = NULL;

    harness_need_faults();
    (void) mem_fail_at(2);
    first = mem_alloc(1);
    errno = 0;
    second = mem_zero(1);
    assert_int_equal(errno, ENOMEM);
    third = mem_strdup("x");
    assert_non_null(first);
    assert_null(second);
    assert_non_null(third);
    assert_int_equal(mem_fail_at(0), 3);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_copies_are_whole_and_terminated),
        cmocka_unit_test(test_zeroed_memory_is_zero),
        cmocka_unit_test(test_nothing_is_still_an_address),
        cmocka_unit_test(test_sizes_that_overflow_are_refused),
        cmocka_unit_test(test_resize_keeps_the_contents),
        cmocka_unit_test(test_seam_fails_exactly_the_nth_and_counts),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
