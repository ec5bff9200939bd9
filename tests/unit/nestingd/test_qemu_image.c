/* tests/unit/nestingd/test_qemu_image.c - mirrors nestingd/qemu/image.c */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "core/base/fs.h"
#include "core/base/mem.h"
#include "core/base/str.h"
#include "nestingd/qemu/image.h"

static struct settings daemon_settings;
static int images = -1;

static int set_up(void **unused)
{
    settings_init(&daemon_settings);
    (void) str_copy(daemon_settings.image_directory, PATH_MAX, "/tmp/test-image-XXXXXX");
    if (!mkdtemp(daemon_settings.image_directory))
        return -1;
    images = open(daemon_settings.image_directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    return images < 0 || mkdirat(images, "a", 0700) < 0 ? -1 : 0;
}

static int tear_down(void **unused)
{
    (void) close(images);
    return fs_remove_tree(AT_FDCWD, daemon_settings.image_directory);
}

static void put(const char *name, const char *text)
{
    autoclose int fd = openat(images, name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

    assert_int_equal(fs_write_all(fd, text, strlen(text)), 0);
}

static void assert_path(const char *got, const char *want)
{
    autofree char *path = mem_printf("%s/%s", daemon_settings.image_directory, want);

    assert_string_equal(got, path);
}

static void test_a_disk_alone_is_an_image(void **unused)
{
    struct settings got;

    put("a/debian:12@x.qcow2", "");
    daemon_settings.cpus = 7;
    assert_int_equal(image_find(&daemon_settings, "a/debian:12@x", &got, NULL), 0);
    assert_path(got.disk, "a/debian:12@x.qcow2");
    assert_int_equal(got.cpus, 7);
}

static void test_a_description_wins_and_its_files_are_beside_it(void **unused)
{
    struct settings got;

    put("a/b.qcow2", "");
    put("a/b.json", "{\"disk\":\"../disks/b.raw\",\"format\":\"raw\",\"kernel\":\"/boot/"
                    "vmlinuz\",\"initrd\":\"i\","
                    "\"cpus\":3}");
    assert_int_equal(image_find(&daemon_settings, "a/b", &got, NULL), 0);
    assert_path(got.disk, "a/../disks/b.raw");
    assert_string_equal(got.kernel, "/boot/vmlinuz");
    assert_path(got.initrd, "a/i");
    assert_int_equal(got.cpus, 3);

    put("a/b.toml", "disk = \"b.qcow2\"\nmemory = \"1GiB\"\n");
    assert_int_equal(image_find(&daemon_settings, "a/b", &got, NULL), 0);
    assert_path(got.disk, "a/b.qcow2");
    assert_int_equal(got.memory_bytes, 1 << 30);
}

static void test_what_is_no_image(void **unused)
{
    static const struct {
        const char *name, *says;
        int want;
    } cases[] = {
        { "none", "no image 'none': there is neither none.toml, none.json nor none.qcow2 in /tmp/",
          -ENOENT },
        { "a", "no image 'a'", -ENOENT },
        { "a/../../x", "must be a path below", -EINVAL },
        { "..", "must be a path below", -EINVAL },
        { "a/..", "must be a path below", -EINVAL },
        { "/etc/passwd", "must be a path below", -EINVAL },
        { "", "must be a path below", -EINVAL },
        { "slip", "slip.json: 'dsik' is no key of an image", -EINVAL },
        { "diskless", "diskless.json: 'disk' must name the image's disk", -EINVAL },
        { "kernelless", "kernelless.json: 'initrd' and 'append' go with a 'kernel'", -EINVAL },
        { "list", "list.json: ", -EINVAL },
        { "void", "void.json: it is empty", -EINVAL },
        { "broken", "broken.toml:1:", -EINVAL },
    };

    put("slip.json", "{\"dsik\":\"x\"}");
    put("diskless.json", "{\"cpus\":1}");
    put("kernelless.json", "{\"disk\":\"x\",\"append\":\"quiet\"}");
    put("list.json", "[]");
    put("void.json", "");
    put("broken.toml", "disk = \n");
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct settings got;
        struct error err = { 0 };

        if (image_find(&daemon_settings, cases[i].name, &got, &err) != cases[i].want ||
            !strstr(err.message, cases[i].says))
            fail_msg("'%s': %d '%s'", cases[i].name, err.code, err.message);
    }
}

/* What tells whether a frozen guest is still one of this image. */
static void test_another_file_is_another_text(void **unused)
{
    autobuf struct buf first = BUF_INIT, same = BUF_INIT, changed = BUF_INIT, gone = BUF_INIT;
    struct settings got;

    put("x.qcow2", "1");
    assert_int_equal(image_find(&daemon_settings, "x", &got, NULL), 0);
    assert_int_equal(image_add_files(&got, &first, NULL), 0);
    assert_int_equal(image_add_files(&got, &same, NULL), 0);
    assert_string_equal(buf_str(&first), buf_str(&same));
    put("x.qcow2", "12");
    assert_int_equal(image_add_files(&got, &changed, NULL), 0);
    assert_string_not_equal(buf_str(&first), buf_str(&changed));
    assert_int_equal(unlinkat(images, "x.qcow2", 0), 0);
    assert_int_equal(image_add_files(&got, &gone, NULL), -ENOENT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_a_disk_alone_is_an_image, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_a_description_wins_and_its_files_are_beside_it, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(test_what_is_no_image, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_another_file_is_another_text, set_up, tear_down),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
