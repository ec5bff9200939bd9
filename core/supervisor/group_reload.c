/* core/supervisor/group_reload.c - a group whose [[runners]] entry changed or left while the manager runs
 * (autoscaler.md 1.1). reload.c decides which; instances and running jobs are touched by neither. */
#include "core/supervisor/group_parts.h"

#include "core/config/diff.h"
#include "core/supervisor/connector.h"
#include "core/supervisor/terminals.h"

#define LOG_TOPIC "group"
#include "core/base/log.h"

/* What the plugin is opened with. */
static const char *const plugin_keys[] = { "autoscaler.plugin", "autoscaler.connector_config",
                                           NULL };
/* What the ready gate is tried with. */
static const char *const gate_keys[] = { "autoscaler.instance_ready_command",
                                         "autoscaler.connector_config", "autoscaler.vm_isolation",
                                         NULL };

static bool same_key(const struct secret *a, const struct secret *b)
{
    return secret_len(a) == secret_len(b) &&
           mem_equal_secret(secret_reveal(a), secret_reveal(b), secret_len(a));
}

/* Its file may hold another key under the same name. One that cannot be read was refused before. */
static bool take_connector_key(struct group *group)
{
    auto_ptr(secret_free) struct secret *key = NULL;
    struct error err = { 0 };

    if (connector_read_key(&group_settings(group)->connector, &key, &err) < 0) {
        log_error("runner '%s': %s, ignoring", group->runner->name, err.message);
        return false;
    }
    if (same_key(key, group->key))
        return false;
    secret_free(group->key);
    group->key = take_ptr(key);
    return true;
}

/* The plugin may be another under the same name. Where isolation is turned on, nobody has looked for VMs yet. */
static void take_isolation(struct group *group, bool was_isolated)
{
    struct error err = { 0 };

    if (group_take_isolation(group, &err) < 0)
        log_error("runner '%s': %s, ignoring", group->runner->name, err.message);
    if (!was_isolated)
        group_doubt_all(group);
}

static void open_provider_anew(struct group *group)
{
    struct error err = { 0 };

    if (group_open_provider(group, &err) < 0)
        log_error("runner '%s': its plugin goes on with its former settings: %s",
                  group->runner->name, err.message);
    else
        log_info("runner '%s': its plugin is opened anew", group->runner->name);
}

static bool have_any(const struct config_changes *changes, const char *const *keys)
{
    while (*keys && !config_changes_have(changes, *keys))
        keys++;
    return *keys != NULL;
}

static void take_info(struct group *group)
{
    json_t *info = coordinator_info(group->runner->shell, group->runner->labels);

    if (!info)
        return;
    terminals_announce(group->supervisor, info);
    json_object_put(group->info);
    group->info = info;
}

void group_reconfigure(struct group *group, const struct config_runner *runner)
{
    struct config_changes changes = { 0 };
    /* Without the memory for a difference, everything may be another. */
    bool all = config_diff_runner(group->runner, runner, &changes) < 0;
    bool key_changed, returns = group->leaving, was_isolated = group_is_isolated(group);
    struct error err = { 0 };

    group->leaving = false;
    group_use_entry(group, runner);
    key_changed = take_connector_key(group);
    take_isolation(group, was_isolated);
    take_info(group);
    if (group_load_policies(group, &err) < 0)
        log_error("%s; its former policies and job_queuing_durations hold", err.message);
    if (all || config_changes_have(&changes, "autoscaler.policy"))
        group->policy_told = false;
    if (all || config_changes_have(&changes, "token"))
        scheduler_token_changed(group);
    if (group->provider && (all || key_changed || have_any(&changes, plugin_keys)))
        open_provider_anew(group);
    if (group->connect_refused != 0)
        group_connect_anew(group);
    else if (all || key_changed || have_any(&changes, gate_keys))
        group_restart_gates(group);
    if (returns)
        log_notice("runner '%s' is in the configuration again", runner->name);
    group->next_start_mono = group->start_backoff_ms = 0;
    group_configure(group);
    config_changes_done(&changes);
}

void group_leave(struct group *group)
{
    if (group->leaving)
        return;
    group->leaving = true;
    scheduler_stop(group);
    (void) str_copy(group->refusal, sizeof(group->refusal), "its entry left the configuration");
    group_configure(group);
}
