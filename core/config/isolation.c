/* core/config/isolation.c - what must hold of [runners.autoscaler.vm_isolation], and what will hardly do what one
 * wants there (nesting.md 3, 6.4). Named by the tables of settings_autoscaler.c, and asked by advice.c. */
#include <string.h>

#include "core/base/buf.h"
#include "core/base/str.h"
#include "core/config/checks.h"

#define SECTION "[runners.autoscaler.vm_isolation]"
#define SHOWN_MAX 80
#define CONNECTOR "[runners.autoscaler.vm_isolation.connector_config]"

bool isolation_has_own_keys(const struct toml_value *table)
{
    const struct toml_value *plugin = toml_find(table, "plugin");

    return plugin && plugin->type == TOML_STRING && !str_eq(plugin->text, CONFIG_ISOLATION_NESTING);
}

void check_isolation_plugin(struct config_reading *reading, const struct toml_value *value,
                            void *record)
{
    (void) record;
    if (str_empty(value->text))
        finding_add(reading, CONFIG_ERROR, value->place,
                    SECTION " 'plugin' is empty; name the plugin that makes VMs, or leave it out "
                            "for \"" CONFIG_ISOLATION_NESTING "\"");
}

static bool is_winrm(const struct toml_value *protocol)
{
    return protocol && (str_eq(protocol->text, "winrm") || str_eq(protocol->text, "winrm+https"));
}

/* Each VM is new, and so is its host key: nobody can have told it. */
void check_vm_connector(struct config_reading *reading, const struct toml_value *value,
                        void *record)
{
    const struct config_connector *connector = record;
    const struct toml_value *policy = toml_find(value, "host_key_policy");
    const struct toml_value *protocol = toml_find(value, "protocol");

    check_connector(reading, value, record);
    if (is_winrm(protocol))
        finding_add(reading, CONFIG_ERROR, protocol->place,
                    CONNECTOR " 'protocol' must be ssh: a VM is not reached by WinRM");
    if (policy && str_eq(connector->host_key_policy, "pin"))
        finding_add(reading, CONFIG_ERROR, policy->place,
                    CONNECTOR " 'host_key_policy' must not be pin: each VM is new, and nobody "
                              "knows its host key; leave it out");
}

void check_vm_isolation(struct config_reading *reading, const struct toml_value *value,
                        void *record)
{
    const struct config_vm_isolation *isolation = record;

    if (isolation->enabled && str_eq(isolation->plugin, CONFIG_ISOLATION_NESTING) &&
        str_empty(isolation->nesting_host))
        finding_add(reading, CONFIG_ERROR,
                    toml_find(value, "nesting_host") ? toml_find(value, "nesting_host")->place
                                                     : value->place,
                    SECTION " 'nesting_host' is missing: it names the socket of the nesting "
                            "daemon on the instance, as in \"unix:///run/nesting.sock\"");
}

/* No instance would ever pass its gate, and each would be replaced. */
void check_way_to_vms(struct config_reading *reading, const struct toml_value *autoscaler,
                      const struct config_vm_isolation *isolation)
{
    const struct toml_value *connector = toml_find(autoscaler, "connector_config");
    const struct toml_value *protocol = connector ? toml_find(connector, "protocol") : NULL;

    if (isolation->enabled && is_winrm(protocol))
        finding_add(reading, CONFIG_ERROR, protocol->place,
                    "[runners.autoscaler.connector_config] 'protocol' must be ssh with VM "
                    "isolation: what makes VMs is reached by way of SSH");
}

/* Of the setting in `table`, else of the table, else of `outer`. */
static struct toml_place place_of(const struct toml_value *outer, const struct toml_value *table,
                                  const char *key)
{
    const struct toml_value *value = table ? toml_find(table, key) : NULL;

    return value ? value->place : table ? table->place : outer->place;
}

