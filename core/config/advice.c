/* core/config/advice.c - settings that are allowed and hardly do together what one wants.
 *
 * A warning says that something does not work as it is written, a note that something has no effect
 * or is a limit. check_config() asks when nothing is wrong, so that the tree has the shape of the
 * struct.
 */
#include <inttypes.h>

#include "core/base/str.h"
#include "core/config/checks.h"
#include "core/config/period.h"

/* One runner with its places in the file. */
struct advised {
    struct config_reading *reading;
    const struct config *config;
    const struct config_runner *runner;
    const struct toml_value *file, *entry, *autoscaler;
};

/* Of the setting's value, else of the table that lacks it. */
static struct toml_place place_in(const struct toml_value *table, const char *key)
{
    const struct toml_value *value = toml_find(table, key);

    return value ? value->place : table ? table->place : (struct toml_place) { 0 };
}

/* How many jobs the group has places for; 0 = the plugin decides. */
static int64_t places_of(const struct config_autoscaler *autoscaler)
{
    return autoscaler->max_instances * autoscaler->capacity_per_instance;
}

/* autoscaler.md 1 */
static void advise_on_jobs(const struct advised *on)
{
    const struct config_runner *runner = on->runner;
    int64_t concurrent = on->config->concurrent, places = places_of(&runner->autoscaler);
    bool given = toml_find(on->file, "concurrent");

    if (places > concurrent)
        finding_add(on->reading, CONFIG_NOTE,
                    given ? place_in(on->file, "concurrent")
                          : place_in(on->autoscaler, "max_instances"),
                    "[global] 'concurrent' = %" PRId64 " is below the %" PRId64
                    " places of runner '%s' (max_instances × capacity_per_instance): not all can "
                    "have a job at once",
                    concurrent, places, runner->name);
    if (runner->limit > concurrent)
        finding_add(on->reading, CONFIG_NOTE, place_in(on->entry, "limit"),
                    "[[runners]] 'limit' = %" PRId64
                    " has no effect: [global] 'concurrent' = %" PRId64 " is less",
                    runner->limit, concurrent);
    else if (runner->limit > 0 && runner->limit < places)
        finding_add(on->reading, CONFIG_NOTE, place_in(on->entry, "limit"),
                    "[[runners]] 'limit' = %" PRId64 " is below the group's %" PRId64
                    " places (max_instances × capacity_per_instance): not all can have a job at "
                    "once",
                    runner->limit, places);
}

static void advise_on_instances(const struct advised *on)
{
    static const char *const deletion[] = { "shutdown_deletion_interval",
                                            "shutdown_deletion_retries" };
    const struct config_autoscaler *autoscaler = &on->runner->autoscaler;

    if (autoscaler->max_use_count > 0 &&
        autoscaler->max_use_count < autoscaler->capacity_per_instance)
        finding_add(on->reading, CONFIG_WARNING, place_in(on->autoscaler, "max_use_count"),
                    "[runners.autoscaler] 'max_use_count' = %" PRId64
                    " is below 'capacity_per_instance' = %" PRId64
                    ": places of an instance stay without a job for its whole life",
                    autoscaler->max_use_count, autoscaler->capacity_per_instance);
    for (size_t i = 0; i < ARRAY_LEN(deletion); i++)
        if (!autoscaler->delete_instances_on_shutdown && toml_find(on->autoscaler, deletion[i]))
            finding_add(on->reading, CONFIG_NOTE, place_in(on->autoscaler, deletion[i]),
                        "[runners.autoscaler] '%s' has no effect without "
                        "'delete_instances_on_shutdown'",
                        deletion[i]);
}

/* job-execution.md 3.1: a directory that two jobs share must not see both at once. */
static void advise_on_build_dir(const struct advised *on)
{
    const struct toml_value *table = toml_find(on->entry, "instance");

    if (on->runner->instance.use_common_build_dir && !config_common_build_dir(on->runner))
        finding_add(on->reading, CONFIG_WARNING, place_in(table, "use_common_build_dir"),
                    "[runners.instance] 'use_common_build_dir' has no effect without VM isolation "
                    "or [runners.autoscaler] 'max_use_count' = 1: jobs would share a directory");
}

