/* tests/unit/config/test_broken.c - mirrors core/config/schema.c, values.c, settings_*.c,
 * checks.c and sections.c: what is refused, and with which sentence at which place.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "core/base/mem.h"
#include "core/base/str.h"
#include "core/config/config.h"
#include "tests/harness/harness.h"
#include "tests/unit/config/texts.h"

struct broken {
    const char *why, *text, *want;
};

/* The first error of a text; the caller frees. Nothing is returned beside it. */
static char *first_error(const char *text)
{
    struct config *untouched = (struct config *) 1, *config = untouched;
    struct config_findings findings = { 0 };
    struct error err = { 0 };
    char *found = NULL;
    int r = config_load("F", text, &config, &findings, &err);

    for (size_t i = 0; i < findings.count && !found; i++)
        if (findings.items[i].severity == CONFIG_ERROR)
            found = mem_strdup(findings.items[i].text);
    if (found && (r != -EINVAL || config != untouched || strcmp(err.message, found) != 0))
        fail_msg("got %d and '%s' beside '%s'", r, err.message, found);
    if (!found && r == 0)
        config_free(config);
    config_findings_done(&findings);
    return found;
}

static void check_table(const struct broken *cases, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        autofree char *got = first_error(cases[i].text);

        if (!got || strcmp(got, cases[i].want) != 0)
            fail_msg("%s: got '%s'", cases[i].why, got ? got : "no error");
    }
}

static void test_text_that_is_no_toml(void **unused)
{
    static const struct broken cases[] = {
        { "a value is missing", "concurrent = \n",
          "F:1:14: Error while parsing key-value pair: expected value, saw '\\n'" },
        { "a string does not end", "concurrent = 1\nlog_level = \"info\n",
          "F:2:18: Error while parsing string: unescaped control characters other than TAB "
          "(U+0009) are explicitly prohibited" },
        { "a key twice", "concurrent = 1\nconcurrent = 2\n",
          "F:2:14: Error while parsing key-value pair: cannot redefine existing integer "
          "'concurrent'" },
        { "what would drive a terminal", "concurrent = tru\033[2J\n",
          "F:1:17: Error while parsing boolean: expected 'true', saw 'tru\\x1b'" },
        { "a letter that no key has", "\u00a7 = 1\n",
          "F:1:1: Error while parsing root table: expected keys, tables, whitespace or comments, "
          "saw '\u00a7'" },
        { "a letter behind a value", "concurrent = 1\u00e4\n",
          "F:1:15: Error while parsing decimal integer: expected digit, saw '\u00e4'" },
        { "a space that is none", "concurrent =\u00a01\n",
          "F:1:13: Error while parsing key-value pair: expected space or tab, saw '\\u00A0'" },
        { "a NUL in a string", "log_level = \"a\\u0000b\"\n",
          "F:1:13: a string has a NUL character" },
    };

    check_table(cases, ARRAY_LEN(cases));
}