static void advise_on_login(struct config_reading *reading, const struct toml_value *table,
                            const struct config_connector *connector)
{
    const struct toml_value *inner = toml_find(table, "connector_config");

    if (str_empty(connector->username))
        finding_add(reading, CONFIG_WARNING, place_of(table, inner, "username"),
                    CONNECTOR " has no 'username': no login to a VM will work");
    else if (!connector->password && str_empty(connector->key_path))
        finding_add(reading, CONFIG_WARNING, place_of(table, inner, "password"),
                    CONNECTOR " has neither 'password' nor 'key_path': no login to a VM will work");
    if (connector->use_external_addr)
        finding_add(reading, CONFIG_NOTE, place_of(table, inner, "use_external_addr"),
                    CONNECTOR " 'use_external_addr' has no effect: a VM has one address, which "
                              "its instance knows");
}

/* As the plugin nesting takes it, but for what only it knows: it tells that of the first instance. */
static bool may_be_a_socket(const char *host)
{
    const char *colon;
    int64_t port;

    if (str_starts(host, "unix:")) {
        host += strlen("unix:");
        return host[str_starts(host, "//") ? 2 : 0] == '/';
    }
    host += str_starts(host, "tcp://") ? strlen("tcp://") : 0;
    colon = strrchr(host, ':');
    return colon && colon > host && !strchr(host, '/') &&
           parse_i64(colon + 1, 1, UINT16_MAX, &port) == 0;
}

static void advise_on_host(struct config_reading *reading, const struct toml_value *table,
                           const char *host)
{
    autobuf struct buf shown = BUF_INIT;

    if (may_be_a_socket(host))
        return;
    str_display(&shown, host, strlen(host), SHOWN_MAX);
    finding_add(reading, CONFIG_WARNING, place_of(table, table, "nesting_host"),
                SECTION
                " 'nesting_host' must be unix:///PATH, tcp://HOST:PORT or HOST:PORT, as the "
                "instance sees it, not \"%s\": no VM can be made",
                buf_str(&shown));
}

/* Is it there, and what it has to be? */
static void check_plugin_file(struct config_reading *reading, const struct toml_value *table,
                              const char *plugin)
{
    autobuf struct buf shown = BUF_INIT;
    struct error err = { 0 };
    int r = reading->plugins->isolation(reading->plugins->arg, plugin, &err);

    if (r == 0)
        return;
    str_display(&shown, err.message, strlen(err.message), sizeof(err.message));
    finding_add(
        reading, r == -ENOENT ? CONFIG_NOTE : CONFIG_WARNING, place_of(table, table, "plugin"),
        SECTION " 'plugin': %s; 'flotilla run' takes no jobs for the runner here", buf_str(&shown));
}

void advise_on_isolation(struct config_reading *reading, const struct toml_value *entry,
                         const struct config_runner *runner)
{
    const struct config_vm_isolation *isolation = &runner->autoscaler.vm_isolation;
    const struct toml_value *table = toml_find(toml_find(entry, "autoscaler"), "vm_isolation");

    if (!isolation->enabled) {
        if (runner->instance.n_allowed_images > 0)
            finding_add(reading, CONFIG_NOTE,
                        toml_find(toml_find(entry, "instance"), "allowed_images")->place,
                        "[runners.instance] 'allowed_images' has no effect without VM isolation");
        if (table && !toml_find(table, "enabled"))
            finding_add(reading, CONFIG_WARNING, table->place,
                        SECTION " has no 'enabled = true': jobs run on the instance itself, and "
                                "not in VMs");
        return;
    }
    if (!table) /* cannot be: what is enabled stands in it */
        return;
    if (str_eq(isolation->plugin, CONFIG_ISOLATION_NESTING))
        advise_on_host(reading, table, isolation->nesting_host);
    advise_on_login(reading, table, &isolation->connector);
    if (str_empty(isolation->image))
        finding_add(reading, CONFIG_NOTE, place_of(table, table, "image"),
                    SECTION " has no 'image': jobs that name none fail");
    if (reading->plugins)
        check_plugin_file(reading, table, isolation->plugin);
}
