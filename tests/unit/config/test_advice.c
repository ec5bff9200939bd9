/* tests/unit/config/test_advice.c - mirrors core/config/advice.c and unknown.c: what is allowed, and
 * said all the same. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "core/base/mem.h"
#include "core/base/str.h"
#include "tests/unit/config/texts.h"

struct row {
    const char *why, *text, *want; /* "" = nothing is said */
};

/* Everything that is said must be expected. */
static void check_rows(const struct row *rows, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        autofree char *got = findings_of(rows[i].text);
        size_t len = strlen(got);

        if (len > 0)
            got[len - 1] = '\0'; /* the last line break */
        if (strcmp(got, rows[i].want) != 0)
            fail_msg("%s: got '%s'", rows[i].why, got);
    }
}

#define TEN "concurrent = 10\n" ALL                                         /* 8 lines */
#define TEN_POLICY TEN "max_instances = 5\n[[runners.autoscaler.policy]]\n" /* 10 lines */
#define SECOND "[[runners]]\nname = \"b\"\nurl = \"https://gitlab.example\"\n" TOKEN EXECUTOR PLUGIN
#define CONFIG "[runners.autoscaler.plugin_config]\nname = \"g\"\n"

#define ISOLATED                                                                                   \
    "concurrent = 10\n" ALL "[runners.autoscaler.vm_isolation]\nenabled = true\n" /* 10 lines */
#define NESTED ISOLATED "nesting_host = \"unix:/n\"\n"                            /* 11 lines */
#define INTO "[runners.autoscaler.vm_isolation.connector_config]\n"
#define HOST                                                                                       \
    "[runners.autoscaler.vm_isolation] 'nesting_host' must be unix:///PATH, tcp://HOST:PORT or "   \
    "HOST:PORT, as the instance sees it, not "
#define NO_VM ": no VM can be made"
#define LOGIN INTO "username = \"u\"\npassword = \"p\"\n"