static void test_global_settings(void **unused)
{
    static const struct broken cases[] = {
        { "a number in quotes", "concurrent = \"ten\"\n",
          "F:1:14: [global] 'concurrent' must be a whole number, not a string" },
        { "no job at all", "concurrent = 0\n",
          "F:1:14: [global] 'concurrent' must be 1 to 1000000, not 0" },
        { "negative seconds", "check_interval = -1\n",
          "F:1:18: [global] 'check_interval' must be 0 to 31622400, not -1" },
        { "a duration without a unit", "connection_max_age = 15\n",
          "F:1:22: [global] 'connection_max_age' must be a duration such as \"1m30s\", not a whole "
          "number" },
        { "a time in quotes", RUNNER "token_expires_at = \"2030-01-01T00:00:00Z\"\n" PLUGIN,
          "F:6:20: [[runners]] 'token_expires_at' must be a date and time such as "
          "2026-01-01T00:00:00Z, not a string" },
        { "a label with a blank", "labels = { zone = \"a b\" }\n",
          "F:1:19: [global] 'labels': 'zone' must be a string of 1 to 256 letters, digits and "
          "\"._-\"" },
        { "a label that is no string", "labels = { zone = 3 }\n",
          "F:1:19: [global] 'labels': 'zone' must be a string of 1 to 256 letters, digits and "
          "\"._-\"" },
        { "a label with a short name", "labels = { az = \"a\" }\n",
          "F:1:12: [global] 'labels': a name is 3 to 65 letters, digits and \"._-\", and begins "
          "with a letter, a digit or _" },
        { "an unknown level", "log_level = \"loud\"\n",
          "F:1:13: [global] 'log_level' must be one of error, warning, notice, info, debug, warn, "
          "fatal, panic, not \"loud\"" },
        { "a level that is a number", "log_level = 3\n",
          "F:1:13: [global] 'log_level' must be a string, not a whole number" },
        { "an unknown format", "log_format = \"xml\"\n",
          "F:1:14: [global] 'log_format' must be one of runner, text, json, not \"xml\"" },
        { "a relative state directory", "state_dir = \"var/x\"\n",
          "F:1:13: [global] 'state_dir' must be an absolute path, not \"var/x\"" },
        { "single brackets", "[runners]\nname = \"x\"\n",
          "F:1:1: [global] 'runners' must be an array of tables, each under [[runners]], not a "
          "table" },
    };

    check_table(cases, ARRAY_LEN(cases));
}

