/* tests/unit/nestingd/test_qemu_settings.c - mirrors nestingd/qemu/settings.c */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "nestingd/qemu/settings.h"

#define GIB ((int64_t) 1024 * 1024 * 1024)

typedef int lay_over(struct settings *settings, const json_t *object, struct error *err);

static int lay(lay_over *how, struct settings *settings, const char *text, struct error *err)
{
    autojson json_t *json = NULL;

    assert_int_equal(json_parse(text, strlen(text), &json, err), 0);
    return how(settings, json, err);
}

static void test_each_key_of_the_daemon(void **unused)
{
    struct settings got;

    settings_init(&got);
    assert_int_equal(
        lay(settings_lay_over, &got,
            "{\"qemu\":\"/opt/qemu\",\"qemu_img\":\"img\",\"image_directory\":\"/images\","
            "\"accel\":\"tcg\",\"cpu\":\"host\",\"cpus\":4,\"memory\":\"3GiB\",\"disk_size\":"
            "\"20G\","
            "\"bridge\":\"br0\",\"port\":2222,\"boot_timeout\":\"1m30s\",\"snapshot\":false,"
            "\"restricted\":null,\"somebody_elses\":[1]}",
            NULL),
        0);
    assert_string_equal(got.qemu, "/opt/qemu");
    assert_string_equal(got.qemu_img, "img");
    assert_string_equal(got.image_directory, "/images");
    assert_string_equal(got.cpu, "host");
    assert_string_equal(got.bridge, "br0");
    assert_int_equal(got.accel, ACCEL_TCG);
    assert_int_equal(got.cpus, 4);
    assert_int_equal(got.memory_bytes, 3 * GIB);
    assert_int_equal(got.disk_bytes, 20 * GIB);
    assert_int_equal(got.port, 2222);
    assert_int_equal(got.boot_timeout_ms, 90000);
    assert_false(got.snapshot);
}

static void test_what_is_laid_over_keeps_the_rest(void **unused)
{
    struct settings got;

    settings_init(&got);
    assert_int_equal(lay(settings_lay_over, &got, "{\"cpus\":4,\"memory\":1073741824}", NULL), 0);
    assert_int_equal(
        lay(settings_lay_image_over, &got,
            "{\"memory\":\"512M\",\"disk\":\"a.raw\",\"format\":\"raw\",\"kernel\":\"vmlinuz\","
            "\"initrd\":\"i\",\"append\":\"quiet\",\"user_data\":\"u\",\"restricted\":true}",
            NULL),
        0);
    assert_int_equal(got.cpus, 4);
    assert_int_equal(got.memory_bytes, GIB / 2);
    assert_string_equal(got.disk, "a.raw");
    assert_string_equal(got.format, "raw");
    assert_string_equal(got.append, "quiet");
    assert_string_equal(got.user_data, "u");
    assert_true(got.restricted);
    assert_true(got.snapshot);
}

static void test_what_is_refused_changes_nothing(void **unused)
{
    static const struct {
        const char *why, *text, *says;
        lay_over *how;
    } cases[] = {
        { "a wrong type", "{\"cpus\":\"4\"}", "'cpus' must be a number from 1 to 255",
          settings_lay_over },
        { "too few", "{\"cpus\":0}", "'cpus' must be a number from 1 to 255", settings_lay_over },
        { "a unit that is none", "{\"memory\":\"2GB\"}", "'memory' must be a size",
          settings_lay_over },
        { "a size that overflows", "{\"memory\":\"99999999999TiB\"}", "'memory' must be a size",
          settings_lay_over },
        { "a size that is negative", "{\"memory\":\"-2G\"}", "'memory' must be a size",
          settings_lay_over },
        { "too little memory", "{\"memory\":\"1MiB\"}", "'memory' must be a size",
          settings_lay_over },
        { "no time", "{\"boot_timeout\":60}", "'boot_timeout' must be a time", settings_lay_over },
        { "no text", "{\"qemu\":1}", "'qemu' must be a text", settings_lay_over },
        { "an empty program", "{\"qemu\":\"\"}", "must not be empty", settings_lay_over },
        { "a NUL in a path", "{\"image_directory\":\"/a\\u0000b\"}",
          "'image_directory' must be a text", settings_lay_over },
        { "no truth", "{\"snapshot\":1}", "'snapshot' must be true or false", settings_lay_over },
        { "an accelerator unknown", "{\"accel\":\"hvf\"}",
          "'accel' must be \"auto\", \"kvm\" or \"tcg\"", settings_lay_over },
        { "a bridge's options", "{\"bridge\":\"br0,helper=/x\"}", "'bridge' must be the name",
          settings_lay_over },
        { "a bridge too long", "{\"bridge\":\"0123456789abcdef\"}", "'bridge' is longer than 15",
          settings_lay_over },
        { "a bridge that can't be closed", "{\"bridge\":\"br0\",\"restricted\":true}",
          "'restricted' is for", settings_lay_over },
        { "a format to be guessed", "{\"format\":\"vmdk\"}", "'format' must be",
          settings_lay_image_over },
        { "a slip", "{\"memroy\":\"2G\"}", "'memroy' is no key of an image",
          settings_lay_image_over },
        { "the daemon's own", "{\"qemu\":\"/bin/sh\"}", "'qemu' is no key of an image",
          settings_lay_image_over },
        { "a good key before a bad one", "{\"cpus\":9,\"port\":0}", "'port' must be a number",
          settings_lay_over },
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct settings before, got;
        struct error err = { 0 };

        settings_init(&before);
        memcpy(&got, &before, sizeof(got)); /* what lies between the members, too */
        if (lay(cases[i].how, &got, cases[i].text, &err) != -EINVAL ||
            !strstr(err.message, cases[i].says))
            fail_msg("%s: '%s'", cases[i].why, err.message);
        if (memcmp(&before, &got, sizeof(got)) != 0)
            fail_msg("%s: something was changed", cases[i].why);
    }
}

/* Of an image's keys the daemon's configuration has none: that of another back end may be there. */
static void test_an_images_keys_are_not_the_daemons(void **unused)
{
    struct settings got;

    settings_init(&got);
    assert_int_equal(lay(settings_lay_over, &got, "{\"disk\":\"/x\",\"format\":7}", NULL), 0);
    assert_string_equal(got.disk, "");
    assert_false(settings_know("disk"));
    assert_true(settings_know("bridge") && settings_know("cpus"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_each_key_of_the_daemon),
        cmocka_unit_test(test_what_is_laid_over_keeps_the_rest),
        cmocka_unit_test(test_what_is_refused_changes_nothing),
        cmocka_unit_test(test_an_images_keys_are_not_the_daemons),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
