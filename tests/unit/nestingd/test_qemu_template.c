/* tests/unit/nestingd/test_qemu_template.c - mirrors nestingd/qemu/template.c */
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
#include "nestingd/qemu/template.h"

static char place[64];

static int set_up(void **unused)
{
    (void) str_copy(place, sizeof(place), "/tmp/test-template-XXXXXX");
    return mkdtemp(place) ? 0 : -1;
}

static int tear_down(void **unused)
{
    return fs_remove_tree(AT_FDCWD, place);
}

static struct template take(const char *image, const char *made_from)
{
    struct template template;
    struct error err = { 0 };

    if (template_take(place, image, made_from, &template, &err) < 0)
        fail_msg("%s", err.message);
    return template;
}

/* A guest's folder with what freezing leaves in it. */
static char *frozen_guest(const char *disk)
{
    char *folder = mem_printf("%s/guest", place);
    autoclose int fd = -1;

    assert_int_equal(mkdir(folder, 0700), 0);
    fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    assert_int_equal(fs_replace_file(fd, "disk.qcow2", disk, strlen(disk), 0600, NULL), 0);
    assert_int_equal(fs_replace_file(fd, "state", "s", 1, 0600, NULL), 0);
    return folder;
}

static void fill(struct template *template, const char *disk, const char *made_from)
{
    autofree char *guest = frozen_guest(disk);
    struct error err = { 0 };

    if (template_fill(template, guest, made_from, &err) < 0)
        fail_msg("%s", err.message);
    assert_int_equal(access(guest, F_OK), -1);
}

static void assert_disk(const struct template *template, const char *want)
{
    autobuf struct buf got = BUF_INIT;

    assert_int_equal(fs_read_file(AT_FDCWD, template->disk, 64, &got, NULL), 0);
    assert_string_equal(buf_str(&got), want);
}

static void test_one_makes_it_and_all_use_it(void **unused)
{
    auto_template struct template maker = take("a", "v1");
    auto_template struct template early = take("a", "v1");
    auto_template struct template late = { .lock_fd = -1 };
    auto_template struct template other = take("b/a", "v1");

    assert_int_equal(maker.is, TEMPLATE_ABSENT);
    assert_int_equal(early.is, TEMPLATE_BUSY);
    assert_int_equal(other.is, TEMPLATE_ABSENT);
    fill(&maker, "disk", "v1");
    assert_int_equal(maker.is, TEMPLATE_READY);
    late = take("a", "v1");
    assert_int_equal(late.is, TEMPLATE_READY);
    assert_disk(&late, "disk");
}

/* Neither does one that is in use go, nor is one that is outdated used. */
static void test_what_it_was_made_from_has_changed(void **unused)
{
    auto_template struct template old = take("a", "v1");
    auto_template struct template refused = { .lock_fd = -1 };
    auto_template struct template changed = { .lock_fd = -1 };

    fill(&old, "old", "v1");
    refused = take("a", "v2");
    assert_int_equal(refused.is, TEMPLATE_BUSY);
    template_release(&refused);
    template_release(&old);
    changed = take("a", "v2");
    assert_int_equal(changed.is, TEMPLATE_ABSENT);
    fill(&changed, "new", "v2");
    assert_int_equal(changed.is, TEMPLATE_READY);
    assert_disk(&changed, "new");
}

static void test_a_broken_one_is_dropped_unless_others_use_it(void **unused)
{
    auto_template struct template first = take("a", "v1");
    auto_template struct template second = { .lock_fd = -1 };

    fill(&first, "disk", "v1");
    second = take("a", "v1");
    template_drop(&first);
    assert_int_equal(first.is, TEMPLATE_BUSY);
    assert_disk(&second, "disk");
    template_release(&first);
    template_drop(&second);
    assert_int_equal(access(second.frozen, F_OK), -1);
    template_release(&second);
    second = take("a", "v1");
    assert_int_equal(second.is, TEMPLATE_ABSENT);
}

static void test_half_a_guest_is_not_kept(void **unused)
{
    auto_template struct template template = take("a", "v1");
    autofree char *guest = frozen_guest("disk");
    autofree char *state = mem_printf("%s/state", guest);
    struct error err = { 0 };

    assert_int_equal(unlink(state), 0);
    assert_int_equal(template_fill(&template, guest, "v1", &err), -ENOENT);
    assert_int_equal(template.is, TEMPLATE_ABSENT);
    assert_int_equal(access(template.frozen, F_OK), -1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_one_makes_it_and_all_use_it, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_what_it_was_made_from_has_changed, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_a_broken_one_is_dropped_unless_others_use_it, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(test_half_a_guest_is_not_kept, set_up, tear_down),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