static void test_runner_settings(void **unused)
{
    static const struct broken cases[] = {
        { "no token", HEAD EXECUTOR PLUGIN, "F:1:1: [[runners]] 'token' is missing" },
        { "no URL", "[[runners]]\n" TOKEN EXECUTOR PLUGIN, "F:1:1: [[runners]] 'url' is missing" },
        { "no executor", HEAD TOKEN PLUGIN,
          "F:1:1: [[runners]] 'executor' (\"instance\") is missing" },
        { "no autoscaler", RUNNER, "F:1:1: [runners.autoscaler] is missing" },
        { "another executor", HEAD TOKEN "executor = \"docker\"\n" PLUGIN,
          "F:5:12: [[runners]] 'executor' must be instance, the only one there is, not "
          "\"docker\"" },
        { "a URL of another kind",
          "[[runners]]\nurl = \"ftp://gitlab.example\"\n" TOKEN EXECUTOR PLUGIN,
          "F:2:7: [[runners]] 'url' must be http:// or https:// with a host, without user name, "
          "spaces and control characters" },
        { "a URL with a password, which is not repeated",
          "[[runners]]\nurl = \"https://me:pw@gitlab.example\"\n" TOKEN EXECUTOR PLUGIN,
          "F:2:7: [[runners]] 'url' must be http:// or https:// with a host, without user name, "
          "spaces and control characters" },
        { "a URL without a host", "[[runners]]\nurl = \"https:///x\"\n" TOKEN EXECUTOR PLUGIN,
          "F:2:7: [[runners]] 'url' must be http:// or https:// with a host, without user name, "
          "spaces and control characters" },
        { "an empty token", HEAD "token = \"\"\n" EXECUTOR PLUGIN,
          "F:4:9: [[runners]] 'token' is empty or has characters that no token has" },
        { "a token with a line break, which is not repeated",
          HEAD "token = \"glrt-a\\nb\"\n" EXECUTOR PLUGIN,
          "F:4:9: [[runners]] 'token' is empty or has characters that no token has" },
        { "a token that is a number", HEAD "token = 12\n" EXECUTOR PLUGIN,
          "F:4:9: [[runners]] 'token' must be a string, not a whole number" },
        { "a token twice", RUNNER "token_file = \"/nowhere\"\n" PLUGIN,
          "F:6:1: [[runners]] has both 'token' and 'token_file'; keep one" },
        { "a token file that is not there",
          HEAD "token_file = \"/nowhere/token\"\n" EXECUTOR PLUGIN,
          "F:4:14: [[runners]] 'token_file': /nowhere/token: No such file or directory" },
        { "a fraction of a job", RUNNER "limit = 1.5\n" PLUGIN,
          "F:6:9: [[runners]] 'limit' must be a whole number, not a number with a fraction" },
        { "a number among strings", RUNNER "environment = [\"A=1\", 7]\n" PLUGIN,
          "F:6:23: [[runners]] 'environment' must be an array of strings, not a whole number" },
        { "a variable without a value", RUNNER "environment = [\"A=1\", \"no value\"]\n" PLUGIN,
          "F:6:23: [[runners]] 'environment' item 2 must be \"NAME=value\" with a name of letters, "
          "digits and _" },
        { "a variable that begins with a digit", RUNNER "environment = [\"1A=1\"]\n" PLUGIN,
          "F:6:16: [[runners]] 'environment' item 1 must be \"NAME=value\" with a name of letters, "
          "digits and _" },
        { "another shell", RUNNER "shell = \"zsh\"\n" PLUGIN,
          "F:6:9: [[runners]] 'shell' must be bash, sh, pwsh or powershell, not \"zsh\"" },
        { "a directory that climbs out", RUNNER "builds_dir = \"/b/../../etc\"\n" PLUGIN,
          "F:6:14: [[runners]] 'builds_dir' must be a directory without \"..\" and line breaks, "
          "not "
          "\"/b/../../etc\"" },
        { "and on Windows", RUNNER "builds_dir = 'C:\\b\\..\\c'\n" PLUGIN,
          "F:6:14: [[runners]] 'builds_dir' must be a directory without \"..\" and line breaks, "
          "not \"C:\\b\\..\\c\"" },
        { "half of a client certificate", RUNNER "tls-cert-file = \"/c.pem\"\n" PLUGIN,
          "F:6:1: [[runners]] 'tls-cert-file' and 'tls-key-file' go together; one is missing" },
        { "two entries of one name", ALL ALL,
          "F:8:1: [[runners]] has the 'url' and the 'name' of the entry in line 1; give it "
          "another" },
        { "two entries of one id",
          ALL "[[runners]]\nid = 5\nname = \"b\"\nurl = \"http://g\"\n" TOKEN EXECUTOR PLUGIN
              "[[runners]]\nid = 5\nname = \"c\"\nurl = \"http://g/\"\n" TOKEN EXECUTOR PLUGIN,
          "F:16:1: [[runners]] has the 'url' and the 'id' of the entry in line 8; give it "
          "another" },
    };

    check_table(cases, ARRAY_LEN(cases));
}