static void test_vms(void **unused)
{
    static const struct row rows[] = {
        { "all that is needed", NESTED "image = \"i\"\n" LOGIN, "" },
        { "no daemon", ISOLATED LOGIN,
          "error: F:9:1: [runners.autoscaler.vm_isolation] 'nesting_host' is missing: it names the "
          "socket of the nesting daemon on the instance, as in \"unix:///run/nesting.sock\"" },
        { "an empty one", ISOLATED "nesting_host = \"\"\n" LOGIN,
          "error: F:11:16: [runners.autoscaler.vm_isolation] 'nesting_host' is missing: it names "
          "the socket of the nesting daemon on the instance, as in \"unix:///run/nesting.sock\"" },
        { "another plugin has keys of its own",
          ISOLATED "plugin = \"mine\"\nimage = \"i\"\nits_key = 3\n" LOGIN, "" },
        { "nesting has not", NESTED "image = \"i\"\nits_key = 3\n" LOGIN,
          "warning: F:13:1: [runners.autoscaler.vm_isolation] has no setting 'its_key', ignoring" },
        { "no plugin", ISOLATED "plugin = \"\"\n",
          "error: F:11:10: [runners.autoscaler.vm_isolation] 'plugin' is empty; name the plugin "
          "that makes VMs, or leave it out for \"nesting\"" },
        { "no image", NESTED LOGIN,
          "note: F:9:1: [runners.autoscaler.vm_isolation] has no 'image': jobs that name none "
          "fail" },
        { "no login at all", NESTED "image = \"i\"\n",
          "warning: F:9:1: [runners.autoscaler.vm_isolation.connector_config] has no 'username': "
          "no login to a VM will work" },
        { "a name alone", NESTED "image = \"i\"\n" INTO "username = \"u\"\n",
          "warning: F:13:1: [runners.autoscaler.vm_isolation.connector_config] has neither "
          "'password' nor 'key_path': no login to a VM will work" },
        { "an address that a VM has not",
          NESTED "image = \"i\"\n" LOGIN "use_external_addr = true\n",
          "note: F:16:21: [runners.autoscaler.vm_isolation.connector_config] 'use_external_addr' "
          "has no effect: a VM has one address, which its instance knows" },
        { "keys that nobody can know", NESTED "image = \"i\"\n" LOGIN "host_key_policy = \"pin\"\n",
          "error: F:16:19: [runners.autoscaler.vm_isolation.connector_config] 'host_key_policy' "
          "must not be pin: each VM is new, and nobody knows its host key; leave it out" },
        { "images of VMs where there are none",
          "concurrent = 10\n" RUNNER "[runners.instance]\nallowed_images = [\"*\"]\n" PLUGIN,
          "note: F:8:18: [runners.instance] 'allowed_images' has no effect without VM isolation" },
        { "a path that is no address", ISOLATED "nesting_host = \"/n\"\nimage = \"i\"\n" LOGIN,
          "warning: F:11:16: " HOST "\"/n\"" NO_VM },
        { "a socket of no absolute path",
          ISOLATED "nesting_host = \"unix://n/s\"\nimage = \"i\"\n" LOGIN,
          "warning: F:11:16: " HOST "\"unix://n/s\"" NO_VM },
        { "a port that is none", ISOLATED "nesting_host = \"tcp://h:65536\"\nimage = \"i\"\n" LOGIN,
          "warning: F:11:16: " HOST "\"tcp://h:65536\"" NO_VM },
        { "an address of the web", ISOLATED "nesting_host = \"http://h:80\"\nimage = \"i\"\n" LOGIN,
          "warning: F:11:16: " HOST "\"http://h:80\"" NO_VM },
        { "a port of the instance",
          ISOLATED "nesting_host = \"tcp://[::1]:80\"\nimage = \"i\"\n" LOGIN, "" },
        { "the same without its kind", ISOLATED "nesting_host = \"h:80\"\nimage = \"i\"\n" LOGIN,
          "" },
        { "isolation that nobody turned on",
          "concurrent = 10\n" ALL
          "[runners.autoscaler.vm_isolation]\nnesting_host = \"unix:///n\"\n",
          "warning: F:9:1: [runners.autoscaler.vm_isolation] has no 'enabled = true': jobs run on "
          "the instance itself, and not in VMs" },
        { "isolation that is off needs nothing",
          "concurrent = 10\n" ALL "[runners.autoscaler.vm_isolation]\nenabled = false\n", "" },
    };

    (void) unused;
    check_rows(rows, ARRAY_LEN(rows));
}

static void test_numbers_of_jobs(void **unused)
{
    static const struct row rows[] = {
        { "as many jobs as places", TEN "max_instances = 5\ncapacity_per_instance = 2\n", "" },
        { "fewer jobs than places", TEN "max_instances = 6\ncapacity_per_instance = 2\n",
          "note: F:1:14: [global] 'concurrent' = 10 is below the 12 places of runner 'a' "
          "(max_instances × capacity_per_instance): not all can have a job at once" },
        { "one job, which is the default", ALL "max_instances = 2\n",
          "note: F:8:17: [global] 'concurrent' = 1 is below the 2 places of runner 'a' "
          "(max_instances × capacity_per_instance): not all can have a job at once" },
        { "a name that would drive a terminal",
          "[[runners]]\nname = \"\\u001b[2J\"\n"
          "url = \"https://gitlab.example\"\n" TOKEN EXECUTOR PLUGIN "max_instances = 2\n",
          "note: F:8:17: [global] 'concurrent' = 1 is below the 2 places of runner '\\x1b[2J' "
          "(max_instances × capacity_per_instance): not all can have a job at once" },
        { "a limit above all limits", "concurrent = 10\n" RUNNER "limit = 11\n" PLUGIN,
          "note: F:7:9: [[runners]] 'limit' = 11 has no effect: [global] 'concurrent' = 10 is "
          "less" },
        { "a limit below the places",
          "concurrent = 10\n" RUNNER "limit = 3\n" PLUGIN "max_instances = 4\n",
          "note: F:7:9: [[runners]] 'limit' = 3 is below the group's 4 places (max_instances × "
          "capacity_per_instance): not all can have a job at once" },
        { "a limit for all places",
          "concurrent = 10\n" RUNNER "limit = 4\n" PLUGIN "max_instances = 4\n", "" },
        { "fewer jobs than runners", ALL SECOND,
          "warning: F:1:1: [global] 'concurrent' = 1 is less than the number of runners, 2: some "
          "will wait for others" },
    };

    (void) unused;
    check_rows(rows, ARRAY_LEN(rows));
}