static bool is_windows(const struct toml_value *connector)
{
    const struct toml_value *os = toml_find(connector, "os");
    const struct toml_value *username = toml_find(connector, "username");
    const struct toml_value *protocol = toml_find(connector, "protocol");

    if (os && !str_empty(os->text))
        return str_eq(os->text, "windows");
    return (username && str_eq(username->text, "Administrator")) ||
           (protocol && protocol->text && str_starts(protocol->text, "winrm"));
}

/* job-execution.md 2.1: the name of the shell is run as it is, whatever the instance's system. */
static void advise_on_shell(const struct advised *on)
{
    const struct toml_value *connector = toml_find(on->autoscaler, "connector_config");
    const char *shell = on->runner->shell;

    if (connector && is_windows(connector) && (str_eq(shell, "sh") || str_eq(shell, "bash")))
        finding_add(on->reading, CONFIG_NOTE, place_in(on->entry, "shell"),
                    "[[runners]] 'shell' = \"%s\" on Windows instances is that of Git for Windows, "
                    "whose bin folder must be in their PATH; with \"powershell\" or \"pwsh\" jobs "
                    "are written in PowerShell",
                    shell);
}

/* Where no protocol is said, the provider may say the one that has certificates. */
static void advise_on_certificates(const struct advised *on)
{
    const struct config_connector *settings = &on->runner->autoscaler.connector;
    const struct toml_value *connector = toml_find(on->autoscaler, "connector_config");
    const struct toml_value *protocol = connector ? toml_find(connector, "protocol") : NULL;
    const char *key = settings->accept_self_signed        ? "accept_self_signed"
                      : !str_empty(settings->tls_ca_file) ? "tls_ca_file"
                                                          : NULL;

    if (key && protocol && !str_empty(protocol->text) && !str_eq(protocol->text, "winrm+https"))
        finding_add(on->reading, CONFIG_NOTE, place_in(connector, key),
                    "[runners.autoscaler.connector_config] '%s' has no effect: certificates are "
                    "of 'protocol' = \"winrm+https\", not of \"%s\"",
                    key, protocol->text);
    else if (settings->accept_self_signed && !str_empty(settings->tls_ca_file))
        finding_add(
            on->reading, CONFIG_NOTE, place_in(connector, "tls_ca_file"),
            "[runners.autoscaler.connector_config] 'tls_ca_file' has no effect beside "
            "'accept_self_signed': the key of a certificate counts, whoever vouches for it");
}

/* Two scalers on one group remove each other's instances (autoscaler.md 14, 15). */
static void advise_on_shared_group(const struct advised *on, const struct config_runner *other)
{
    const struct config_autoscaler *mine = &on->runner->autoscaler, *its = &other->autoscaler;

    if (str_eq(mine->plugin, its->plugin) && json_object_object_length(mine->plugin_config) > 0 &&
        json_object_equal(mine->plugin_config, its->plugin_config))
        finding_add(on->reading, CONFIG_WARNING, place_in(on->autoscaler, "plugin_config"),
                    "[runners.autoscaler] has the 'plugin' and the 'plugin_config' of runner '%s' "
                    "in line %d: two runners on one group remove each other's instances",
                    other->name, other->line);
}