static void test_autoscaler_settings(void **unused)
{
    static const struct broken cases[] = {
        { "no plugin", RUNNER "[runners.autoscaler]\nmax_instances = 2\n",
          "F:6:1: [runners.autoscaler] 'plugin' is missing" },
        { "an empty plugin", RUNNER "[runners.autoscaler]\nplugin = \"\"\n",
          "F:7:10: [runners.autoscaler] 'plugin' is empty; name the plugin that makes instances" },
        { "an unknown host", ALL "plugin_host = \"thread\"\n",
          "F:8:15: [runners.autoscaler] 'plugin_host' must be one of worker, inline, not "
          "\"thread\"" },
        { "words for a duration", ALL "update_interval = \"5 minutes\"\n",
          "F:8:19: [runners.autoscaler] 'update_interval' must be a duration such as \"1m30s\", "
          "not \"5 minutes\"" },
        { "a negative duration", ALL "update_interval = \"-5m\"\n",
          "F:8:19: [runners.autoscaler] 'update_interval' must be 0s to 24h0m0s, not -5m" },
        { "hurry that is slower",
          ALL "update_interval = \"1s\"\nupdate_interval_when_expecting = \"3s\"\n",
          "F:9:34: [runners.autoscaler] 'update_interval_when_expecting' (3s) must not be longer "
          "than 'update_interval'" },
        { "the same against the default", ALL "update_interval = \"1s\"\n",
          "F:8:19: [runners.autoscaler] 'update_interval_when_expecting' (2s) must not be longer "
          "than 'update_interval'" },
        { "fewer than no jobs", ALL "capacity_per_instance = -1\n",
          "F:8:25: [runners.autoscaler] 'capacity_per_instance' must be 1 to 10000, not -1" },
        { "words for a truth", ALL "delete_instances_on_shutdown = \"yes\"\n",
          "F:8:32: [runners.autoscaler] 'delete_instances_on_shutdown' must be true or false, not "
          "a string" },
        { "a string for a table", ALL "plugin_config = \"x\"\n",
          "F:8:17: [runners.autoscaler] 'plugin_config' must be a table, not a string" },
        { "a number that JSON lacks", ALL "[runners.autoscaler.plugin_config]\nx = nan\n",
          "F:9:5: the plugin cannot be told this number: JSON has no inf and no nan" },
        { "isolation without its table", ALL "vm_isolation = true\n",
          "F:8:16: [runners.autoscaler] 'vm_isolation' must be a table, not true or false" },
        { "a port of a VM that does not exist",
          ALL "[runners.autoscaler.vm_isolation.connector_config]\nprotocol_port = -1\n",
          "F:9:17: [runners.autoscaler.vm_isolation.connector_config] 'protocol_port' must be 0 to "
          "65535, not -1" },
        { "a throttle below unlimited", ALL "[runners.autoscaler.scale_throttle]\nlimit = -2\n",
          "F:9:9: [runners.autoscaler.scale_throttle] 'limit' must be -1 to 1000000, not -2" },
        { "a storage that is a number", ALL "[runners.autoscaler.state_storage]\ndir = 1\n",
          "F:9:7: [runners.autoscaler.state_storage] 'dir' must be a string, not a whole number" },
        { "buckets that fall", ALL "instance_life_duration_buckets = [60, 30.5]\n",
          "F:8:39: [runners.autoscaler] 'instance_life_duration_buckets' must hold numbers from 0 "
          "up, each above the one before it" },
        { "a bucket that is no number", ALL "instance_life_duration_buckets = [\"1\"]\n",
          "F:8:35: [runners.autoscaler] 'instance_life_duration_buckets' must be an array of "
          "rising "
          "numbers, not a string" },
        { "VMs by WinRM",
          ALL "[runners.autoscaler.vm_isolation.connector_config]\nprotocol = \"winrm\"\n",
          "F:9:12: [runners.autoscaler.vm_isolation.connector_config] 'protocol' must be ssh: a VM "
          "is not reached by WinRM" },
        { "VMs on an instance that is reached by WinRM",
          ALL "[runners.autoscaler.connector_config]\nprotocol = \"winrm+https\"\n"
              "[runners.autoscaler.vm_isolation]\nenabled = true\nnesting_host = \"unix:/n\"\n",
          "F:9:12: [runners.autoscaler.connector_config] 'protocol' must be ssh with VM isolation: "
          "what makes VMs is reached by way of SSH" },
        { "isolation that is neither on nor off",
          ALL "[runners.autoscaler.vm_isolation]\nenabled = \"yes\"\n",
          "F:9:11: [runners.autoscaler.vm_isolation] 'enabled' must be true or false, not a "
          "string" },
    };

    check_table(cases, ARRAY_LEN(cases));
}