static void test_instances(void **unused)
{
    static const struct row rows[] = {
        { "more places than uses", TEN "capacity_per_instance = 5\nmax_use_count = 4\n",
          "warning: F:10:17: [runners.autoscaler] 'max_use_count' = 4 is below "
          "'capacity_per_instance' = 5: places of an instance stay without a job for its whole "
          "life" },
        { "any number of uses", TEN "capacity_per_instance = 5\nmax_use_count = 0\n", "" },
        { "retries of what is not done", TEN "shutdown_deletion_retries = 5\n",
          "note: F:9:29: [runners.autoscaler] 'shutdown_deletion_retries' has no effect without "
          "'delete_instances_on_shutdown'" },
        { "retries of what is done",
          TEN "shutdown_deletion_retries = 5\ndelete_instances_on_shutdown = true\n", "" },
        { "two runners on one group", TEN CONFIG SECOND CONFIG,
          "warning: F:18:1: [runners.autoscaler] has the 'plugin' and the 'plugin_config' of "
          "runner "
          "'a' in line 2: two runners on one group remove each other's instances" },
        { "two groups of one plugin", TEN CONFIG SECOND CONFIG "max_size = 2\n", "" },
        { "two runners whose plugin is told nothing", TEN SECOND, "" },
    };

    (void) unused;
    check_rows(rows, ARRAY_LEN(rows));
}

#define TABLE "[runners.autoscaler.connector_config]\n"
#define OF_GIT                                                                                     \
    " on Windows instances is that of Git for Windows, whose bin folder must be in their PATH; "   \
    "with \"powershell\" or \"pwsh\" jobs are written in PowerShell"

static void test_shells_on_windows(void **unused)
{
    static const struct row rows[] = {
        { "the mission's examples",
          RUNNER "shell = \"sh\"\n" PLUGIN TABLE "username = \"Administrator\"\n",
          "note: F:6:9: [[runners]] 'shell' = \"sh\"" OF_GIT },
        { "the default", CONNECTOR "os = \"windows\"\n",
          "note: F:1:1: [[runners]] 'shell' = \"bash\"" OF_GIT },
        { "PowerShell", RUNNER "shell = \"powershell\"\n" PLUGIN TABLE "os = \"windows\"\n", "" },
        { "Linux, whatever its user is called",
          CONNECTOR "os = \"linux\"\nusername = \"Administrator\"\n", "" },
    };

    (void) unused;
    check_rows(rows, ARRAY_LEN(rows));
}

#define OWN                                                                                        \
    "warning: F:11:22: [runners.autoscaler.connector_config] 'accept_self_signed': no authority "  \
    "vouches for an instance's certificate; host_key_policy rules what is made of its key"

#define PWSH RUNNER "shell = \"pwsh\"\n" PLUGIN TABLE /* 9 lines */

