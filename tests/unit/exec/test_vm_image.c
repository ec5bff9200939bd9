/* tests/unit/exec/test_vm_image.c - mirrors core/exec/vm_image.c. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/base/fs.h"
#include "core/base/mem.h"
#include "core/base/str.h"
#include "core/exec/vm_image.h"
#include "tests/harness/harness.h"

static void assert_found(const struct vm_options *options, const char *dir, const char *key)
{
    struct vm_image image = { 0 };
    struct error err = { 0 };

    if (vm_image_find(options, &image, &err) < 0)
        fail_msg("%s", err.message);
    assert_string_equal(image.folder, dir);
    assert_string_equal(image.name, "guest");
    assert_string_equal(image.key, key);
    assert_string_equal(image.user, options->user ? options->user : "ci");
    vm_image_done(&image);
}

static void test_an_image_is_named_with_its_ending_or_without(void **unused)
{
    static const char *const endings[] = { "", ".json", ".toml", ".qcow2" };

    (void) unused;
    for (size_t i = 0; i < ARRAY_LEN(endings); i++) {
        auto_ptr(harness_remove_dir) char *dir = harness_temp_dir();
        autofree char *given = mem_printf("%s/guest%s", dir, endings[i]);
        autofree char *file = mem_printf("guest%s", i == 0 ? ".qcow2" : endings[i]);
        autofree char *key = harness_path(dir, "key"), *other = harness_path(dir, "other");

        harness_write(dir, file, "");
        harness_write(dir, "key", "");
        harness_write(dir, "other", "");
        assert_found(&(struct vm_options) { .image = given }, dir, key);
        assert_found(&(struct vm_options) { .image = given, .user = "u", .key = other }, dir,
                     other);
    }
}

static void test_without_a_name_it_is_the_users(void **unused)
{
    auto_ptr(harness_remove_dir) char *dir = harness_temp_dir();
    autofree char *images = harness_path(dir, "flotilla/images"), *key = NULL;

    (void) unused;
    key = mem_printf("%s/key", images);
    assert_int_equal(fs_mkdirs(images, 0700, NULL), 0);
    harness_write(images, "guest.json", "");
    harness_write(images, "key", "");
    assert_int_equal(setenv("XDG_DATA_HOME", dir, 1), 0);
    assert_found(&(struct vm_options) { 0 }, images, key);
    assert_int_equal(unsetenv("XDG_DATA_HOME"), 0);
}

static void test_what_is_missing_is_said_with_what_to_do(void **unused)
{
    auto_ptr(harness_remove_dir) char *dir = harness_temp_dir();
    autofree char *guest = harness_path(dir, "guest"), *odd = harness_path(dir, "a b");
    autofree char *no_image = NULL, *no_key = NULL;
    struct vm_image image = { 0 };
    struct error err = { 0 };

    (void) unused;
    no_image = mem_printf("there is no image for VMs: neither %s.json nor %s.qcow2 can be read; "
                          "scripts/build-guest DIR makes one, --vm-image DIR/guest names it",
                          guest, guest);
    no_key =
        mem_printf("the key %s/key, with which 'ci' is to be logged in to VMs, can't be read: No "
                   "such file or directory; --vm-key FILE names another",
                   dir);
    assert_int_equal(vm_image_find(&(struct vm_options) { .image = guest }, &image, &err), -ENOENT);
    assert_string_equal(err.message, no_image);
    harness_write(dir, "guest.json", "");
    harness_write(dir, "a b.json", "");
    assert_int_equal(vm_image_find(&(struct vm_options) { .image = guest }, &image, &err), -ENOENT);
    assert_string_equal(err.message, no_key);
    assert_int_equal(vm_image_find(&(struct vm_options) { .image = odd }, &image, &err), -EINVAL);
    assert_string_equal(err.message,
                        "the image's name 'a b' must be of letters, digits and . _ @ : -, and "
                        "begin with a letter or digit");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_an_image_is_named_with_its_ending_or_without),
        cmocka_unit_test(test_without_a_name_it_is_the_users),
        cmocka_unit_test(test_what_is_missing_is_said_with_what_to_do),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
