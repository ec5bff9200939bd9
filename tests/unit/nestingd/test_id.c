/* tests/unit/nestingd/test_id.c - mirrors nestingd/id.c */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "core/base/str.h"
#include "nestingd/id.h"

static void test_which_names_are_ours(void **state)
{
    static const struct {
        const char *id;
        bool is_ours;
    } rows[] = {
        { "nesting-ab12cd34", true },
        { "nesting-00000000", true },
        { "", false },
        { "nesting-", false },
        { "nesting-ab12cd3", false },
        { "nesting-ab12cd345", false },
        { "nesting-AB12CD34", false },
        { "nesting-ab12cd3/", false },
        { "nestin-ab12cd345", false },
        { "ab12cd34", false },
        { " nesting-ab12cd34", false },
    };

    (void) state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        if (id_is_vm(rows[i].id) != rows[i].is_ours)
            fail_msg("'%s'", rows[i].id);
}

static void test_names_that_we_make_are_ours_and_differ(void **state)
{
    char before[VM_ID_SIZE] = "", id[VM_ID_SIZE];
    bool letters[256] = { 0 };
    size_t used = 0;

    (void) state;
    for (int i = 0; i < 1000; i++) {
        id_make(&rng_system, id);
        assert_true(id_is_vm(id));
        assert_string_not_equal(id, before);
        (void) str_copy(before, sizeof(before), id);
        for (const char *at = id + 8; *at; at++)
            letters[(unsigned char) *at] = true;
    }
    for (size_t i = 0; i < ARRAY_LEN(letters); i++)
        used += letters[i];
    assert_int_equal(used, 36);
}

static void test_names_of_images(void **state)
{
    static const struct {
        const char *name;
        bool is_fine;
    } rows[] = {
        { "a", true },       { "ghcr.io/org/macos-ventura@sha256:0a", true },
        { "0", true },       { "a..b", true },
        { "", false },       { "-a", false },
        { "--help", false }, { ".hidden", false },
        { "/abs", false },   { "a b", false },
        { "a\n", false },    { "a;b", false },
        { "$(a)", false },   { "\xc3\xa4", false },
        { "_a", false },
    };
    char long_name[257];

    (void) state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        if (id_is_image(rows[i].name) != rows[i].is_fine)
            fail_msg("'%s'", rows[i].name);
    memset(long_name, 'a', 256);
    long_name[256] = '\0';
    assert_false(id_is_image(long_name));
    assert_true(id_is_image(long_name + 1));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_which_names_are_ours),
        cmocka_unit_test(test_names_that_we_make_are_ours_and_differ),
        cmocka_unit_test(test_names_of_images),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