static void test_certificates(void **unused)
{
    static const struct row rows[] = {
        { "an authority", PWSH "protocol = \"winrm+https\"\ntls_ca_file = \"/ca\"\n", "" },
        { "what the provider will say", PWSH "tls_ca_file = \"/ca\"\n", "" },
        { "another protocol", PWSH "protocol = \"winrm\"\ntls_ca_file = \"/ca\"\n",
          "note: F:11:15: [runners.autoscaler.connector_config] 'tls_ca_file' has no effect: "
          "certificates are of 'protocol' = \"winrm+https\", not of \"winrm\"" },
        { "another protocol, and a key", PWSH "protocol = \"ssh\"\naccept_self_signed = true\n",
          "note: F:11:22: [runners.autoscaler.connector_config] 'accept_self_signed' has no "
          "effect: certificates are of 'protocol' = \"winrm+https\", not of \"ssh\"\n" OWN },
        { "both ways to know a certificate",
          PWSH "tls_ca_file = \"/ca\"\naccept_self_signed = true\n",
          "note: F:10:15: [runners.autoscaler.connector_config] 'tls_ca_file' has no effect beside "
          "'accept_self_signed': the key of a certificate counts, whoever vouches for it\n" OWN },
    };

    (void) unused;
    check_rows(rows, ARRAY_LEN(rows));
}

static void test_policies(void **unused)
{
    static const struct row rows[] = {
        { "nothing idle to take jobs", TEN_POLICY "preemptive_mode = true\n",
          "warning: F:11:19: [[runners.autoscaler.policy]] 'preemptive_mode' without 'idle_count': "
          "no job is asked for while no instance is idle, and none is made without a job" },
        { "something idle", TEN_POLICY "preemptive_mode = true\nidle_count = 1\n", "" },
        { "more idle than places", TEN_POLICY "idle_count = 6\n",
          "note: F:11:14: [[runners.autoscaler.policy]] 'idle_count' = 6 is never reached: the "
          "group has 5 places (max_instances × capacity_per_instance)" },
        { "a limit of nothing", TEN_POLICY "scale_factor_limit = 3\n",
          "note: F:11:22: [[runners.autoscaler.policy]] 'scale_factor_limit' has no effect without "
          "'scale_factor'" },
        { "a limit that idle_count exceeds",
          TEN_POLICY "idle_count = 3\nscale_factor = 0.5\nscale_factor_limit = 3\n",
          "note: F:13:22: [[runners.autoscaler.policy]] 'scale_factor' has no effect: its limit, "
          "3, "
          "is not above 'idle_count' = 3" },
        { "a limit with room",
          TEN_POLICY "idle_count = 3\nscale_factor = 0.5\nscale_factor_limit = 4\n", "" },
        { "a policy behind one that holds always",
          TEN_POLICY "idle_count = 1\n[[runners.autoscaler.policy]]\nidle_count = 2\n",
          "warning: F:10:1: [[runners.autoscaler.policy]] is never in force: the one in line 12, "
          "further down, holds always" },
        { "the same, said with its period",
          TEN_POLICY "[[runners.autoscaler.policy]]\nperiods = [\"* * * * *\"]\n",
          "warning: F:10:1: [[runners.autoscaler.policy]] is never in force: the one in line 11, "
          "further down, holds always" },
        { "the same in other words",
          TEN_POLICY "[[runners.autoscaler.policy]]\nperiods = [\"0-59 */1 * jan-dec 0-6\"]\n",
          "warning: F:10:1: [[runners.autoscaler.policy]] is never in force: the one in line 11, "
          "further down, holds always" },
        { "a policy behind one that holds at times",
          TEN_POLICY "[[runners.autoscaler.policy]]\nperiods = [\"* 1 * * *\"]\n", "" },
        { "a day that never comes", TEN_POLICY "periods = [\"* * 30 2 *\"]\n",
          "warning: F:11:12: [[runners.autoscaler.policy]] 'periods': \"* * 30 2 *\" never comes: "
          "no "
          "month of it has such a day" },
        { "days of the month and weekdays", TEN_POLICY "periods = [\"* * 1-7 * mon\"]\n",
          "note: F:11:12: [[runners.autoscaler.policy]] 'periods': \"* * 1-7 * mon\" names days of "
          "the month and weekdays: as in cron, a day that is either of them is in it" },
        { "a start, as crontab has it", TEN_POLICY "periods = [\"0 8 * * mon-fri\"]\n",
          "note: F:11:12: [[runners.autoscaler.policy]] 'periods': \"0 8 * * mon-fri\" is one "
          "minute "
          "of an hour: a period is a set of minutes, not a start; '*' in its place is all of "
          "them" },
        { "a minute in two", TEN_POLICY "periods = [\"*/2 8 * * *\"]\n", "" },
    };

    (void) unused;
    check_rows(rows, ARRAY_LEN(rows));
}

