/* core/supervisor/group_setup.c - a group from its [[runners]] entry: plugin, provider, fleet
 * settings, and what the ledger remembers. */
#include "core/supervisor/group_parts.h"

#include <flotilla/provider.h>
#include <inttypes.h>
#include <string.h>

#include "core/base/json.h"
#include "core/base/mem.h"
#include "core/base/str.h"
#include "core/base/token.h"
#include "core/fleet/settings.h"
#include "core/plugin/plugin.h"
#include "core/supervisor/cache_store.h"
#include "core/supervisor/connector.h"
#include "core/supervisor/hold.h"
#include "core/supervisor/operator.h"
#include "core/supervisor/queuing.h"
#include "core/supervisor/terminals.h"

#define LOG_TOPIC "group"
#include "core/base/log.h"

/* As in the configuration: what is longer is a mistake of the plugin's. */
#define BILLED_MAX_MS (INT64_C(366) * 24 * 3600 * 1000)

void group_refuse(struct group *group, const char *why)
{
    if (!group->refused)
        supervisor_emit(group->supervisor, EVENT_RUNNER_REFUSED, group, NULL, NULL, why);
    group->refused = true;
}

/* What is no answer says nothing; a plugin's prices are its word, and only shown. */
static void read_group_info(json_t *reply, struct fleet_provider *ret)
{
    *ret = (struct fleet_provider) { 0 };
    (void) json_opt_i64(reply, "max_size", 0, INT64_MAX, &ret->max_size, NULL);
    ret->max_size = MIN(ret->max_size, (int64_t) PROVIDER_LIST_MAX);
    (void) json_opt_i64(reply, "price_micros_hour", 0, INT64_MAX, &ret->price_micros_hour, NULL);
    (void) json_opt_i64(reply, "minimum_billed_ms", 0, BILLED_MAX_MS, &ret->minimum_billed_ms,
                        NULL);
    (void) json_opt_i64(reply, "minimum_life_ms", 0, BILLED_MAX_MS, &ret->minimum_life_ms, NULL);
    (void) json_opt_i64(reply, "recycle_ms", 0, BILLED_MAX_MS, &ret->recycle_ms, NULL);
}

void group_fleet_config(const struct group *group, const struct config_autoscaler *autoscaler,
                        const struct fleet_policy *policy, struct fleet_config *ret)
{
    fleet_settings_read(autoscaler, policy, &group->told, ret);
    if (group->told.max_size > 0)
        ret->max_instances = (uint32_t) MIN((int64_t) ret->max_instances, group->told.max_size);
    ret->drained = group->drained || group->leaving;
    ret->leaving = group->leaving;
}

bool group_check_size(const struct group *group, const struct config_autoscaler *autoscaler,
                      struct error *err)
{
    if (group->told.max_size == 0 || autoscaler->max_instances <= group->told.max_size)
        return true;
    (void) error_set(err, -ERANGE,
                     "max size option exceeds instance group's max size: %" PRId64 " > %" PRId64
                     "; lower max_instances",
                     autoscaler->max_instances, group->told.max_size);
    return false;
}

void group_configure(struct group *group)
{
    const struct config_autoscaler *autoscaler = group_settings(group);
    struct fleet_config config;
    struct error err = { 0 };

    if (!group_check_size(group, autoscaler, &err)) {
        (void) str_cut(group->provider_error, sizeof(group->provider_error), err.message);
        log_error("runner '%s': %s", group->runner->name, err.message);
        if (!group->usable) {
            group_refuse(group, group->provider_error);
            return;
        }
        /* It has instances and perhaps jobs to see to: the smaller number holds. */
    } else if (group->provider && provider_client_is_open(group->provider) && !group->stale) {
        group->usable = true;
        group->refused = false;
        group->provider_error[0] = '\0';
    }
    group_fleet_config(group, autoscaler, group_policy(group), &config);
    if (fleet_configure(group->fleet, &config) < 0)
        log_error("runner '%s': its settings could not be taken: out of memory",
                  group->runner->name);
    group_list_soon(group);
    supervisor_evaluate_soon(group->supervisor);
}

static void restore_gone(void *arg, int64_t gone_ms)
{
    struct group *group = arg;

    fleet_restore_gone(group->fleet, MIN(gone_ms, now_wall(group->supervisor)));
}