#define QUEUING_NAME "[[runners.monitoring.job_queuing_durations]]"
static void test_acceptable_times_in_queues(void **unused)
{
    static const struct broken cases[] = {
        { "a period with an impossible minute",
          QUEUING "periods = [\"* * * * * * *\", \"61 * * * *\"]\n",
          "F:9:29: " QUEUING_NAME " 'periods' of job_queuing_durations[0]: \"61 * * * *\" is no "
          "period: minute \"61\" is not in 0-59" },
        { "a second", QUEUING QUEUING_NAME "\nperiods = [\"30 * 10 * * * *\"]\n",
          "F:10:12: " QUEUING_NAME " 'periods' of job_queuing_durations[1]: \"30 * 10 * * * *\" is "
          "no period: it tells seconds, which periods of flotilla do not; write '*' there" },
        { "a year", QUEUING "periods = [\"* * * * * 2030\"]\n",
          "F:9:12: " QUEUING_NAME
          " 'periods' of job_queuing_durations[0]: \"* * * * * 2030\" is no "
          "period: it tells a year, which periods of flotilla do not; write '*' there" },
        { "too few fields", QUEUING "periods = [\"* * *\"]\n",
          "F:9:12: " QUEUING_NAME " 'periods' of job_queuing_durations[0]: \"* * *\" is no period: "
          "it has neither five fields nor six (with the year behind them) nor seven (with seconds "
          "before them, too)" },
        { "a zone that is not there", QUEUING "timezone = \"Mars/Base\"\n",
          "F:9:12: " QUEUING_NAME " 'timezone' of job_queuing_durations[0]: there is no time zone "
          "\"Mars/Base\" in /usr/share/zoneinfo" },
        { "no duration", QUEUING "threshold = \"soon\"\n",
          "F:9:13: " QUEUING_NAME
          " 'threshold' must be a duration such as \"1m30s\", not \"soon\"" },
        { "a duration below nothing", QUEUING "threshold = \"-1s\"\n",
          "F:9:13: " QUEUING_NAME " 'threshold' must be 0s to 8784h0m0s, not -1s" },
        { "an expression without its end", QUEUING "jobs_running_for_project = \"^(0|1\"\n",
          "F:9:28: " QUEUING_NAME " 'jobs_running_for_project' of job_queuing_durations[0]: the "
          "regular expression \"^(0|1\" is broken behind 5 bytes: missing closing parenthesis" },
        { "a number for an expression", QUEUING "jobs_running_for_project = 1\n",
          "F:9:28: " QUEUING_NAME " 'jobs_running_for_project' must be a string, not a whole "
          "number" },
        { "single brackets", ALL "[runners.monitoring.job_queuing_durations]\n",
          "F:8:1: [runners.monitoring] 'job_queuing_durations' must be an array of tables, each "
          "under " QUEUING_NAME ", not a table" },
        { "no tables", ALL "[runners.monitoring]\njob_queuing_durations = [1]\n",
          "F:9:26: [runners.monitoring] 'job_queuing_durations' must be an array of tables, each "
          "under " QUEUING_NAME ", not a whole number" },
    };

    (void) unused;
    check_table(cases, ARRAY_LEN(cases));
}

