/* core/config/checks.h - what a value must be beyond its type, and what must hold between settings;
 * the functions that settings_*.c name in their tables. */
#pragma once

#include "core/config/schema.h"

/* One value; it was stored in `record` already, unless the setting is SETTING_NOWHERE. */
#define DECLARE_CHECK(name)                                                                        \
    void name(struct config_reading *reading, const struct toml_value *value, void *record)
DECLARE_CHECK(check_protocol);
DECLARE_CHECK(check_plugin);
DECLARE_CHECK(check_plugin_host);
DECLARE_CHECK(check_isolation_plugin); /* isolation.c */
DECLARE_CHECK(check_file_is_here);
DECLARE_CHECK(check_key_file);
/* Who may write or read a file with a secret that is there (hardening.md P2). */
void check_private_file(struct config_reading *reading, const struct toml_value *value);
DECLARE_CHECK(check_url);
DECLARE_CHECK(check_clone_url);
DECLARE_CHECK(check_token);
DECLARE_CHECK(check_token_file);
DECLARE_CHECK(check_executor);
DECLARE_CHECK(check_slot_cgroup);
DECLARE_CHECK(check_shell);
DECLARE_CHECK(check_directory);
DECLARE_CHECK(check_environment);
DECLARE_CHECK(check_state_dir);
DECLARE_CHECK(check_labels);         /* labels.c */
DECLARE_CHECK(check_listen_address); /* web.c */
DECLARE_CHECK(check_host_names);     /* web.c */
DECLARE_CHECK(check_log_level);
DECLARE_CHECK(check_log_format);

/* A whole section. */
DECLARE_CHECK(check_connector);
DECLARE_CHECK(check_vm_connector); /* isolation.c */
DECLARE_CHECK(check_vm_isolation); /* isolation.c */
DECLARE_CHECK(check_autoscaler);
DECLARE_CHECK(check_runner);
DECLARE_CHECK(check_config);
DECLARE_CHECK(check_session_server); /* session_server.c */
DECLARE_CHECK(check_web);            /* web.c */
DECLARE_CHECK(check_policies);       /* schedules.c; of [runners.autoscaler] */
DECLARE_CHECK(check_monitoring);     /* schedules.c */

/* labels.c: those of the manager hold for each runner. */
void merge_labels(struct config_reading *reading, struct config *config);
/* certificates.c: for a runner whose settings name none. */
void find_certificates(struct config_reading *reading, struct config_runner *runner);

/* isolation.c: the table is for a plugin that has keys of its own. */
bool isolation_has_own_keys(const struct toml_value *table);
/* `autoscaler` is the table of the settings. */
void check_way_to_vms(struct config_reading *reading, const struct toml_value *autoscaler,
                      const struct config_vm_isolation *isolation);
/* What is allowed of VMs and will hardly do what one wants. */
void advise_on_isolation(struct config_reading *reading, const struct toml_value *entry,
                         const struct config_runner *runner);

/* advice.c: what is allowed and will hardly do what one wants; `table` is the whole file. */
void advise(struct config_reading *reading, const struct toml_value *table,
            const struct config *config);
/* plugin_keys.c: plugin_config against the keys that the plugin tells; `table` is
 * [runners.autoscaler]. */
void check_plugin_config(struct config_reading *reading, const struct toml_value *table);