/* Of former runs; those of this one the fleet has seen. */
static void restore_places(struct group *group)
{
    struct error err = { 0 };

    if (group->told.recycle_ms == 0 || group->listed_once || group->places_restored)
        return;
    group->places_restored = true;
    if (ledger_each_gone(group->supervisor->ledger, group->id,
                         now_wall(group->supervisor) - group->told.recycle_ms, restore_gone, group,
                         &err) < 0)
        supervisor_fatal(group->supervisor, "reading instances that went", &err);
}

static void on_open(void *arg, int code, const char *message, int64_t retry_after_ms, json_t *reply)
{
    struct group *group = arg;
    int64_t capabilities = 0;
    bool was_usable;

    (void) retry_after_ms;
    counts_note_answer(group, code);
    if (group->stale)
        return; /* opened or not, it takes no jobs */
    if (code == 0)
        counts_note_open(group);
    if (code != 0) {
        if (str_cut(group->provider_error, sizeof(group->provider_error), message))
            log_error("runner '%s': plugin '%s' cannot open its group: %s", group->runner->name,
                      group->runner->autoscaler.plugin, message);
        if (group_needs_a_person(code)) /* the client opens again and again */
            group_refuse(group, message);
        return;
    }
    read_group_info(reply, &group->told);
    (void) json_opt_i64(reply, "capabilities", INT64_MIN, INT64_MAX, &capabilities, NULL);
    group->ids_return = ((uint64_t) capabilities & FLT_CAP_IDS_RETURN) != 0;
    group->signals.supported = ((uint64_t) capabilities & FLT_CAP_SIGNALS) != 0;
    was_usable = group->usable;
    group_configure(group);
    restore_places(group);
    if (was_usable || !group->usable)
        return;
    group_log_initialized(group, reply);
    if (((uint64_t) capabilities & FLT_CAP_THIS_MACHINE) != 0)
        log_info("runner '%s': plugin '%s' may have instances on this machine, so its process has "
                 "no file rules",
                 group->runner->name, group->runner->autoscaler.plugin);
}

int group_open_provider(struct group *group, struct error *err)
{
    struct supervisor *supervisor = group->supervisor;
    const struct config_runner *runner = group->runner;
    autofree char *file = NULL, *state_dir = NULL;
    autobuf struct buf connector = BUF_SECRET, notice = BUF_INIT;
    struct provider_options options;
    int r;

    r = plugin_find(runner->autoscaler.plugin, supervisor->options.plugin_dirs, &file, &notice,
                    err);
    if (r < 0)
        return error_wrap(err, r, "loading fleeting plugin");
    if (notice.len > 0)
        log_notice("runner '%s': %s", runner->name, buf_str(&notice));
    r = connector_text(&runner->autoscaler, group->key, &connector);
    state_dir = mem_strdup(supervisor->state_dir);
    if (r < 0 || !state_dir)
        return error_set(err, -ENOMEM, "provider: out of memory");
    options = (struct provider_options) {
        .file = file,
        .group = runner->name,
        .state_dir = state_dir,
        .manager = supervisor->manager,
        .config_file = group->config->file,
        .plugin_config = json_text(runner->autoscaler.plugin_config),
        .connector_config = buf_str(&connector),
        .self_exe = supervisor->options.self_exe,
        .run_inline = runner->autoscaler.plugin_inline,
    };
    if (group->provider)
        return provider_client_reopen(group->provider, &options, err);
    r = provider_client_new(supervisor->loop, &options, &group->provider, err);
    if (r < 0)
        return r;
    provider_client_on_open(group->provider, on_open, group);
    return 0;
}

/* Two managers of one group of the cloud would be strangers to each other's instances: the entry that
 * left has it until it is done with it. */
static bool waits_for_predecessor(struct group *group)
{
    static const char why[] = "its instance group is still held for an entry that left the "
                              "configuration, until that one's jobs and instances are gone";
    const struct supervisor *supervisor = group->supervisor;
    bool held = false;

    for (size_t i = 0; !group->leaving && i < supervisor->n_groups; i++) {
        const struct group *other = supervisor->groups[i];

        held |= other != group && other->leaving &&
                config_same_cloud(group_settings(other), group_settings(group));
    }
    if (held && str_cut(group->provider_error, sizeof(group->provider_error), why))
        log_notice("runner '%s': %s", group->runner->name, why);
    return held;
}