static void test_connector_and_policy_settings(void **unused)
{
    static const struct broken cases[] = {
        { "an unknown protocol", CONNECTOR "protocol = \"telnet\"\n",
          "F:9:12: [runners.autoscaler.connector_config] 'protocol' must be ssh, winrm "
          "or winrm+https, not \"telnet\"" },
        { "a port that does not exist", CONNECTOR "protocol_port = 70000\n",
          "F:9:17: [runners.autoscaler.connector_config] 'protocol_port' must be 0 to 65535, not "
          "70000" },
        { "credentials without a user", CONNECTOR "use_static_credentials = true\n",
          "F:9:26: [runners.autoscaler.connector_config] 'use_static_credentials' needs a "
          "'username'" },
        { "an unknown policy for keys", CONNECTOR "host_key_policy = \"none\"\n",
          "F:9:19: [runners.autoscaler.connector_config] 'host_key_policy' must be one of pin, "
          "tofu, accept, not \"none\"" },
        { "a password of the wrong type, which is not repeated", CONNECTOR "password = 1234\n",
          "F:9:12: [runners.autoscaler.connector_config] 'password' must be a string, not a whole "
          "number" },
        { "fewer than no idle jobs", POLICY "idle_count = -1\n",
          "F:9:14: [[runners.autoscaler.policy]] 'idle_count' must be 0 to 1000000, not -1" },
        { "a factor that is no number", POLICY "scale_factor = nan\n",
          "F:9:16: [[runners.autoscaler.policy]] 'scale_factor' must be 0 to 1000, not nan" },
        { "a zone outside the folder of zones", POLICY "timezone = \"../../etc/passwd\"\n",
          "F:9:12: [[runners.autoscaler.policy]] 'timezone' of policy[0]: \"../../etc/passwd\" is "
          "no name of a time zone; one is such as \"Europe/Berlin\"" },
        { "autoscaler_V46: a zone that is not there",
          POLICY "[[runners.autoscaler.policy]]\ntimezone = \"Mars/Base\"\n",
          "F:10:12: [[runners.autoscaler.policy]] 'timezone' of policy[1]: there is no time zone "
          "\"Mars/Base\" in /usr/share/zoneinfo" },
        { "autoscaler_V46: a period with an impossible minute",
          POLICY "periods = [\"* * * * *\",\n  \"61 * * * *\"]\n",
          "F:10:3: [[runners.autoscaler.policy]] 'periods' of policy[0]: \"61 * * * *\" is no "
          "period: minute \"61\" is not in 0-59" },
        { "a zone of the wrong type", POLICY "timezone = 1\n",
          "F:9:12: [[runners.autoscaler.policy]] 'timezone' must be a string, not a whole number" },
        { "a period of the wrong type", POLICY "periods = [1]\n",
          "F:9:12: [[runners.autoscaler.policy]] 'periods' must be an array of strings, not a "
          "whole number" },
        { "single brackets", ALL "[runners.autoscaler.policy]\nidle_count = 1\n",
          "F:8:1: [runners.autoscaler] 'policy' must be an array of tables, each under "
          "[[runners.autoscaler.policy]], not a table" },
        { "one period without its list", POLICY "periods = \"* * * * *\"\n",
          "F:9:11: [[runners.autoscaler.policy]] 'periods' must be an array of strings, not a "
          "string" },
    };

    check_table(cases, ARRAY_LEN(cases));
}

