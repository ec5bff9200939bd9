/* tests/unit/nestingd/test_qemu_arguments.c - mirrors nestingd/qemu/arguments.c */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "core/base/buf.h"
#include "core/base/mem.h"
#include "core/base/str.h"
#include "nestingd/qemu/arguments.h"

static const struct launch plain = { .folder = "/s/vms/x",
                                     .name = "nesting-abcd1234",
                                     .mac = "52:54:00:00:00:01" };

/* All of them, one a line. */
static char *make(const struct settings *image, const struct launch *launch)
{
    auto_arguments struct arguments arguments = { 0 };
    autobuf struct buf text = BUF_INIT;

    assert_int_equal(arguments_make(&arguments, image, launch), 0);
    assert_null(arguments.items[arguments.n]);
    for (size_t i = 0; i < arguments.n; i++)
        buf_addf(&text, "%s\n", arguments.items[i]);
    return buf_take(&text);
}

static void assert_has(const char *text, const char *part)
{
    if (!strstr(text, part))
        fail_msg("no '%s' in:\n%s", part, text);
}

static void assert_lacks(const char *text, const char *part)
{
    if (strstr(text, part))
        fail_msg("'%s' in:\n%s", part, text);
}

static void test_the_whole_command(void **unused)
{
    struct settings image;
    autofree char *got = NULL;

    settings_init(&image);
    got = make(&image, &plain);
    assert_string_equal(
        got, "qemu-system-x86_64\n-name\nnesting-abcd1234\n-nodefaults\n-no-user-config\n-"
             "display\nnone\n"
             "-sandbox\non,obsolete=deny,resourcecontrol=deny,elevateprivileges=deny,spawn=deny\n"
             "-machine\nq35,usb=off,vmport=off,accel=tcg\n-cpu\nmax\n-smp\n2\n-m\n2048M\n-"
             "rtc\nbase=utc\n"
             "-blockdev\n{\"driver\":\"qcow2\",\"node-name\":\"disk\",\"discard\":\"unmap\","
             "\"cache\":{\"no-flush\":true},"
             "\"file\":{\"driver\":\"file\",\"filename\":\"/s/vms/x/disk.qcow2\"}}\n"
             "-device\nvirtio-blk-pci,drive=disk,bootindex=1,werror=report,rerror=report\n"
             "-netdev\nuser,id=net,ipv6=off,restrict=off,hostfwd=tcp:127.0.0.1:0-:22\n-"
             "device\nvirtio-net-"
             "pci,netdev=net,romfile=\n"
             "-device\nvirtio-rng-pci\n-device\nvmgenid,guid=auto\n-device\nvirtio-serial-pci\n"
             "-chardev\nsocket,id=agent,path=/s/vms/x/agent,server=on,wait=off\n"
             "-device\nvirtserialport,chardev=agent,name=org.qemu.guest_agent.0\n"
             "-chardev\nringbuf,id=console,size=65536\n-serial\nchardev:console\n"
             "-chardev\nsocket,id=qmp,path=/s/vms/x/"
             "qmp,server=on,wait=off\n-mon\nchardev=qmp,mode=control\n");
}

static void test_the_empty_machine_is_small(void **unused)
{
    static const struct launch launch = { .folder = "/s/kvm", .name = "kvm", .kvm = true };
    auto_arguments struct arguments arguments = { 0 };
    autobuf struct buf text = BUF_INIT;
    struct settings settings;

    (void) unused;
    settings_init(&settings);
    settings.cpus = 255;
    settings.memory_bytes = (int64_t) 1 << 40;
    assert_int_equal(arguments_make_empty(&arguments, &settings, &launch), 0);
    for (size_t i = 0; i < arguments.n; i++)
        buf_addf(&text, "%s\n", arguments.items[i]);
    assert_has(buf_str(&text), "accel=kvm\n-cpu\nmax\n-smp\n1\n-m\n64M\n");
}

static void test_a_kernel_is_booted_directly(void **unused)
{
    struct settings image;
    autofree char *got = NULL;

    settings_init(&image);
    (void) str_copy(image.kernel, sizeof(image.kernel), "/i/a,b");
    (void) str_copy(image.initrd, sizeof(image.initrd), "/i/initrd");
    (void) str_copy(image.append, sizeof(image.append), "quiet x=\"-device y\"");
    got = make(&image, &plain);
    assert_has(got, "\n-kernel\n/i/a,b\n-initrd\n/i/initrd\n-append\nquiet x=\"-device y\"\n");
}

static void test_what_settings_choose(void **unused)
{
    struct launch launch = plain;
    struct settings image;
    autofree char *got = NULL;

    settings_init(&image);
    launch.kvm = true;
    launch.incoming = true;
    image.restricted = true;
    image.port = 2200;
    (void) str_copy(image.user_data, sizeof(image.user_data), "/i/user");
    got = make(&image, &launch);
    assert_has(got, "accel=kvm\n");
    assert_has(got, "restrict=on,hostfwd=tcp:127.0.0.1:0-:2200\n");
    assert_has(
        got, "\"driver\":\"vvfat\",\"node-name\":\"seed\",\"read-only\":true,\"label\":\"cidata\","
             "\"dir\":\"/s/vms/x/seed\"");
    assert_true(str_ends(got, "\n-incoming\ndefer\n"));
}

/* Its helper must be started, and has rights of its own. */
static void test_a_bridge(void **unused)
{
    struct settings image;
    autofree char *got = NULL;

    settings_init(&image);
    (void) str_copy(image.bridge, sizeof(image.bridge), "br0");
    got = make(&image, &plain);
    assert_has(got, "\n-netdev\nbridge,id=net,br=br0\n-device\nvirtio-net-pci,netdev=net,mac=52:54:"
                    "00:00:00:01,romfile=\n");
    assert_has(got, "elevateprivileges=allow,spawn=allow\n");
    assert_lacks(got, "hostfwd");
}

static void test_a_folders_name_adds_no_option(void **unused)
{
    struct launch launch = plain;
    struct settings image;
    autofree char *got = NULL;

    settings_init(&image);
    launch.folder = "/s/a,server=off \"b\"";
    got = make(&image, &launch);
    assert_has(got, "path=/s/a,,server=off \"b\"/qmp,server=on");
    assert_has(got, "\"filename\":\"/s/a,server=off \\\"b\\\"/disk.qcow2\"");
}

static void test_memory_short_at_each_place(void **unused)
{
    struct settings image;

    settings_init(&image);
    (void) str_copy(image.user_data, sizeof(image.user_data), "/i/user");
    for (size_t n = 1;; n++) {
        auto_arguments struct arguments arguments = { 0 };
        int r;

        (void) mem_fail_at(n);
        r = arguments_make(&arguments, &image, &plain);
        if (mem_fail_at(0) < n) {
            assert_int_equal(r, 0);
            break;
        }
        assert_int_equal(r, -ENOMEM);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_whole_command),
        cmocka_unit_test(test_the_empty_machine_is_small),
        cmocka_unit_test(test_a_kernel_is_booted_directly),
        cmocka_unit_test(test_what_settings_choose),
        cmocka_unit_test(test_a_bridge),
        cmocka_unit_test(test_a_folders_name_adds_no_option),
        cmocka_unit_test(test_memory_short_at_each_place),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