void group_start_provider(struct group *group)
{
    struct error err = { 0 };
    int r;

    if (now_mono(group->supervisor) < group->next_start_mono || waits_for_predecessor(group))
        return;
    r = group->key ? 0
                   : connector_read_key(&group->runner->autoscaler.connector, &group->key, &err);
    if (r == 0)
        r = group_take_isolation(group, &err);
    if (r == 0)
        r = group_open_provider(group, &err);
    if (r == 0)
        return;
    if (str_cut(group->provider_error, sizeof(group->provider_error), err.message))
        log_error("runner '%s': %s; tried again from time to time", group->runner->name,
                  err.message);
    group->start_backoff_ms = group_back_off(group->start_backoff_ms);
    group->next_start_mono = now_mono(group->supervisor) + group->start_backoff_ms;
    group_refuse(group, group->provider_error);
}

/* Its keys may be others under the same names, so it is always opened anew. */
static void use_store(struct group *group)
{
    const char *problem;

    cache_store_close(group->store);
    group->store = cache_store_open(&group->runner->cache);
    problem = cache_store_problem(group->store);
    if (problem)
        log_warning("runner '%s': %s", group->runner->name, problem);
}

void group_use_entry(struct group *group, const struct config_runner *runner)
{
    struct config *former = group->config;

    group->config = config_ref(group->supervisor->config);
    group->runner = runner;
    token_shorten(secret_reveal(runner->token), group->short_token);
    group->host =
        (struct coordinator_host) { .owner = group->id,
                                    .url = runner->url,
                                    .tls_ca_file = runner->tls_ca_file,
                                    .tls_cert_file = runner->tls_cert_file,
                                    .tls_key_file = runner->tls_key_file,
                                    .connection_max_age_ms = group->config->connection_max_age_ms };
    use_store(group);
    config_free(former);
}

static void restore_instance(void *arg, const struct ledger_instance *row)
{
    struct group *group = arg;
    int64_t now = now_wall(group->supervisor);
    /* A time of another boot may lie ahead of this one's. */
    struct fleet_instance saved = { .state = (enum instance_state) row->state,
                                    .cause = (enum instance_cause) row->cause,
                                    .uses = (uint32_t) row->uses,
                                    .first_seen_ms = MIN(row->first_seen_ms, now),
                                    .ready_ms = MIN(row->ready_ms, now),
                                    .idle_since_ms = MIN(row->idle_since_ms, now),
                                    .removing = row->life == LIFE_REMOVING,
                                    .remove_reason = fleet_reason_parse(row->remove_reason) };

    (void) str_copy(saved.id, sizeof(saved.id), row->id);
    if (fleet_restore(group->fleet, &saved) < 0)
        log_error("instance %s cannot be restored: out of memory", row->id);
}

/* Instances and orders of a former run, from the ledger. */
static int restore(struct group *group, struct error *err)
{
    int r =
        ledger_each_instance(group->supervisor->ledger, group->id, restore_instance, group, err);

    if (r == 0)
        r = operator_restore(group, err);
    if (r == 0)
        r = hold_restore(group, err);
    if (r == 0)
        group_restore_orders(group);
    return r;
}

int group_init(struct group *group, struct supervisor *supervisor,
               const struct config_runner *runner, struct error *err)
{
    struct fleet_config config;
    int r;

    group->supervisor = supervisor;
    group->ledger_key = config_group_key(runner);
    group->request_pace = 1;
    group_use_entry(group, runner);
    group->info = coordinator_info(runner->shell, runner->labels);
    terminals_announce(supervisor, group->info);
    r = counts_open_group(group, err);
    if (r == 0)
        r = group_load_policies(group, err);
    if (r < 0)
        return r;
    group_fleet_config(group, &runner->autoscaler, group_policy(group), &config);
    if (!group->ledger_key || !group->info || fleet_new(&config, &group->fleet) < 0)
        return error_set(err, -ENOMEM, "runner '%s': out of memory", runner->name);
    r = ledger_open_group(supervisor->ledger, group->ledger_key, &group->id, &group->epoch, err);
    if (r < 0)
        return r;
    group->host.owner = group->id;
    r = restore(group, err);
    if (r == 0)
        group_start_provider(group);
    return r;
}

void group_done(struct group *group)
{
    group_end_probes(group);
    hold_done(group);
    scaler_plan_done(&group->last_plan);
    policies_free(group->policies);
    queuing_free(group->queuing);
    fleet_free(group->fleet);
    json_object_put(group->info);
    secret_free(group->key);
    group_isolation_done(group);
    cache_store_close(group->store);
    counts_close_group(group);
    free(group->ledger_key);
    config_free(group->config);
}