/* Checked, although nothing acts on them yet. */
static void test_settings_to_come(void **unused)
{
    static const struct broken cases[] = {
        { "a store that nobody knows", RUNNER "[runners.cache]\nType = \"ftp\"\n" PLUGIN,
          "F:7:8: [runners.cache] 'Type' must be one of s3, gcs, azure, s3v2, gcsv2, not \"ftp\"" },
        { "a negative size", RUNNER "[runners.cache]\nMaxUploadedArchiveSize = -1\n" PLUGIN,
          "F:7:26: [runners.cache] 'MaxUploadedArchiveSize' must be 0 to 9223372036854775807, not "
          "-1" },
        { "a key of the wrong type, which is not repeated",
          RUNNER "[runners.cache.s3]\nSecretKey = 1234\n" PLUGIN,
          "F:7:13: [runners.cache.s3] 'SecretKey' must be a string, not a whole number" },
        { "an unknown encryption",
          RUNNER "[runners.cache.s3]\nServerSideEncryption = \"x\"\n" PLUGIN,
          "F:7:24: [runners.cache.s3] 'ServerSideEncryption' must be one of S3, KMS, DSSE-KMS, "
          "AES256, aws:kms, not \"x\"" },
        { "a name of a container that is a list",
          RUNNER "[runners.cache.azure]\nContainerName = []\n" PLUGIN,
          "F:7:17: [runners.cache.azure] 'ContainerName' must be a string, not an array" },
        { "a flag in words", RUNNER "[runners.feature_flags]\nFF_TIMESTAMPS = \"yes\"\n" PLUGIN,
          "F:7:17: [runners.feature_flags] 'FF_TIMESTAMPS' must be true or false, not a string" },
        { "one image without its list",
          RUNNER "[runners.instance]\nallowed_images = \"*\"\n" PLUGIN,
          "F:7:18: [runners.instance] 'allowed_images' must be an array of strings, not a string" },
        { "a folder of builds that is neither free nor not",
          RUNNER "[runners.custom_build_dir]\nenabled = 1\n" PLUGIN,
          "F:7:11: [runners.custom_build_dir] 'enabled' must be true or false, not a whole "
          "number" },
        { "a time without a unit", RUNNER "[runners.artifact]\nupload_timeout = 3600\n" PLUGIN,
          "F:7:18: [runners.artifact] 'upload_timeout' must be a duration such as \"1m30s\", not a "
          "whole number" },
        { "a negative time", RUNNER "get_sources_timeout = \"-1s\"\n" PLUGIN,
          "F:6:23: [[runners]] 'get_sources_timeout' must be 0s to 8784h0m0s, not -1s" },
        { "a name to listen on", "listen_address = \"ci.example:9252\"\n",
          "F:1:18: 'listen_address' must be HOST:PORT, HOST or :PORT with a number or localhost "
          "for "
          "HOST, such as \"127.0.0.1:9252\" or \":9252\"" },
        { "a host's name with a port", "[web]\nhost_names = [\"ci\", \"ci:9252\"]\n",
          "F:2:21: [web] 'host_names' item 2 must be a name without a port, such as "
          "\"ci-manager.example.com\"" },
        { "a certificate without its key", "[web]\ncertificate_file = \"/dev/null\"\n",
          "F:1:1: [web] 'certificate_file' and 'key_file' must both be set, or none of them" },
        { "a session in minutes", "[session_server]\nsession_timeout = \"30m\"\n",
          "F:2:19: [session_server] 'session_timeout' must be a whole number of seconds, not a "
          "string" },
        { "sessions nowhere", "[session_server]\nlisten_address = \"ci.example.com:8093\"\n",
          "F:2:18: [session_server] 'listen_address' must be an address of this machine and a "
          "port, as \"0.0.0.0:8093\"" },
        { "sessions everywhere", "[session_server]\nlisten_address = \"[::]:8093\"\n",
          "F:2:18: [session_server] 'listen_address' is every address of this machine, so "
          "'advertise_address' must say where GitLab finds it, as \"runner.example.com:8093\"" },
        { "an address with a scheme",
          "[session_server]\nlisten_address = \":8093\"\nadvertise_address = "
          "\"https://ci.example.com:8093\"\n",
          "F:3:21: [session_server] 'advertise_address' must be a host and its port, as "
          "\"runner.example.com:8093\", without a scheme" },
    };

    check_table(cases, ARRAY_LEN(cases));
}

static void test_one_reading_names_everything_that_is_wrong(void **unused)
{
    struct config_findings findings = { 0 };
    struct config *config = NULL;
    size_t errors = 0;

    assert_int_equal(config_load("F",
                                 "concurrent = 0\n" ALL "max_instances = -1\n"
                                 "[[runners.autoscaler.policy]]\nidle_time = \"x\"\n",
                                 &config, &findings, NULL),
                     -EINVAL);
    for (size_t i = 0; i < findings.count; i++) {
        errors += findings.items[i].severity == CONFIG_ERROR;
        if (i > 0)
            assert_true(findings.items[i - 1].line <= findings.items[i].line);
    }
    assert_int_equal(errors, 3);
    config_findings_done(&findings);
}

static void test_nesting_is_limited(void **unused)
{
    static const int depths[] = { 65, 300, 100000 };

    for (size_t i = 0; i < ARRAY_LEN(depths); i++) {
        autobuf struct buf text = BUF_INIT;
        autofree char *got = NULL;

        buf_add_str(&text, "x = ");
        for (int k = 0; k < depths[i]; k++)
            buf_add_char(&text, '[');
        for (int k = 0; k < depths[i]; k++)
            buf_add_char(&text, ']');
        got = first_error(buf_str(&text));
        assert_non_null(got);
        assert_memory_equal(got, "F:1:", 4);
    }
}