static void advise_on_idle(const struct advised *on, const struct toml_value *table,
                           const struct config_policy *policy)
{
    int64_t places = places_of(&on->runner->autoscaler);

    if (policy->preemptive == 1 && policy->idle_count == 0)
        finding_add(on->reading, CONFIG_WARNING, place_in(table, "preemptive_mode"),
                    "[[runners.autoscaler.policy]] 'preemptive_mode' without 'idle_count': no job "
                    "is asked for while no instance is idle, and none is made without a job");
    if (places > 0 && policy->idle_count > places)
        finding_add(on->reading, CONFIG_NOTE, place_in(table, "idle_count"),
                    "[[runners.autoscaler.policy]] 'idle_count' = %" PRId64
                    " is never reached: the group has %" PRId64
                    " places (max_instances × capacity_per_instance)",
                    policy->idle_count, places);
    if (policy->scale_factor_limit > 0 && policy->scale_factor <= 0)
        finding_add(on->reading, CONFIG_NOTE, place_in(table, "scale_factor_limit"),
                    "[[runners.autoscaler.policy]] 'scale_factor_limit' has no effect without "
                    "'scale_factor'");
    else if (policy->scale_factor_limit > 0 && policy->scale_factor_limit <= policy->idle_count)
        finding_add(on->reading, CONFIG_NOTE, place_in(table, "scale_factor_limit"),
                    "[[runners.autoscaler.policy]] 'scale_factor' has no effect: its limit, "
                    "%" PRId64 ", is not above 'idle_count' = %" PRId64,
                    policy->scale_factor_limit, policy->idle_count);
}

/* The periods of one table of an array of them. */
struct timed {
    const char *section;
    const struct toml_value *table;
    char *const *periods;
    size_t n;
    period_parse_fn parse;
};

static bool is_always(const struct timed *timed)
{
    struct period period;

    for (size_t i = 0; i < timed->n; i++)
        if (timed->parse(timed->periods[i], &period, NULL) == 0 && period_is_always(&period))
            return true;
    return false;
}

static bool is_one_bit(uint64_t bits)
{
    return bits != 0 && (bits & (bits - 1)) == 0;
}

static void advise_on_periods(const struct advised *on, const struct timed *timed)
{
    for (size_t i = 0; i < timed->n; i++) {
        struct toml_place place = toml_find(timed->table, "periods")->items[i].place;
        const char *text = timed->periods[i];
        struct period period;

        if (timed->parse(text, &period, NULL) < 0)
            continue;
        if (period_is_never(&period))
            finding_add(on->reading, CONFIG_WARNING, place,
                        "%s 'periods': \"%s\" never comes: no month of it has such a day",
                        timed->section, text);
        else if (is_one_bit(period.minutes))
            finding_add(
                on->reading, CONFIG_NOTE, place,
                "%s 'periods': \"%s\" is one minute of an hour: a period is a set of minutes, "
                "not a start; '*' in its place is all of them",
                timed->section, text);
        else if (period.either_day && !period_is_always(&period))
            finding_add(on->reading, CONFIG_NOTE, place,
                        "%s 'periods': \"%s\" names days of the month and weekdays: as in cron, "
                        "a day that is either of them is in it",
                        timed->section, text);
    }
}

/* Of tables from the last to the first, by what further down holds always, if anything does. */
static void advise_on_order(const struct advised *on, const struct timed *timed, bool always,
                            const struct toml_value **winner)
{
    if (*winner)
        finding_add(on->reading, CONFIG_WARNING, timed->table->place,
                    "%s is never in force: the one in line %d, further down, holds always",
                    timed->section, (*winner)->place.line);
    else if (always)
        *winner = timed->table;
}

/* The last one that holds wins (autoscaler.md 6.1, V43). */
static void advise_on_policies(const struct advised *on)
{
    const struct config_autoscaler *autoscaler = &on->runner->autoscaler;
    const struct toml_value *tables = toml_find(on->autoscaler, "policy");
    const struct toml_value *always = NULL;

    for (size_t i = autoscaler->n_policies; i-- > 0;) {
        const struct config_policy *policy = &autoscaler->policies[i];
        const struct timed timed = { "[[runners.autoscaler.policy]]", &tables->items[i],
                                     policy->periods, policy->n_periods, period_parse };

        advise_on_idle(on, timed.table, policy);
        advise_on_periods(on, &timed);
        advise_on_order(on, &timed, timed.n == 0 || is_always(&timed), &always);
    }
}