#define TEN_QUEUING TEN "max_instances = 5\n[[runners.monitoring.job_queuing_durations]]\n"
static void test_acceptable_times_in_queues(void **unused)
{
    static const struct row rows[] = {
        { "nothing to say",
          TEN_QUEUING
          "periods = [\"* * * * * * *\"]\n[[runners.monitoring.job_queuing_durations]]\n"
          "periods = [\"0 * 8-15 * * mon-fri *\"]\n",
          "" },
        { "no periods", TEN_QUEUING "threshold = \"1m\"\n",
          "warning: F:10:1: [[runners.monitoring.job_queuing_durations]] has no 'periods' and is "
          "never in force; \"* * * * *\" is always" },
        { "one behind one that holds always",
          TEN_QUEUING "periods = [\"* 1 * * *\"]\n[[runners.monitoring.job_queuing_durations]]\n"
                      "periods = [\"* * * * * *\"]\n",
          "warning: F:10:1: [[runners.monitoring.job_queuing_durations]] is never in force: the "
          "one "
          "in line 12, further down, holds always" },
        { "a start", TEN_QUEUING "periods = [\"0 8 * * * *\"]\n",
          "note: F:11:12: [[runners.monitoring.job_queuing_durations]] 'periods': \"0 8 * * * *\" "
          "is "
          "one minute of an hour: a period is a set of minutes, not a start; '*' in its place is "
          "all of them" },
    };

    (void) unused;
    check_rows(rows, ARRAY_LEN(rows));
}

static void test_unknown_settings(void **unused)
{
    static const struct row rows[] = {
        { "a letter too few", TEN "max_instance = 5\n",
          "warning: F:9:1: [runners.autoscaler] has no setting 'max_instance', ignoring; did you "
          "mean 'max_instances'?" },
        { "a word of its own", TEN "colour = \"red\"\n",
          "warning: F:9:1: [runners.autoscaler] has no setting 'colour', ignoring" },
        { "a table too high", "concurrent = 10\n" RUNNER "max_instances = 5\n" PLUGIN,
          "warning: F:7:1: [[runners]] has no setting 'max_instances', ignoring; it belongs in "
          "[runners.autoscaler]" },
        { "a section", TEN "[runners.autoscaler.connector]\n",
          "warning: F:9:21: [runners.autoscaler] has no setting 'connector', ignoring" },
        { "what would drive a terminal", TEN "\"\\u001b[2J\" = 1\n",
          "warning: F:9:1: [runners.autoscaler] has no setting '\\x1b[2J', ignoring" },
        { "a short word is near to few others", TEN "plan = 1\n",
          "warning: F:9:1: [runners.autoscaler] has no setting 'plan', ignoring" },
        { "a small letter", "concurrent = 10\n" RUNNER "[runners.cache]\ntype = \"s3\"\n" PLUGIN,
          "note: F:8:1: [runners.cache] 'type' is read as 'Type'\n"
          "warning: F:8:8: [runners.cache.s3] has no 'BucketName': caches stay on the instances "
          "until "
          "it has one" },
        { "a flag in small letters",
          "concurrent = 10\n" RUNNER "[runners.feature_flags]\nff_script_sections = true\n" PLUGIN,
          "warning: F:8:1: [runners.feature_flags] has no setting 'ff_script_sections', ignoring; "
          "did you mean 'FF_SCRIPT_SECTIONS'?" },
        { "an unknown flag",
          "concurrent = 10\n" RUNNER "[runners.feature_flags]\nFF_TIMESTAMP = true\n" PLUGIN,
          "warning: F:8:1: [runners.feature_flags] has no setting 'FF_TIMESTAMP', ignoring; did "
          "you "
          "mean 'FF_TIMESTAMPS'?" },
    };

    (void) unused;
    check_rows(rows, ARRAY_LEN(rows));
}

