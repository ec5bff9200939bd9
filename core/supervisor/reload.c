/* core/supervisor/reload.c - the configuration, read again while the manager runs: when its file changes, on
 * SIGHUP, and when an operator asks (`flotilla reload`).
 *
 * What cannot be used changes nothing. Everything else holds at once (autoscaler.md 1.1): groups that are
 * still named go on with their new settings, new ones begin, others leave. The answer is made before, by
 * the same steps as for a dry run. */
#include "core/supervisor/reload.h"

#include <inttypes.h>

#include "core/base/json.h"
#include "core/base/str.h"
#include "core/supervisor/connector.h"
#include "core/supervisor/queuing.h"
#include "core/supervisor/standby.h"
#include "core/supervisor/vm_plugin.h"

#define LOG_TOPIC "reload"
#include "core/base/log.h"

#define LOOK_MS 3000
/* A file that was changed is read once it stays as it is for this long: it may not be whole yet. */
#define SETTLE_MS 1000

void reload_begin(struct supervisor *supervisor)
{
    supervisor->watch.read = supervisor->watch.seen = supervisor->config->stamp;
}

static void refuse(struct reload *reload, const char *why)
{
    (void) json_object_array_add(reload->findings, json_object_new_string(why));
    reload->refused = true;
}

/* What only the running manager knows. */
static bool fits(const struct group *group, const struct config_autoscaler *autoscaler,
                 struct error *err)
{
    /* Opened with other settings the plugin may name another size. */
    return json_object_equal(group_settings(group)->plugin_config, autoscaler->plugin_config) ==
               0 ||
           group_check_size(group, autoscaler, err);
}

static bool can_isolate(const struct supervisor *supervisor,
                        const struct config_vm_isolation *isolation, struct error *err)
{
    auto_ptr(secret_free) struct secret *key = NULL;
    autofree char *file = NULL;

    return !isolation->enabled ||
           (vm_plugin_find(isolation, supervisor->options.plugin_dirs, &file, err) == 0 &&
            connector_read_key(&isolation->connector, &key, err) == 0);
}

static void check_entry(struct reload *reload, const struct config_runner *runner)
{
    const struct group *group = groups_find(reload->supervisor, runner);
    auto_ptr(policies_free) struct policies *policies = NULL;
    auto_ptr(queuing_free) struct queuing *queuing = NULL;
    auto_ptr(secret_free) struct secret *key = NULL;
    autobuf struct buf why = BUF_INIT;
    struct error err = { 0 };

    if (policies_new(&runner->autoscaler, &policies, &err) == 0 &&
        queuing_new(&runner->monitoring, &queuing, &err) == 0 &&
        (!group || (connector_read_key(&runner->autoscaler.connector, &key, &err) == 0 &&
                    can_isolate(reload->supervisor, &runner->autoscaler.vm_isolation, &err) &&
                    fits(group, &runner->autoscaler, &err))))
        return;
    buf_addf(&why, "runner '%s': %s", runner->name, err.message);
    refuse(reload, buf_str(&why));
}

static void take_findings(struct reload *reload, const struct config_findings *findings)
{
    for (size_t i = 0; i < findings->count; i++) {
        (void) json_object_array_add(reload->findings,
                                     json_object_new_string(findings->items[i].text));
        reload->refused |= findings->items[i].severity == CONFIG_ERROR;
    }
}

static void read_file(struct reload *reload)
{
    struct supervisor *supervisor = reload->supervisor;
    const char *file = supervisor->config->file;
    struct config_findings findings = { 0 };
    struct error err = { 0 };

    supervisor->watch.read = supervisor->watch.seen = config_stamp(file);
    if (config_load(file, NULL, &reload->config, &findings, &err) < 0)
        reload->config = NULL;
    take_findings(reload, &findings);
    if (!reload->config && !reload->refused)
        refuse(reload, err.message);
    config_findings_done(&findings);
    if (!reload->config)
        return;
    if (reload->config->n_runners == 0)
        refuse(reload, "there is no [[runners]] entry left; stop the manager instead");
    for (size_t i = 0; i < reload->config->n_runners; i++)
        check_entry(reload, &reload->config->runners[i]);
    if (config_diff(supervisor->config, reload->config, &reload->changes) < 0)
        refuse(reload, "out of memory");
}

static void apply_entries(struct supervisor *supervisor)
{
    const struct config *config = supervisor->config;
    size_t n = supervisor->n_groups;
    struct error err = { 0 };

    /* Who leaves first: a new entry may be for the same group of the cloud. */
    for (size_t i = 0; i < n; i++)
        if (!reload_names(config, supervisor->groups[i]))
            group_leave(supervisor->groups[i]);
    for (size_t i = 0; i < config->n_runners; i++) {
        const struct config_runner *runner = &config->runners[i];
        struct group *group = groups_find(supervisor, runner);

        if (group)
            group_reconfigure(group, runner);
        else if (groups_add(supervisor, runner, &err) < 0)
            supervisor_fatal(supervisor, "adding a runner", &err);
        else
            adopt_return(supervisor->groups[supervisor->n_groups - 1]);
    }
}

