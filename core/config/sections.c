/* core/config/sections.c - what must hold between the settings of one section, and what must not be
 * missing.
 */
#include <inttypes.h>

#include "core/base/buf.h"
#include "core/base/mem.h"
#include "core/base/str.h"
#include "core/base/token.h"
#include "core/config/checks.h"

static void missing(struct config_reading *reading, const struct toml_value *table,
                    const char *what)
{
    finding_add(reading, CONFIG_ERROR, table->place, "%s is missing", what);
}

void check_connector(struct config_reading *reading, const struct toml_value *value, void *record)
{
    const struct config_connector *connector = record;
    const struct toml_value *setting = toml_find(value, "use_static_credentials");
    const struct toml_value *own = toml_find(value, "accept_self_signed");

    if (connector->accept_self_signed)
        finding_add(reading, CONFIG_WARNING, own->place,
                    "%s 'accept_self_signed': no authority vouches for an instance's certificate; "
                    "host_key_policy rules what is made of its key",
                    reading->section);
    if (!connector->use_static_credentials)
        return;
    if (str_empty(connector->username))
        finding_add(reading, CONFIG_ERROR, setting->place,
                    "%s 'use_static_credentials' needs a 'username'", reading->section);
    else if (!connector->password && str_empty(connector->key_path))
        finding_add(reading, CONFIG_WARNING, setting->place,
                    "%s 'use_static_credentials' without 'password' and 'key_path': no login will "
                    "work",
                    reading->section);
}

void check_autoscaler(struct config_reading *reading, const struct toml_value *value, void *record)
{
    const struct config_autoscaler *autoscaler = record;
    const struct toml_value *expecting = toml_find(value, "update_interval_when_expecting");
    autobuf struct buf shown = BUF_INIT;

    if (!toml_find(value, "plugin"))
        missing(reading, value, "[runners.autoscaler] 'plugin'");
    else if (reading->plugins && !str_empty(autoscaler->plugin))
        check_plugin_config(reading, value);
    check_policies(reading, value, record);
    check_way_to_vms(reading, value, &autoscaler->vm_isolation);
    if (autoscaler->update_interval_when_expecting_ms <= autoscaler->update_interval_ms)
        return;
    format_duration(&shown, autoscaler->update_interval_when_expecting_ms);
    finding_add(reading, CONFIG_ERROR,
                expecting ? expecting->place : toml_find(value, "update_interval")->place,
                "[runners.autoscaler] 'update_interval_when_expecting' (%s) must not be longer "
                "than 'update_interval'",
                buf_str(&shown));
}

/* Never empty: logs and the status page call the runner by its name. The ledger does not know it by
 * a name that comes from the token, which is rotated. */
static void name_runner(struct config_reading *reading, const struct toml_value *table,
                        struct config_runner *runner)
{
    char token[10];

    runner->named = !str_empty(runner->name);
    if (runner->named)
        return;
    finding_add(reading, CONFIG_WARNING, table->place,
                "[[runners]] has no 'name': logs and status will call it by its token");
    token_shorten(secret_reveal(runner->token), token);
    free(runner->name);
    runner->name = mem_printf("runner %s", token);
    if (!runner->name)
        reading->out_of_memory = true;
}

static void check_token_given(struct config_reading *reading, const struct toml_value *table)
{
    const struct toml_value *token = toml_find(table, "token");
    const struct toml_value *file = toml_find(table, "token_file");

    if (!token && !file)
        missing(reading, table, "[[runners]] 'token'");
}

static void check_tls(struct config_reading *reading, const struct toml_value *table,
                      const struct config_runner *runner)
{
    const struct toml_value *cert = toml_find(table, "tls-cert-file");
    const struct toml_value *key = toml_find(table, "tls-key-file");

    if (str_empty(runner->tls_cert_file) != str_empty(runner->tls_key_file))
        finding_add(reading, CONFIG_ERROR, cert ? cert->key_place : key->key_place,
                    "[[runners]] 'tls-cert-file' and 'tls-key-file' go together; one is missing");
}

void check_runner(struct config_reading *reading, const struct toml_value *value, void *record)
{
    struct config_runner *runner = record;

    runner->line = value->place.line;
    if (!toml_find(value, "url"))
        missing(reading, value, "[[runners]] 'url'");
    if (!toml_find(value, "executor"))
        missing(reading, value, "[[runners]] 'executor' (\"instance\")");
    if (!toml_find(value, "autoscaler"))
        missing(reading, value, "[runners.autoscaler]");
    check_token_given(reading, value);
    check_tls(reading, value, runner);
    find_certificates(reading, runner);
    name_runner(reading, value, runner);
}

bool config_common_build_dir(const struct config_runner *runner)
{
    return runner->instance.use_common_build_dir &&
           (runner->autoscaler.vm_isolation.enabled || runner->autoscaler.max_use_count == 1);
}

const char *config_identity(const struct config_runner *runner)
{
    return runner->named ? runner->name : "";
}

static const char *cloud_name(const struct config_autoscaler *autoscaler)
{
    const char *name = "";

    (void) json_opt_str(autoscaler->plugin_config, "name", &name, NULL);
    return name;
}

char *config_group_key(const struct config_runner *runner)
{
    const struct config_autoscaler *autoscaler = &runner->autoscaler;

    if (runner->id > 0)
        return mem_printf("%s|%" PRId64 "|%s|%s", runner->url, runner->id, autoscaler->plugin,
                          cloud_name(autoscaler));
    return mem_printf("%s|%s|%s|%s", runner->url, config_identity(runner), autoscaler->plugin,
                      cloud_name(autoscaler));
}

bool config_same_cloud(const struct config_autoscaler *a, const struct config_autoscaler *b)
{
    if (!str_eq(a->plugin, b->plugin))
        return false;
    if (*cloud_name(a) || *cloud_name(b))
        return str_eq(cloud_name(a), cloud_name(b));
    return json_object_equal(a->plugin_config, b->plugin_config) != 0;
}

/* The ledger knows a runner by its URL and its id or name (hardening.md R10): two with the same
 * would delete each other's instances. */
bool config_same_runner(const struct config_runner *a, const struct config_runner *b)
{
    if (!str_eq(a->url, b->url))
        return false;
    return a->id > 0 || b->id > 0 ? a->id == b->id : str_eq(config_identity(a), config_identity(b));
}

static void check_identities(struct config_reading *reading, const struct config *config)
{
    for (size_t i = 1; i < config->n_runners; i++) {
        const struct config_runner *runner = &config->runners[i];
        struct toml_place place = { .line = runner->line, .column = 1 };

        for (size_t k = 0; k < i; k++) {
            if (!config_same_runner(runner, &config->runners[k]))
                continue;
            finding_add(reading, CONFIG_ERROR, place,
                        "[[runners]] has the 'url' and the %s of the entry in line %d; give it "
                        "another",
                        runner->id > 0 ? "'id'" : "'name'", config->runners[k].line);
            break;
        }
    }
}

void check_config(struct config_reading *reading, const struct toml_value *value, void *record)
{
    struct config *config = record;

    merge_labels(reading, config);
    check_identities(reading, config);
    if (!toml_find(value, "runners"))
        finding_add_on_file(reading, CONFIG_WARNING,
                            "there is no [[runners]] entry: no jobs will be asked for, and "
                            "'flotilla run' refuses the file");
    advise(reading, value, config);
}
