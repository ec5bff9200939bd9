/* tests/unit/config/test_every_setting.c - mirrors core/config/settings_*.c: a configuration with
 * every setting in its right form is used, each that nothing acts on is noted once, and nothing else
 * is said. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include <fcntl.h>
#include <string.h>

#include "core/base/buf.h"
#include "core/base/fs.h"
#include "core/base/mem.h"
#include "core/base/str.h"
#include "core/config/schema.h"
#include "tests/harness/harness.h"

static struct buf text;

static bool is_noted(const struct setting *setting)
{
    return setting->kind == SETTING_KNOWN || (setting->flags & SETTING_NOT_YET);
}

static size_t notes_of(const struct section *section)
{
    size_t count = 0;

    for (size_t i = 0; i < section->n_settings; i++) {
        count += is_noted(&section->settings[i]);
        if (section->settings[i].section)
            count += notes_of(section->settings[i].section);
    }
    return count;
}

static void test_each_is_known_and_noted_where_nothing_acts_on_it(void **unused)
{
    auto_ptr(config_free) struct config *config = NULL;
    struct config_findings findings = { 0 };
    struct error err = { 0 };

    (void) unused;
    if (config_load("F", buf_str(&text), &config, &findings, &err) < 0)
        fail_msg("%s", err.message);
    for (size_t i = 0; i < findings.count; i++)
        if (findings.items[i].severity != CONFIG_NOTE)
            fail_msg("%s", findings.items[i].text);
    assert_int_equal(findings.count, notes_of(&config_section));
    config_findings_done(&findings);
}

static int load_and_free(void *arg)
{
    auto_ptr(config_free) struct config *config = NULL;
    struct config_findings findings = { 0 };
    int r = config_load("F", arg, &config, &findings, NULL);

    config_findings_done(&findings);
    return r;
}

static void test_memory_may_end_at_any_allocation(void **unused)
{
    (void) unused;
    harness_need_faults();
    assert_true(harness_fail_each_allocation(load_and_free, (void *) (uintptr_t) buf_str(&text)) >
                100);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_each_is_known_and_noted_where_nothing_acts_on_it),
        cmocka_unit_test(test_memory_may_end_at_any_allocation),
    };
    struct error err = { 0 };
    int failed;

    if (argc != 2 || fs_read_file(AT_FDCWD, argv[1], 65536, &text, &err) < 0) {
        (void) fprintf(stderr, "usage: test_config_every_setting CONFIG; %s\n", err.message);
        return 1;
    }
    failed = cmocka_run_group_tests(tests, NULL, NULL);
    buf_done(&text);
    return failed;
}