static void replace_spawner(struct supervisor *supervisor)
{
    struct error err = { 0 };

    standby_end_all(supervisor);
    if (spawner_replace(supervisor->spawner, supervisor->config->worker_seccomp, &err) < 0)
        log_error("%s; workers are started by the former one, with its settings", err.message);
}

static void apply(struct reload *reload)
{
    struct supervisor *supervisor = reload->supervisor;
    struct config *former = supervisor->config;

    effect_point("reload", "before");
    supervisor->config = config_ref(reload->config);
    replace_spawner(supervisor);
    apply_entries(supervisor);
    config_free(former);
    web_reconfigure(supervisor);
    if (supervisor->options.on_config)
        supervisor->options.on_config(supervisor->options.arg, supervisor->config);
    supervisor_trim_soon(supervisor);
    supervisor_evaluate_soon(supervisor);
    effect_point("reload", "after");
}

static void log_refusal(const struct reload *reload)
{
    for (size_t i = 0; i < json_object_array_length(reload->findings); i++)
        log_error("%s", json_object_get_string(json_object_array_get_idx(reload->findings, i)));
    log_error("the configuration cannot be used, so everything stays as it is");
}

static void log_changes(const struct reload *reload)
{
    for (size_t i = 0; i < reload->changes.count; i++) {
        autobuf struct buf text = BUF_INIT;

        config_change_text(&reload->changes.items[i], &text);
        log_notice("%s", buf_str(&text));
        if (!reload_is_live(&reload->changes.items[i]))
            log_warning("%s: holds from the next start on", reload->changes.items[i].key);
    }
    log_notice("the configuration was read again, changes: %zu", reload->changes.count);
}

/* Everything but the answer. */
static void run(struct reload *reload)
{
    if (!reload->supervisor->options.follows_config)
        refuse(reload, "this manager does not follow a configuration file");
    else if (reload->supervisor->stopping)
        refuse(reload, "the manager is stopping");
    else
        read_file(reload);
    if (!reload->refused)
        reload_plan(reload);
    if (reload->dry_run)
        return;
    if (reload->refused || reload->changes.count > 0 || !reload->only_changes)
        counts_note_config(reload->supervisor, !reload->refused);
    if (reload->refused)
        log_refusal(reload);
    else if (!reload->only_changes || reload->changes.count > 0) {
        log_changes(reload);
        apply(reload);
    }
}

static void begin(struct reload *reload, struct supervisor *supervisor)
{
    *reload = (struct reload) { .supervisor = supervisor,
                                .findings = json_object_new_array(),
                                .instances = json_object_new_array() };
}

static void end(struct reload *reload)
{
    json_object_put(reload->findings);
    json_object_put(reload->instances);
    config_changes_done(&reload->changes);
    config_free(reload->config);
}

void supervisor_reload(struct supervisor *supervisor)
{
    struct reload reload;

    begin(&reload, supervisor);
    run(&reload);
    end(&reload);
}

json_t *reload_request(struct supervisor *supervisor, json_t *request)
{
    struct reload reload;
    json_t *answer;

    begin(&reload, supervisor);
    (void) json_opt_bool(request, "dry_run", &reload.dry_run, NULL);
    run(&reload);
    answer = reload_answer(&reload);
    end(&reload);
    return answer;
}

/* A change must be seen twice, or half a file that an editor is writing would be taken for a whole one, and
 * an entry behind the half for one that was removed. */
void reload_tick(struct supervisor *supervisor)
{
    struct config_watch *watch = &supervisor->watch;
    int64_t look_ms = fault_limit_ms("config_look", LOOK_MS);
    struct config_stamp now;
    struct reload reload;
    bool settled;

    if (!supervisor->options.follows_config || supervisor->stopping ||
        now_mono(supervisor) < watch->next_look_mono)
        return;
    now = config_stamp(supervisor->config->file);
    settled = config_stamp_equal(&now, &watch->seen);
    watch->seen = now;
    watch->next_look_mono = now_mono(supervisor) + (settled ? look_ms : MIN(look_ms, SETTLE_MS));
    /* Away for a moment: an editor replaces it. */
    if (!settled || now.inode == 0 || config_stamp_equal(&now, &watch->read))
        return;
    begin(&reload, supervisor);
    reload.only_changes = true;
    run(&reload);
    end(&reload);
}