static void test_rubbish_ends_in_a_bounded_number_of_findings(void **unused)
{
    autobuf struct buf text = BUF_INIT;
    struct config_findings findings = { 0 };
    struct config *config = NULL;

    for (int i = 0; i < 5000; i++)
        buf_addf(&text, "key_%d = 1\n", i);
    /* Of a wrong type, and nobody says it any more: it must not be used. */
    buf_add_str(&text, "log_level = 3\n" HEAD "token = 12\n" EXECUTOR);
    assert_int_equal(config_load("F", buf_str(&text), &config, &findings, NULL), -EINVAL);
    assert_int_equal(findings.count, 201);
    config_findings_done(&findings);
}

static void test_what_has_no_effect_is_told(void **unused)
{
    static const struct {
        const char *text, *want;
    } cases[] = {
        { RUNNER "[runners.cache]\nType = \"s3\"\n[runners.cache.s3]\nRoleARN = \"r\"\n" PLUGIN,
          "F:9:1: [runners.cache.s3] 'RoleARN' is not acted on yet" },
        { "machine = 1\n" ALL, "F:1:1: [global] 'machine' is for another executor, ignoring" },
        { RUNNER "[runners.docker]\nimage = \"alpine\"\n" PLUGIN,
          "F:6:10: [[runners]] 'docker' is for another executor, ignoring" },
        { RUNNER "pre_clone_script = \"x\"\n" PLUGIN,
          "F:6:1: [[runners]] 'pre_clone_script' is not run: its commands belong in "
          "'pre_get_sources_script'" },
    };

    for (size_t i = 0; i < ARRAY_LEN(cases); i++)
        if (!is_told(cases[i].text, CONFIG_NOTE, cases[i].want))
            fail_msg("not told: %s", cases[i].want);
}

#define UNNAMED(token)                                                                             \
    "[[runners]]\n"                                                                                \
    "url = \"https://gitlab.example\"\n"                                                           \
    "token = \"" token "\"\n" EXECUTOR PLUGIN /* 6 lines */

/* hardening_R10: tokens are rotated, and the group must stay the same. */
static void test_a_runner_without_a_name_is_not_known_by_its_token(void **unused)
{
    static const char *const tokens[] = { UNNAMED("glrt-abcdefghi"), UNNAMED("glrt-rotated12") };
    autofree char *twice = first_error(UNNAMED("glrt-abcdefghi") UNNAMED("glrt-rotated12"));

    for (size_t i = 0; i < ARRAY_LEN(tokens); i++) {
        struct config_findings findings = { 0 };
        struct config *config = NULL;

        assert_int_equal(config_load("F", tokens[i], &config, &findings, NULL), 0);
        assert_string_equal(config_identity(&config->runners[0]), "");
        assert_true(str_starts(config->runners[0].name, "runner "));
        config_findings_done(&findings);
        config_free(config);
    }
    assert_true(is_told(tokens[0], CONFIG_WARNING, "F:1:1: [[runners]] has no 'name'"));
    assert_string_equal(twice, "F:7:1: [[runners]] has the 'url' and the 'name' of the entry in "
                               "line 1; give it another");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_text_that_is_no_toml),
        cmocka_unit_test(test_global_settings),
        cmocka_unit_test(test_runner_settings),
        cmocka_unit_test(test_autoscaler_settings),
        cmocka_unit_test(test_acceptable_times_in_queues),
        cmocka_unit_test(test_connector_and_policy_settings),
        cmocka_unit_test(test_settings_to_come),
        cmocka_unit_test(test_one_reading_names_everything_that_is_wrong),
        cmocka_unit_test(test_what_has_no_effect_is_told),
        cmocka_unit_test(test_a_runner_without_a_name_is_not_known_by_its_token),
        cmocka_unit_test(test_nesting_is_limited),
        cmocka_unit_test(test_rubbish_ends_in_a_bounded_number_of_findings),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
