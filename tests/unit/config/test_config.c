/* tests/unit/config/test_config.c - mirrors core/config/config.c and toml.cpp */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "core/base/buf.h"
#include "core/base/str.h"
#include "core/config/config.h"
#include "core/config/toml.h"
#include "tests/unit/config/texts.h"

static void test_a_zero_is_the_default_where_none_is_possible(void **unused)
{
    static const char text[] =
        "check_interval = 0\n" HEAD TOKEN EXECUTOR "output_limit = 0\n" PLUGIN
        "capacity_per_instance = 0\nshutdown_deletion_retries = 0\nupdate_interval = \"0s\"\n"
        "instance_acquire_timeout = \"0s\"\n";
    auto_ptr(config_free) struct config *config = NULL;
    struct config_findings findings = { 0 };
    const struct config_autoscaler *autoscaler;

    (void) unused;
    assert_int_equal(config_load("F", text, &config, &findings, NULL), 0);
    config_findings_done(&findings);
    autoscaler = &config->runners[0].autoscaler;
    assert_int_equal(config->check_interval_ms, 3000);
    assert_int_equal(config->runners[0].output_limit_kib, 4096);
    assert_int_equal(autoscaler->capacity_per_instance, 1);
    assert_int_equal(autoscaler->shutdown_deletion_retries, 3);
    assert_int_equal(autoscaler->update_interval_ms, 60000);
    assert_int_equal(autoscaler->instance_acquire_timeout_ms, 15 * 60000);
}

/* Each where toml++ looks for white space: §, which its own table calls impossible, and one of each kind beside it. */
static void test_letters_of_any_language_after_a_line_that_goes_on(void **unused)
{
    static const char *const letters[] = { "\u00a7", "\u00e4", "\u2030",
                                           "\u3042", "\uff21", "\U0001f680" };

    (void) unused;
    for (size_t i = 0; i < ARRAY_LEN(letters); i++) {
        autobuf struct buf text = BUF_INIT;
        auto_ptr(toml_free) struct toml_value *root = NULL;
        struct toml_place where;

        buf_addf(&text, "name = \"\"\"\\\n  %s\"\"\"\n", letters[i]);
        assert_int_equal(toml_parse(buf_str(&text), text.len, &root, &where, NULL), 0);
        assert_string_equal(toml_find(root, "name")->text, letters[i]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_zero_is_the_default_where_none_is_possible),
        cmocka_unit_test(test_letters_of_any_language_after_a_line_that_goes_on),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
