/* tests/unit/config/test_secret_file.c - mirrors core/config/secret_file.c */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "core/base/mem.h"
#include "core/base/str.h"
#include "core/config/diff.h"
#include "tests/harness/harness.h"
#include "tests/unit/config/texts.h"

#define CACHE(type) ALL "[runners.cache]\nType = \"" type "\"\n[runners.cache." type "]\n"

/* Each secret of the configuration, given directly and by a file. */
static const struct secret_setting {
    const char *before, *direct, *file;
    const char *key; /* as a change of it is told */
} settings[] = {
    { HEAD EXECUTOR, "token", "token_file", "token" },
    { CONNECTOR, "password", "password_file", "autoscaler.connector_config.password" },
    { ALL "[runners.autoscaler.vm_isolation.connector_config]\n", "password", "password_file",
      "autoscaler.vm_isolation.connector_config.password" },
    { CACHE("s3"), "AccessKey", "AccessKeyFile", "cache.s3.AccessKey" },
    { CACHE("s3"), "SecretKey", "SecretKeyFile", "cache.s3.SecretKey" },
    { CACHE("s3"), "SessionToken", "SessionTokenFile", "cache.s3.SessionToken" },
    { CACHE("gcs"), "PrivateKey", "PrivateKeyFile", "cache.gcs.PrivateKey" },
    { CACHE("azure"), "AccountKey", "AccountKeyFile", "cache.azure.AccountKey" },
};

/* The text with that line; a runner needs its plugin behind it. */
static char *text_with(const struct secret_setting *setting, const char *name, const char *value)
{
    return mem_printf("%s%s = \"%s\"\n%s", setting->before, name, value,
                      str_eq(setting->direct, "token") ? PLUGIN : "");
}

static struct config *load(const char *text)
{
    struct config_findings findings = { 0 };
    struct config *config = NULL;
    struct error err = { 0 };

    if (config_load("F", text, &config, &findings, &err) < 0)
        fail_msg("%s in %s", err.message, text);
    config_findings_done(&findings);
    return config;
}

static void test_each_secret_may_stand_in_a_file_of_its_own(void **unused)
{
    auto_ptr(harness_remove_dir) char *dir = harness_temp_dir();
    autofree char *path = harness_path(dir, "secret");

    harness_write(dir, "secret", "s3cr3t\r\n\n");
    for (size_t i = 0; i < ARRAY_LEN(settings); i++) {
        autofree char *direct = text_with(&settings[i], settings[i].direct, "s3cr3t");
        autofree char *by_file = text_with(&settings[i], settings[i].file, path);
        auto_ptr(config_free) struct config *a = load(direct), *b = load(by_file);
        struct config_changes changes = { 0 };

        assert_int_equal(config_diff_runner(&a->runners[0], &b->runners[0], &changes), 0);
        for (size_t k = 0; k < changes.count; k++)
            if (!str_ends(changes.items[k].key, settings[i].file))
                fail_msg("%s: %s differs", settings[i].file, changes.items[k].key);
        config_changes_done(&changes);
    }
}

static void test_a_file_with_another_content_is_a_change(void **unused)
{
    auto_ptr(harness_remove_dir) char *dir = harness_temp_dir();
    autofree char *path = harness_path(dir, "secret");

    for (size_t i = 0; i < ARRAY_LEN(settings); i++) {
        autofree char *text = text_with(&settings[i], settings[i].file, path);
        auto_ptr(config_free) struct config *a = NULL, *b = NULL;
        struct config_changes changes = { 0 };

        harness_write(dir, "secret", "before");
        a = load(text);
        harness_write(dir, "secret", "behind");
        b = load(text);
        assert_int_equal(config_diff_runner(&a->runners[0], &b->runners[0], &changes), 0);
        if (!config_changes_have(&changes, settings[i].key))
            fail_msg("%s: no change of %s", settings[i].file, settings[i].key);
        config_changes_done(&changes);
    }
}

