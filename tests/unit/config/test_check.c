/* tests/unit/config/test_check.c - mirrors config_check() and plugin_keys.c: a file that is checked
 * for somebody who edits it, with what the plugin says of its keys. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <string.h>
#include <sys/stat.h>

#include "core/base/buf.h"
#include "core/base/mem.h"
#include "core/base/str.h"
#include "tests/harness/harness.h"
#include "tests/unit/config/texts.h"

/* One plugin that tells keys, one that tells none, one that is broken; no other is installed. */
static int fake_keys(void *arg, const char *plugin, json_t **ret, struct error *err)
{
    static const char keys[] =
        "[{\"name\":\"name\",\"type\":\"string\",\"required\":true},"
        "{\"name\":\"region\",\"type\":\"string\"},{\"name\":\"size\",\"type\":\"integer\"},"
        "{\"name\":\"wait\",\"type\":\"duration\"},{\"name\":\"tags\",\"type\":\"list\"},"
        "{\"name\":\"odd\",\"type\":\"of the plugin's own\"}]";

    (void) arg;
    if (str_eq(plugin, "talks"))
        return json_parse(keys, strlen(keys), ret, err);
    if (str_eq(plugin, "silent"))
        return json_parse("[]", 2, ret, err);
    if (str_eq(plugin, "broken"))
        return error_set(err, -EPROTO, "talks\033[2J nonsense");
    return error_set(err, -ENOENT, "it is not installed");
}

static const struct config_plugins plugins = { .keys = fake_keys };

/* "level: LINE:COLUMN: KEY: sentence" of each finding. */
static char *check_file(const char *path, int want)
{
    struct config_findings findings = { 0 };
    autobuf struct buf out = BUF_INIT;

    assert_int_equal(config_check(path, &plugins, &findings), want);
    for (size_t i = 0; i < findings.count; i++) {
        const struct config_finding *finding = &findings.items[i];

        buf_addf(&out, "%s%s: %d:%d: %s: %s", i > 0 ? "\n" : "",
                 config_severity_name(finding->severity), finding->line, finding->column,
                 finding->key ? finding->key : "-", finding->sentence);
    }
    config_findings_done(&findings);
    return mem_strdup(buf_str(&out));
}

#define WITH(plugin)                                                                               \
    "concurrent = 9\n" RUNNER "[runners.autoscaler]\nplugin = \"" plugin "\"\n" /* 8 lines */
#define KEYS "[runners.autoscaler.plugin_config]\n"

static void test_plugin_config_is_checked_by_the_plugin_s_keys(void **unused)
{
    static const struct {
        const char *why, *text, *want;
        int code;
    } cases[] = {
        { "all is right",
          WITH("talks") KEYS "name = \"n\"\nsize = 3\nwait = \"1m\"\ntags = []\nodd = 1\n", "", 0 },
        { "a letter wrong", WITH("talks") KEYS "name = \"n\"\nregoin = \"eu\"\n",
          "warning: 11:1: runners[0].autoscaler.plugin_config.regoin: "
          "[runners.autoscaler.plugin_config] has no setting 'regoin', ignoring; did you mean "
          "'region'?",
          0 },
        { "a needed key is missing", WITH("talks") KEYS "size = 3\n",
          "error: 9:1: runners[0].autoscaler.plugin_config: [runners.autoscaler.plugin_config] "
          "'name' is missing, which the plugin needs",
          -EINVAL },
        { "the whole table is missing", WITH("talks"),
          "error: 7:1: runners[0].autoscaler: [runners.autoscaler.plugin_config] 'name' is "
          "missing, "
          "which the plugin needs",
          -EINVAL },
        { "a number in quotes", WITH("talks") KEYS "name = \"n\"\nsize = \"3\"\n",
          "error: 11:8: runners[0].autoscaler.plugin_config.size: "
          "[runners.autoscaler.plugin_config] 'size' must be a whole number, not a string",
          -EINVAL },
        { "words for a duration", WITH("talks") KEYS "name = \"n\"\nwait = \"soon\"\n",
          "error: 11:8: runners[0].autoscaler.plugin_config.wait: "
          "[runners.autoscaler.plugin_config] 'wait' must be a duration such as \"1m30s\", not "
          "\"soon\"",
          -EINVAL },
        { "a plugin that is not here", WITH("elsewhere") KEYS "x = 1\n",
          "note: 8:10: runners[0].autoscaler.plugin: [runners.autoscaler] 'plugin': it is not "
          "installed; 'flotilla run' refuses the runner here, and 'plugin_config' is not checked",
          0 },
        { "a plugin that tells nothing", WITH("silent") KEYS "x = 1\n",
          "note: 8:10: runners[0].autoscaler.plugin: [runners.autoscaler] 'plugin' does not tell "
          "the "
          "keys of its 'plugin_config', which is not checked",
          0 },
        { "a plugin that cannot be used", WITH("broken"),
          "warning: 8:10: runners[0].autoscaler.plugin: [runners.autoscaler] 'plugin': "
          "talks\\x1b[2J nonsense; 'flotilla run' refuses the runner here, and 'plugin_config' is "
          "not checked",
          0 },
    };
    auto_ptr(harness_remove_dir) char *dir = harness_temp_dir();
    autofree char *path = harness_path(dir, "c.toml");

    (void) unused;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        autofree char *got = NULL;

        harness_write(dir, "c.toml", cases[i].text);
        got = check_file(path, cases[i].code);
        if (strcmp(got, cases[i].want) != 0)
            fail_msg("%s: got '%s'", cases[i].why, got);
    }
}