/* 8 lines and the store's table in the ninth. */
#define CACHE(type, table, settings)                                                               \
    "concurrent = 10\n" RUNNER "[runners.cache]\nType = \"" type "\"\n[runners.cache." table       \
    "]\n" settings PLUGIN

static void test_stores_that_lack_something(void **unused)
{
    static const struct row rows[] = {
        { "a store with its keys",
          CACHE("s3", "s3",
                "BucketName = \"b\"\nBucketLocation = \"r\"\nAuthenticationType = "
                "\"access-key\"\nAccessKey = \"a\"\nSecretKey = \"s\"\n"),
          "" },
        { "another's store, with its keys",
          CACHE("s3v2", "s3",
                "BucketName = \"b\"\nServerAddress = \"minio\"\nAccessKey = \"a\"\n"
                "SecretKey = \"s\"\n"),
          "" },
        { "no region",
          CACHE("s3", "s3",
                "BucketName = \"b\"\nAuthenticationType = \"access-key\"\nAccessKey = \"a\"\n"
                "SecretKey = \"s\"\n"),
          "note: F:9:1: [runners.cache.s3] has no 'BucketLocation': us-east-1 is taken for it" },
        { "no bucket", CACHE("s3", "s3", "AccessKey = \"a\"\n"),
          "warning: F:9:1: [runners.cache.s3] has no 'BucketName': caches stay on the instances "
          "until it has one" },
        { "no table", "concurrent = 10\n" RUNNER "[runners.cache]\nType = \"s3\"\n" PLUGIN,
          "warning: F:8:8: [runners.cache.s3] has no 'BucketName': caches stay on the instances "
          "until it has one" },
        { "half a key",
          CACHE("s3", "s3",
                "BucketName = \"b\"\nAccessKey = \"a\"\nAuthenticationType = \"access-key\"\n"),
          "warning: F:11:13: [runners.cache.s3] needs both 'AccessKey' and 'SecretKey': caches "
          "stay on the instances" },
        { "the machine's own key", CACHE("s3", "s3", "BucketName = \"b\"\n"),
          "warning: F:9:1: [runners.cache.s3] of the machine's own credentials (iam) only the "
          "variables AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY of the manager are known so far, "
          "and they are not set here: without them caches stay on the instances; "
          "'AuthenticationType' = \"access-key\" with 'AccessKey' and 'SecretKey' works, too" },
        { "a role, which is noted where it is",
          CACHE("s3", "s3", "BucketName = \"b\"\nRoleARN = \"r\"\n"),
          "note: F:11:1: [runners.cache.s3] 'RoleARN' is not acted on yet: no role is assumed, and "
          "caches stay on the instances; name 'AccessKey' and 'SecretKey' instead of the "
          "role" },
        { "Google's, with a key",
          CACHE("gcs", "gcs", "BucketName = \"b\"\nAccessID = \"a\"\nPrivateKey = \"k\"\n"), "" },
        { "Google's, without one", CACHE("gcsv2", "gcs", "BucketName = \"b\"\nAccessID = \"a\"\n"),
          "warning: F:9:1: [runners.cache.gcs] keys of the machine's own account are not asked "
          "for "
          "yet: caches stay on the instances; name a 'CredentialsFile', or 'AccessID' and "
          "'PrivateKey'" },
        { "Azure's, without a container", CACHE("azure", "azure", "AccountName = \"a\"\n"),
          "warning: F:9:1: [runners.cache.azure] has no 'ContainerName': caches stay on the "
          "instances until it has one" },
        { "Azure's, without a key",
          CACHE("azure", "azure", "AccountName = \"a\"\nContainerName = \"c\"\n"),
          "warning: F:9:1: [runners.cache.azure] user delegation keys are not asked for yet: "
          "caches "
          "stay on the instances; name an 'AccountKey'" },
        { "a table of another store is looked at by nobody",
          CACHE("azure", "azure",
                "AccountName = \"a\"\nContainerName = \"c\"\nAccountKey = \"k\"\n"
                "[runners.cache.s3]\nBucketName = \"b\"\n"),
          "" },
    };

    (void) unused;
    (void) unsetenv("AWS_ACCESS_KEY_ID");
    check_rows(rows, ARRAY_LEN(rows));
    (void) setenv("AWS_ACCESS_KEY_ID", "a", 1);
    (void) setenv("AWS_SECRET_ACCESS_KEY", "s", 1);
    check_rows(&(struct row) { "the machine's own key is there",
                               CACHE("s3", "s3", "BucketName = \"b\"\nBucketLocation = \"r\"\n"),
                               "" },
               1);
    (void) unsetenv("AWS_ACCESS_KEY_ID");
}

