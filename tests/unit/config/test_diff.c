/* tests/unit/config/test_diff.c - mirrors core/config/diff.c: what two files differ in, line by line. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "core/base/mem.h"
#include "core/base/str.h"
#include "core/config/diff.h"
#include "tests/harness/harness.h"
#include "tests/unit/config/texts.h"

#define ISOLATION ALL "[runners.autoscaler.vm_isolation]\n"
#define VM "[runners.autoscaler.vm_isolation.connector_config]\n"

static struct config *load(const char *text)
{
    struct config_findings findings = { 0 };
    struct config *config = NULL;
    struct error err = { 0 };

    if (config_load("F", text, &config, &findings, &err) < 0)
        fail_msg("%s", err.message);
    config_findings_done(&findings);
    return config;
}

/* The changes, one a line. */
static char *diff(const char *before, const char *after)
{
    auto_ptr(config_free) struct config *a = load(before);
    auto_ptr(config_free) struct config *b = load(after);
    struct config_changes changes = { 0 };
    autobuf struct buf out = BUF_INIT;

    assert_int_equal(config_diff(a, b, &changes), 0);
    for (size_t i = 0; i < changes.count; i++) {
        config_change_text(&changes.items[i], &out);
        buf_add_str(&out, "\n");
    }
    config_changes_done(&changes);
    return mem_strdup(buf_str(&out));
}

