/* tests/unit/plugin/test_find.c - mirrors core/plugin/find.c */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include "core/plugin/plugin.h" /* before cmocka, whose fail() is a macro */

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "core/base/mem.h"
#include "core/base/str.h"
#include "tests/harness/harness.h"

/* Three folders of the plugin path, in its order: given, FLOTILLA_PLUGIN_PATH, PATH. */
struct places {
    char *root, *given, *named, *path;
};

static struct places make_places(void)
{
    struct places places = { .root = harness_temp_dir() };

    places.given = harness_path(places.root, "given");
    places.named = harness_path(places.root, "named");
    places.path = harness_path(places.root, "path");
    assert_int_equal(mkdir(places.given, 0700) | mkdir(places.named, 0700), 0);
    assert_int_equal(mkdir(places.path, 0700), 0);
    assert_int_equal(setenv("FLOTILLA_PLUGIN_PATH", places.named, 1), 0);
    assert_int_equal(setenv("PATH", places.path, 1), 0);
    return places;
}

static void remove_places(struct places *places)
{
    free(places->given);
    free(places->named);
    free(places->path);
    harness_remove_dir(places->root);
    assert_int_equal(unsetenv("FLOTILLA_PLUGIN_PATH"), 0);
}

static void expect_found(const struct places *places, const char *name, const char *dir,
                         const char *file)
{
    autofree char *got = NULL, *want = harness_path(dir, file);
    struct error err = { 0 };

    if (plugin_find(name, places->given, &got, NULL, &err) < 0)
        fail_msg("%s: %s", name, err.message);
    assert_string_equal(got, want);
}

static void test_names_are_looked_up_as_the_design_says(void **unused)
{
    struct places places = make_places();
    autofree char *absolute = harness_path(places.path, "fleeting-plugin-aws.so");

    (void) unused;
    harness_write(places.path, "fleeting-plugin-aws.so", "");
    harness_write(places.path, "fleeting-plugin-googlecompute.so", "");
    harness_write(places.path, "fleeting-plugin-own.so", "");
    expect_found(&places, "fleeting-plugin-aws", places.path, "fleeting-plugin-aws.so");
    expect_found(&places, "aws", places.path, "fleeting-plugin-aws.so");
    expect_found(&places, "googlecompute", places.path, "fleeting-plugin-googlecompute.so");
    expect_found(&places, "googlecloud", places.path, "fleeting-plugin-googlecompute.so");
    expect_found(&places, "gcp", places.path, "fleeting-plugin-googlecompute.so");
    expect_found(&places, "fleeting-plugin-googlecloud", places.path,
                 "fleeting-plugin-googlecompute.so");
    expect_found(&places, "own", places.path, "fleeting-plugin-own.so");
    expect_found(&places, absolute, places.path, "fleeting-plugin-aws.so");
    harness_write(places.path, "own.so", "");
    expect_found(&places, "own", places.path, "own.so");
    remove_places(&places);
}

static void test_the_first_folder_of_the_path_wins(void **unused)
{
    struct places places = make_places();

    (void) unused;
    harness_write(places.path, "own.so", "");
    expect_found(&places, "own", places.path, "own.so");
    harness_write(places.named, "fleeting-plugin-own.so", "");
    expect_found(&places, "own", places.named, "fleeting-plugin-own.so");
    harness_write(places.given, "own.so", "");
    expect_found(&places, "own", places.given, "own.so");
    remove_places(&places);
}

static void test_of_a_reference_the_last_name_counts(void **unused)
{
    struct places places = make_places();
    autobuf struct buf notice = BUF_INIT;
    autofree char *file = NULL;

    (void) unused;
    harness_write(places.given, "fleeting-plugin-aws.so", "");
    assert_int_equal(
        plugin_find("registry.example/fleeting/aws:1.2", places.given, &file, &notice, NULL), 0);
    assert_true(str_ends(file, "/given/fleeting-plugin-aws.so"));
    assert_non_null(strstr(buf_str(&notice), "only the name 'aws' counts"));
    remove_places(&places);
}

static void test_what_is_not_found_is_told(void **unused)
{
    static const struct {
        const char *name, *want;
    } cases[] = {
        { "", "no plugin is named" },
        { "..", "is no name of a plugin" },
        { "a/", "is no name of a plugin" },
        { "absent", "neither absent.so nor fleeting-plugin-absent.so is in" },
        { "own.so", "plugin 'own.so': a file is named by its absolute path, an installed plugin "
                    "without the .so" },
        { "folder/own.so", "a file is named by its absolute path" },
        { "/nowhere/absent.so", "plugin /nowhere/absent.so: No such file or directory" },
    };
    struct places places = make_places();

    (void) unused;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct error err = { 0 };
        char *file = NULL;

        assert_true(plugin_find(cases[i].name, places.given, &file, NULL, &err) < 0);
        assert_null(file);
        if (!strstr(err.message, cases[i].want))
            fail_msg("'%s': %s", cases[i].name, err.message);
    }
    remove_places(&places);
}

static void count_file(void *arg, const char *file)
{
    assert_true(str_ends(file, ".so"));
    ++*(unsigned *) arg;
}

static void test_only_what_may_be_a_plugin_is_listed(void **unused)
{
    struct places places = make_places();
    unsigned count = 0;

    (void) unused;
    harness_write(places.given, "own.so", "");
    harness_write(places.given, "README", "");
    harness_write(places.path, "libother.so", "");
    harness_write(places.path, "fleeting-plugin-aws.so", "");
    plugin_each(places.given, count_file, &count);
    assert_int_equal(count, 2);
    remove_places(&places);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_names_are_looked_up_as_the_design_says),
        cmocka_unit_test(test_the_first_folder_of_the_path_wins),
        cmocka_unit_test(test_of_a_reference_the_last_name_counts),
        cmocka_unit_test(test_what_is_not_found_is_told),
        cmocka_unit_test(test_only_what_may_be_a_plugin_is_listed),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