static void test_files_that_are_not_here(void **unused)
{
    static const struct row rows[] = {
        { "a key", "concurrent = 10\n" CONNECTOR "key_path = \"/nowhere/key\"\n",
          "note: F:10:12: [runners.autoscaler.connector_config] 'key_path': this machine has no "
          "file \"/nowhere/key\", so 'flotilla run' refuses the runner here" },
        { "an authority", "concurrent = 10\n" RUNNER "tls-ca-file = \"/nowhere/ca\"\n" PLUGIN,
          "note: F:7:15: [[runners]] 'tls-ca-file': this machine has no file \"/nowhere/ca\"" },
        { "a file that is here", "concurrent = 10\n" RUNNER "tls-ca-file = \"/dev/null\"\n" PLUGIN,
          "" },
    };

    (void) unused;
    check_rows(rows, ARRAY_LEN(rows));
}

/* As GitLab Runner's reader of TOML takes them. */
static void test_names_in_other_letters(void **unused)
{
    static const struct row rows[] = {
        { "of settings, tables and lists of tables",
          "Concurrent = 10\n[[Runners]]\nname = \"a\"\nURL = \"https://gitlab.example\"\nToken = "
          "\"t\"\n"
          "executor = \"instance\"\n[Runners.AutoScaler]\nplugin = \"p\"\nMax_Instances = 1\n",
          "note: F:1:1: [global] 'Concurrent' is read as 'concurrent'\n"
          "note: F:2:3: [global] 'Runners' is read as 'runners'\n"
          "note: F:4:1: [[runners]] 'URL' is read as 'url'\n"
          "note: F:5:1: [[runners]] 'Token' is read as 'token'\n"
          "note: F:7:10: [[runners]] 'AutoScaler' is read as 'autoscaler'\n"
          "note: F:9:1: [runners.autoscaler] 'Max_Instances' is read as 'max_instances'" },
        { "beside the right one they are somebody's mistake",
          "concurrent = 10\nConcurrent = 20\n" RUNNER PLUGIN,
          "warning: F:2:1: [global] has no setting 'Concurrent', ignoring; did you mean "
          "'concurrent'?" },
    };

    (void) unused;
    check_rows(rows, ARRAY_LEN(rows));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_vms),
        cmocka_unit_test(test_numbers_of_jobs),
        cmocka_unit_test(test_instances),
        cmocka_unit_test(test_shells_on_windows),
        cmocka_unit_test(test_certificates),
        cmocka_unit_test(test_policies),
        cmocka_unit_test(test_acceptable_times_in_queues),
        cmocka_unit_test(test_unknown_settings),
        cmocka_unit_test(test_stores_that_lack_something),
        cmocka_unit_test(test_files_that_are_not_here),
        cmocka_unit_test(test_names_in_other_letters),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