static void test_every_change_is_told_in_words(void **unused)
{
    static const struct {
        const char *why, *before, *after, *want;
    } rows[] = {
        { "nothing", ALL, ALL, "" },
        { "comments and order are nothing", "concurrent = 4\nlog_level = \"info\"\n" ALL,
          "# a comment\nlog_level = \"info\"\nconcurrent = 4\n" ALL, "" },
        { "a default that is written out is nothing", ALL,
          "concurrent = 1\n" ALL "capacity_per_instance = 1\n", "" },
        { "settings above all entries",
          "concurrent = 4\ncheck_interval = 3\nlog_level = \"info\"\n" ALL,
          "concurrent = 8\ncheck_interval = 10\nlog_level = \"debug\"\nlog_format = \"json\"\n"
          "state_dir = \"/srv/x\"\nworker_seccomp = false\n" ALL,
          "concurrent: 4 → 8\ncheck_interval: 3s → 10s\nstate_dir: none → \"/srv/x\"\n"
          "worker_seccomp: true → false\nlog_level: \"info\" → \"debug\"\n"
          "log_format: \"text\" → \"json\"\n" },
        { "an entry's own", HEAD TOKEN "limit = 2\n" EXECUTOR PLUGIN,
          HEAD TOKEN "limit = 3\nshell = \"sh\"\noutput_limit = 100\n" EXECUTOR PLUGIN,
          "runner 'a': limit: 2 → 3\nrunner 'a': output_limit: 4096 → 100\n"
          "runner 'a': shell: \"bash\" → \"sh\"\n" },
        { "a time, of which the year 1 is none",
          RUNNER "token_expires_at = 0001-01-01T00:00:00Z\n" PLUGIN,
          RUNNER "token_expires_at = 2030-01-01T01:00:00+01:00\n" PLUGIN,
          "runner 'a': token_expires_at: none → 2030-01-01T00:00:00Z\n" },
        { "a token that the other begins with", HEAD "token = \"glrt-abc\"\n" EXECUTOR PLUGIN,
          HEAD "token = \"glrt-abcdef\"\n" EXECUTOR PLUGIN, "runner 'a': token: changed\n" },
        { "what may be secret is not shown", HEAD "token = \"glrt-abc\"\n" EXECUTOR PLUGIN,
          HEAD "token = \"glrt-other\"\nenvironment = [\"PASSWORD=x\"]\npre_build_script = \"login "
               "x\"\n" EXECUTOR PLUGIN,
          "runner 'a': token: changed\nrunner 'a': environment: changed\n"
          "runner 'a': pre_build_script: changed\n" },
        { "the plugin's settings are its own",
          ALL "plugin_config = { name = \"g\", size = 1, gone = 1 }\n",
          ALL "plugin_config = { name = \"g\", size = 2, new = 1 }\n",
          "runner 'a': autoscaler.plugin_config.size: changed\n"
          "runner 'a': autoscaler.plugin_config.gone: changed\n"
          "runner 'a': autoscaler.plugin_config.new: changed\n" },
        { "the connector's are told once",
          CONNECTOR "username = \"u\"\npassword = \"p\"\ntimeout = \"1m\"\n",
          CONNECTOR "username = \"v\"\npassword = \"q\"\ntimeout = \"2m\"\nos = \"linux\"\n",
          "runner 'a': autoscaler.connector_config.os: changed\n"
          "runner 'a': autoscaler.connector_config.username: \"u\" → \"v\"\n"
          "runner 'a': autoscaler.connector_config.password: changed\n"
          "runner 'a': autoscaler.connector_config.timeout: 1m0s → 2m0s\n" },
        { "of VMs all but what is secret is shown",
          ISOLATION "image = \"a\"\n[runners.autoscaler.vm_isolation.nesting_config]\nx = 1\n" VM
                    "password = \"p\"\n",
          ISOLATION "image = \"b\"\n[runners.autoscaler.vm_isolation.nesting_config]\nx = 2\n" VM
                    "password = \"q\"\n",
          "runner 'a': autoscaler.vm_isolation.nesting_config: changed\n"
          "runner 'a': autoscaler.vm_isolation.image: \"a\" → \"b\"\n"
          "runner 'a': autoscaler.vm_isolation.connector_config.password: changed\n" },
        { "policies", POLICY "idle_count = 1\n",
          POLICY
          "idle_count = 3\nidle_time = \"20m\"\nscale_factor = 0.5\npreemptive_mode = false\n"
          "[[runners.autoscaler.policy]]\nidle_count = 9\n",
          "runner 'a': autoscaler.policy[0].idle_count: 1 → 3\n"
          "runner 'a': autoscaler.policy[0].idle_time: 0s → 20m0s\n"
          "runner 'a': autoscaler.policy[0].scale_factor: 0 → 0.5\n"
          "runner 'a': autoscaler.policy[0].preemptive_mode: unset → false\n"
          "runner 'a': autoscaler.policy[1]: none → a table\n" },
        { "acceptable times in queues", QUEUING "threshold = \"1m\"\nperiods = [\"* * * * *\"]\n",
          QUEUING "threshold = \"2m\"\ntimezone = \"UTC\"\njobs_running_for_project = \"0\"\n"
                  "periods = [\"* * * * * *\"]\n[[runners.monitoring.job_queuing_durations]]\n"
                  "periods = [\"* 1 * * *\"]\n",
          "runner 'a': monitoring.job_queuing_durations[0].periods: [\"* * * * *\"] → "
          "[\"* * * * * *\"]\n"
          "runner 'a': monitoring.job_queuing_durations[0].timezone: none → \"UTC\"\n"
          "runner 'a': monitoring.job_queuing_durations[0].threshold: 1m0s → 2m0s\n"
          "runner 'a': monitoring.job_queuing_durations[0].jobs_running_for_project: none → \"0\"\n"
          "runner 'a': monitoring.job_queuing_durations[1]: none → a table\n" },
        { "where the plugin runs", ALL, ALL "plugin_host = \"inline\"\n",
          "runner 'a': autoscaler.plugin_host: \"worker\" → \"inline\"\n" },
        { "another group of the cloud", ALL "plugin_config = { name = \"g\" }\n",
          ALL "plugin_config = { name = \"h\" }\n",
          "runner 'a': autoscaler.plugin_config.name: changed\n"
          "runner 'a': another instance group: jobs on the old one run to their end, and its "
          "instances go once they are idle\n" },
        { "another name is another entry, unless GitLab's id says who it is", ALL,
          "[[runners]]\nname = \"b\"\nurl = \"https://gitlab.example\"\n" TOKEN EXECUTOR PLUGIN,
          "runner 'b': added\nrunner 'a': removed: its jobs run to their end, and its instances go "
          "once they are idle\n" },
        { "an id", HEAD TOKEN "id = 7\n" EXECUTOR PLUGIN,
          "[[runners]]\nname = \"b\"\nid = 7\nurl = \"https://gitlab.example\"\n" TOKEN EXECUTOR
              PLUGIN,
          "runner 'b': name: \"a\" → \"b\"\n" },
    };

    (void) unused;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        autofree char *got = diff(rows[i].before, rows[i].after);

        if (!str_eq(got, rows[i].want))
            fail_msg("%s:\n%s", rows[i].why, got);
    }
}