/* These are asked in the same way, but without periods one holds never. */
static void advise_on_queuing(const struct advised *on)
{
    const struct config_monitoring *monitoring = &on->runner->monitoring;
    const struct toml_value *tables, *always = NULL;

    if (monitoring->n_queuing == 0)
        return;
    tables = toml_find(toml_find(on->entry, "monitoring"), "job_queuing_durations");
    for (size_t i = monitoring->n_queuing; i-- > 0;) {
        const struct config_queuing *queuing = &monitoring->queuing[i];
        const struct timed timed = { "[[runners.monitoring.job_queuing_durations]]",
                                     &tables->items[i], queuing->periods, queuing->n_periods,
                                     period_parse_long };

        advise_on_periods(on, &timed);
        if (timed.n > 0)
            advise_on_order(on, &timed, is_always(&timed), &always);
        else
            finding_add(on->reading, CONFIG_WARNING, timed.table->place,
                        "%s has no 'periods' and is never in force; \"* * * * *\" is always",
                        timed.section);
    }
}

/* A role is noted where it is read, as all that nothing acts on. */
static void advise_on_cache(const struct advised *on)
{
    static const char *const tables[] = {
        [CONFIG_S3] = "s3", [CONFIG_GCS] = "gcs", [CONFIG_AZURE] = "azure"
    };
    const struct config_cache *cache = &on->runner->cache;
    enum config_store store = config_cache_store(cache);
    const struct toml_value *table = toml_find(on->entry, "cache"), *inner;
    const char *problem, *setting = NULL;

    if (store == CONFIG_NO_STORE)
        return;
    inner = toml_find(table, tables[store]);
    problem = config_cache_problem(cache, &setting);
    if (problem && (!setting || !str_ends(setting, "RoleARN")))
        finding_add(on->reading, CONFIG_WARNING,
                    inner ? place_in(inner, setting ? setting : "") : place_in(table, "Type"), "%s",
                    problem);
    else if (store == CONFIG_S3 && !problem && str_empty(cache->s3.region) &&
             str_empty(cache->s3.server_address))
        finding_add(on->reading, CONFIG_NOTE, inner->place,
                    "[runners.cache.s3] has no 'BucketLocation': us-east-1 is taken for it");
}

static void advise_on_number_of_runners(struct config_reading *reading,
                                        const struct toml_value *file, const struct config *config)
{
    if ((size_t) config->concurrent >= config->n_runners)
        return;
    finding_add(reading, CONFIG_WARNING,
                toml_find(file, "concurrent") ? place_in(file, "concurrent")
                                              : toml_find(file, "runners")->place,
                "[global] 'concurrent' = %" PRId64
                " is less than the number of runners, %zu: some will wait for others",
                config->concurrent, config->n_runners);
}

void advise(struct config_reading *reading, const struct toml_value *table,
            const struct config *config)
{
    if (findings_first_error(reading->findings))
        return;
    advise_on_number_of_runners(reading, table, config);
    for (size_t i = 0; i < config->n_runners; i++) {
        const struct toml_value *entry = &toml_find(table, "runners")->items[i];
        const struct advised on = { .reading = reading,
                                    .config = config,
                                    .runner = &config->runners[i],
                                    .file = table,
                                    .entry = entry,
                                    .autoscaler = toml_find(entry, "autoscaler") };

        advise_on_jobs(&on);
        advise_on_instances(&on);
        advise_on_build_dir(&on);
        advise_on_shell(&on);
        advise_on_certificates(&on);
        for (size_t k = 0; k < i; k++)
            advise_on_shared_group(&on, &config->runners[k]);
        advise_on_policies(&on);
        advise_on_queuing(&on);
        advise_on_cache(&on);
        advise_on_isolation(reading, entry, on.runner);
    }
}