/* For the machine that it is meant for it is an error (test_broken.c). */
static void test_a_token_file_that_is_not_here_is_a_note(void **unused)
{
    auto_ptr(harness_remove_dir) char *dir = harness_temp_dir();
    autofree char *path = harness_path(dir, "c.toml");
    autofree char *got = NULL;

    (void) unused;
    harness_write(dir, "c.toml",
                  "concurrent = 9\n" HEAD "token_file = \"/nowhere/token\"\n" EXECUTOR
                  "[runners.autoscaler]\nplugin = \"talks\"\n" KEYS "name = \"n\"\n");
    got = check_file(path, 0);
    assert_string_equal(got, "note: 5:14: runners[0].token_file: [[runners]] 'token_file': this "
                             "machine has no file \"/nowhere/token\"");
}

static void test_every_failure_is_a_finding(void **unused)
{
    autofree char *got = check_file("/nowhere/c.toml", -ENOENT);

    (void) unused;
    assert_string_equal(got, "error: 1:1: -: /nowhere/c.toml: No such file or directory");
}

/* hardening_P2 */
static void test_who_else_may_read_or_write_the_file(void **unused)
{
    static const struct {
        mode_t mode;
        int code;
        const char *want;
    } cases[] = {
        { 0640, 0, "warning: 1:1: -: the file can be read by others" },
        { 0604, 0, "warning: 1:1: -: the file can be read by others" },
        { 0620, -EINVAL, "error: 1:1: -: others decide what is in the file" },
        { 0602, -EINVAL, "error: 1:1: -: others decide what is in the file" },
    };
    auto_ptr(harness_remove_dir) char *dir = harness_temp_dir();
    autofree char *path = harness_path(dir, "c.toml");

    (void) unused;
    harness_write(dir, "c.toml", WITH("talks") KEYS "name = \"n\"\n");
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        autofree char *got = NULL;

        assert_int_equal(chmod(path, cases[i].mode), 0);
        got = check_file(path, cases[i].code);
        if (!str_starts(got, cases[i].want) || strchr(got, '\n'))
            fail_msg("mode %o: got '%s'", cases[i].mode, got);
    }
}

/* hardening_P2 */
static void test_who_else_may_read_or_write_a_file_with_a_secret(void **unused)
{
    static const struct {
        const char *before, *after; /* the file's name */
    } texts[] = {
        { "concurrent = 9\n" HEAD "token_file = \"", "\"\n" EXECUTOR PLUGIN },
        { "concurrent = 9\n" RUNNER "tls-cert-file = \"/dev/null\"\ntls-key-file = \"",
          "\"\n" PLUGIN },
        { "concurrent = 9\n" CONNECTOR "key_path = \"", "\"\n" },
    };
    static const struct {
        mode_t mode;
        const char *level, *want;
    } cases[] = {
        { 0600, "", "" },
        { 0640, "warning: ", "' can be read by others; chmod 600 it" },
        { 0620, "error: ", " others decide what is in '" },
    };
    auto_ptr(harness_remove_dir) char *dir = harness_temp_dir();
    autofree char *secret = harness_path(dir, "secret");

    (void) unused;
    harness_write(dir, "secret", "glrt-abc\n");
    for (size_t i = 0; i < ARRAY_LEN(texts) * ARRAY_LEN(cases); i++) {
        size_t row = i % ARRAY_LEN(cases);
        size_t of = i / ARRAY_LEN(cases);
        autofree char *text = mem_printf("%s%s%s", texts[of].before, secret, texts[of].after);
        autofree char *got = NULL;

        assert_int_equal(chmod(secret, cases[row].mode), 0);
        got = findings_of(text);
        if (!str_starts(got, cases[row].level) || !strstr(got, cases[row].want) ||
            (*got != '\0') != (*cases[row].level != '\0'))
            fail_msg("mode %o: got '%s' of %s", cases[row].mode, got, text);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_plugin_config_is_checked_by_the_plugin_s_keys),
        cmocka_unit_test(test_a_token_file_that_is_not_here_is_a_note),
        cmocka_unit_test(test_every_failure_is_a_finding),
        cmocka_unit_test(test_who_else_may_read_or_write_the_file),
        cmocka_unit_test(test_who_else_may_read_or_write_a_file_with_a_secret),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
