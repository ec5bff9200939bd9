/* tests/unit/exec/test_exec_config.c - mirrors core/exec/exec_config.c. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "core/base/secret.h"
#include "core/base/str.h"
#include "core/exec/exec_config.h"
#include "tests/harness/harness.h"

#define URL "http://127.0.0.1:1234"
#define TOKEN "glrt-0123456789abcdefghij"
#define RUNNER                                                                                     \
    "[[runners]]\nname = \"%s\"\nurl = \"https://gitlab.example.com\"\ntoken = "                   \
    "\"glrt-t1_k9XyZ012345abcdefgh\"\nexecutor = \"instance\"\n"                                   \
    "clone_url = \"https://git.example.com\"\n"                                                    \
    "[runners.autoscaler]\nplugin = \"local\"\nmax_instances = 3\n"                                \
    "[runners.autoscaler.plugin_config]\nname = \"%s\"\n"

static void assert_led_to_us(const struct config_runner *runner)
{
    assert_string_equal(runner->url, URL);
    assert_string_equal(secret_reveal(runner->token), TOKEN);
    assert_null(runner->clone_url);
}

static void test_the_built_in_one_has_no_finding_and_clean_instances(void **unused)
{
    auto_ptr(config_free) struct config *config = NULL;
    struct config_findings findings = { 0 };
    struct error err = { 0 };

    (void) unused;
    if (exec_config_load(NULL, NULL, &config, &findings, &err) < 0 ||
        exec_config_lead(config, URL, TOKEN, NULL, &err) < 0)
        fail_msg("%s", err.message);
    assert_int_equal(findings.count, 0);
    assert_int_equal(config->n_runners, 1);
    assert_led_to_us(&config->runners[0]);
    assert_string_equal(config->runners[0].autoscaler.plugin, "local");
    assert_int_equal(config->runners[0].autoscaler.max_use_count, 1);
    assert_int_equal(config->runners[0].autoscaler.capacity_per_instance, 1);
    assert_true(config->runners[0].autoscaler.delete_instances_on_shutdown);
    assert_true(config->concurrent > config->runners[0].autoscaler.max_instances);
}

/* Paths may have any letter in them. */
static void test_with_vms_one_instance_holds_as_many_as_there_are_cores(void **unused)
{
    const struct vm_image image = { .folder = (char[]) { "/f" },
                                    .name = (char[]) { "guest" },
                                    .key = (char[]) { "/a \"b\"\\c\td" },
                                    .user = "ci" };
    const struct exec_vms vms = { .image = &image, .socket = "/tmp/100%/nesting.sock" };
    auto_ptr(config_free) struct config *config = NULL;
    struct config_findings findings = { 0 };
    struct error err = { 0 };
    const struct config_autoscaler *autoscaler;

    (void) unused;
    if (exec_config_load(NULL, &vms, &config, &findings, &err) < 0)
        fail_msg("%s", err.message);
    autoscaler = &config->runners[0].autoscaler;
    assert_true(autoscaler->vm_isolation.enabled);
    assert_int_equal(autoscaler->max_instances, 1);
    assert_int_equal(autoscaler->max_use_count, 0);
    assert_int_equal(autoscaler->capacity_per_instance, config->concurrent - 1);
    assert_string_equal(autoscaler->vm_isolation.image, "guest");
    assert_string_equal(autoscaler->vm_isolation.nesting_host, "unix:///tmp/100%25/nesting.sock");
    assert_string_equal(autoscaler->vm_isolation.connector.username, "ci");
    assert_string_equal(autoscaler->vm_isolation.connector.key_path, image.key);
    config_findings_done(&findings);
}

static void test_each_runner_of_the_operators_is_led_to_us(void **unused)
{
    auto_ptr(harness_remove_dir) char *dir = harness_temp_dir();
    autofree char *file = harness_path(dir, "config.toml");
    auto_ptr(config_free) struct config *config = NULL;
    struct config_findings findings = { 0 };
    autobuf struct buf text = BUF_INIT;
    struct error err = { 0 };

    (void) unused;
    buf_addf(&text, "concurrent = 2\n" RUNNER RUNNER, "a", "a", "b", "b");
    harness_write(dir, "config.toml", buf_str(&text));
    if (exec_config_load(file, NULL, &config, &findings, &err) < 0 ||
        exec_config_lead(config, URL, TOKEN, NULL, &err) < 0)
        fail_msg("%s", err.message);
    config_findings_done(&findings);
    assert_int_equal(config->n_runners, 2);
    assert_led_to_us(&config->runners[0]);
    assert_led_to_us(&config->runners[1]);
    assert_string_equal(config->runners[1].name, "b");
    assert_int_equal(config->runners[1].autoscaler.max_instances, 3);
}

static void test_without_a_runner_nothing_can_run(void **unused)
{
    auto_ptr(harness_remove_dir) char *dir = harness_temp_dir();
    autofree char *file = harness_path(dir, "config.toml");
    struct config_findings findings = { 0 };
    struct config *config = NULL;
    struct error err = { 0 };

    (void) unused;
    harness_write(dir, "config.toml", "concurrent = 2\n");
    assert_int_equal(exec_config_load(file, NULL, &config, &findings, &err), -EINVAL);
    config_findings_done(&findings);
    assert_true(str_ends(err.message, "config.toml has no [[runners]]"));
    assert_null(config);
}

static void test_a_broken_one_tells_its_findings(void **unused)
{
    auto_ptr(harness_remove_dir) char *dir = harness_temp_dir();
    autofree char *file = harness_path(dir, "config.toml");
    struct config_findings findings = { 0 };
    struct config *config = NULL;
    struct error err = { 0 };

    (void) unused;
    harness_write(dir, "config.toml", "concurrent = \"many\"\n");
    assert_true(exec_config_load(file, NULL, &config, &findings, &err) < 0);
    assert_true(findings.count > 0);
    config_findings_done(&findings);
    assert_null(config);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_built_in_one_has_no_finding_and_clean_instances),
        cmocka_unit_test(test_with_vms_one_instance_holds_as_many_as_there_are_cores),
        cmocka_unit_test(test_each_runner_of_the_operators_is_led_to_us),
        cmocka_unit_test(test_without_a_runner_nothing_can_run),
        cmocka_unit_test(test_a_broken_one_tells_its_findings),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
