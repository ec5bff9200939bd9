/* tests/unit/config/test_example.c - examples/config.toml is what the README says: a whole configuration. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include <fcntl.h>

#include "core/base/fs.h"
#include "core/config/config.h"

static const char *file;

/* As a text: who may read the file is a finding that the checkout decides. */
static void test_the_example_has_no_finding(void **unused)
{
    auto_ptr(config_free) struct config *config = NULL;
    struct config_findings findings = { 0 };
    autobuf struct buf text = BUF_INIT;
    struct error err = { 0 };

    (void) unused;
    assert_int_equal(fs_read_file(AT_FDCWD, file, 65536, &text, &err), 0);
    if (config_load(file, buf_str(&text), &config, &findings, &err) < 0 || findings.count > 0)
        fail_msg("%s", findings.count > 0 ? findings.items[0].text : err.message);
    assert_int_equal(config->n_runners, 1);
    assert_string_equal(config->runners[0].autoscaler.plugin, "local");
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_example_has_no_finding),
    };

    if (argc != 2) {
        (void) fprintf(stderr, "usage: test_config_example CONFIG\n");
        return 1;
    }
    file = argv[1];
    return cmocka_run_group_tests(tests, NULL, NULL);
}