static void test_a_name_cannot_drive_a_terminal(void **unused)
{
    autofree char *got = diff(ALL "[runners.autoscaler.connector_config]\nusername = \"u\"\n", ALL
                              "[runners.autoscaler.connector_config]\nusername = \"\\u001b[2J\"\n");

    (void) unused;
    assert_null(strchr(got, '\033'));
}

static void test_keys_are_found_by_how_they_begin(void **unused)
{
    auto_ptr(config_free) struct config *a = load(ALL "plugin_config = { name = \"g\", x = 1 }\n");
    auto_ptr(config_free) struct config *b = load(ALL "plugin_config = { name = \"g\", x = 2 }\n");
    struct config_changes changes = { 0 };

    (void) unused;
    assert_int_equal(config_diff_runner(&a->runners[0], &b->runners[0], &changes), 0);
    assert_true(config_changes_have(&changes, "autoscaler.plugin_config"));
    assert_false(config_changes_have(&changes, "token"));
    config_changes_done(&changes);
}

/* hardening R10 */
static void test_a_group_is_the_same_whatever_its_token_and_settings(void **unused)
{
    static const struct {
        const char *why, *text;
        bool same;
    } rows[] = {
        { "token and limits",
          HEAD "token = \"glrt-new\"\nlimit = 4\n" EXECUTOR PLUGIN
               "max_instances = 3\nplugin_config = { name = \"g\", x = 1 }\n",
          true },
        { "the group's name", ALL "plugin_config = { name = \"h\" }\n", false },
        { "the plugin",
          RUNNER "[runners.autoscaler]\nplugin = \"static\"\n"
                 "plugin_config = { name = \"g\" }\n",
          false },
    };
    auto_ptr(config_free) struct config *a = load(ALL "plugin_config = { name = \"g\" }\n");
    autofree char *key = config_group_key(&a->runners[0]);

    (void) unused;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        auto_ptr(config_free) struct config *b = load(rows[i].text);
        autofree char *other = config_group_key(&b->runners[0]);

        if (str_eq(key, other) != rows[i].same)
            fail_msg("%s", rows[i].why);
        assert_true(config_same_runner(&a->runners[0], &b->runners[0]));
        assert_int_equal(config_same_cloud(&a->runners[0].autoscaler, &b->runners[0].autoscaler),
                         rows[i].same);
    }
}

static void test_a_reference_keeps_a_configuration(void **unused)
{
    struct config *config = load(ALL);
    struct config *held = config_ref(config);

    (void) unused;
    config_free(config);
    assert_string_equal(held->runners[0].name, "a");
    config_free(held);
}

static void test_a_file_that_was_replaced_has_another_stamp(void **unused)
{
    char path[] = "/tmp/flotilla-stamp-XXXXXX";
    autoclose int fd = mkstemp(path);
    autofree char *other = mem_printf("%s.new", path);
    struct config_stamp first, second;
    FILE *file;

    (void) unused;
    assert_true(fd >= 0);
    first = config_stamp(path);
    second = config_stamp(path);
    assert_true(config_stamp_equal(&first, &second));
    file = fopen(other, "we");
    assert_non_null(file);
    (void) fclose(file);
    assert_int_equal(rename(other, path), 0);
    second = config_stamp(path);
    assert_false(config_stamp_equal(&first, &second));
    (void) remove(path);
    second = config_stamp(path);
    assert_int_equal(second.inode, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_change_is_told_in_words),
        cmocka_unit_test(test_a_name_cannot_drive_a_terminal),
        cmocka_unit_test(test_keys_are_found_by_how_they_begin),
        cmocka_unit_test(test_a_group_is_the_same_whatever_its_token_and_settings),
        cmocka_unit_test(test_a_reference_keeps_a_configuration),
        cmocka_unit_test(test_a_file_that_was_replaced_has_another_stamp),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