static void test_only_one_of_the_two_may_be_given(void **unused)
{
    auto_ptr(harness_remove_dir) char *dir = harness_temp_dir();
    autofree char *path = harness_path(dir, "secret");

    harness_write(dir, "secret", "s3cr3t");
    for (size_t i = 0; i < ARRAY_LEN(settings); i++) {
        const struct secret_setting *setting = &settings[i];
        autofree char *both =
            mem_printf("%s%s = \"x\"\n%s = \"%s\"\n%s", setting->before, setting->direct,
                       setting->file, path, str_eq(setting->direct, "token") ? PLUGIN : "");
        autofree char *want =
            mem_printf(" has both '%s' and '%s'; keep one\n", setting->direct, setting->file);
        autofree char *got = findings_of(both);

        if (!strstr(got, want) || !str_starts(got, "error: F:"))
            fail_msg("%s: got '%s'", setting->file, got);
    }
}

/* hardening_P2 */
static void test_what_is_wrong_with_a_file_is_said(void **unused)
{
    static const struct {
        const char *why, *content, *want;
        mode_t mode;
    } cases[] = {
        { "nobody else's", "x", "", 0600 },
        { "others decide what is in it", "x", "error: F:9:17: ", 0620 },
        { "others read it", "x", "warning: F:9:17: ", 0640 },
        { "nothing in it", " \n",
          "error: F:9:17: [runners.autoscaler.connector_config] 'password_file' is empty\n", 0600 },
    };
    auto_ptr(harness_remove_dir) char *dir = harness_temp_dir();
    autofree char *path = harness_path(dir, "secret");
    autofree char *text = mem_printf(CONNECTOR "password_file = \"%s\"\n", path);
    autofree char *gone = findings_of(CONNECTOR "password_file = \"/nowhere/secret\"\n");

    assert_string_equal(gone, "error: F:9:17: [runners.autoscaler.connector_config] "
                              "'password_file': /nowhere/secret: No such file or directory\n");
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        autofree char *got = NULL;

        harness_write(dir, "secret", cases[i].content);
        assert_int_equal(chmod(path, cases[i].mode), 0);
        got = findings_of(text);
        if (!str_starts(got, cases[i].want) || (*got != '\0') != (*cases[i].want != '\0'))
            fail_msg("%s: got '%s'", cases[i].why, got);
    }
}

/* What systemd hands out may have rights of a group, which are its access list's. */
static void test_credentials_of_systemd_are_found_by_their_names(void **unused)
{
    static const char text[] =
        HEAD "token_file = \"$CREDENTIALS_DIRECTORY/token\"\n" EXECUTOR PLUGIN
             "[runners.autoscaler.plugin_config]\nkey = [\"$CREDENTIALS_DIRECTORY/key\"]\n";
    auto_ptr(harness_remove_dir) char *dir = harness_temp_dir();
    autofree char *path = harness_path(dir, "token"), *key = harness_path(dir, "key");
    auto_ptr(config_free) struct config *config = NULL;
    json_t *found = NULL;

    assert_true(is_told(text, CONFIG_NOTE,
                        "F:4:14: $CREDENTIALS_DIRECTORY/ is there only where systemd starts "
                        "flotilla with LoadCredential="));
    harness_write(dir, "token", "glrt-abc\n");
    assert_int_equal(chmod(path, 0440), 0);
    assert_int_equal(setenv("CREDENTIALS_DIRECTORY", dir, 1), 0);
    {
        autofree char *said = findings_of(text);

        assert_string_equal(said, "");
    }
    config = load(text);
    assert_string_equal(secret_reveal(config->runners[0].token), "glrt-abc");
    assert_true(
        json_object_object_get_ex(config->runners[0].autoscaler.plugin_config, "key", &found));
    assert_string_equal(json_object_get_string(json_object_array_get_idx(found, 0)), key);
    (void) unsetenv("CREDENTIALS_DIRECTORY");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_each_secret_may_stand_in_a_file_of_its_own),
        cmocka_unit_test(test_a_file_with_another_content_is_a_change),
        cmocka_unit_test(test_only_one_of_the_two_may_be_given),
        cmocka_unit_test(test_what_is_wrong_with_a_file_is_said),
        cmocka_unit_test(test_credentials_of_systemd_are_found_by_their_names),
    };

    return cmocka_run_group_tests_name("secret_file", tests, NULL, NULL);
}
