/* core/supervisor/group_isolation.c - a group whose jobs run in VMs on its instances: which plugin makes them, what
 * workers and gates are told, and which instances are in doubt (docs/design/processes.md "VMs"). The VM of one job is
 * in job_vm.c; gates run in group_probes.c. */
#include "core/base/frame.h"
#include "core/base/json.h"
#include "core/base/mem.h"
#include "core/base/str.h"
#include "core/supervisor/connector.h"
#include "core/supervisor/group_parts.h"
#include "core/supervisor/vm_plugin.h"

#define LOG_TOPIC "group"
#include "core/base/log.h"

bool group_is_isolated(const struct group *group)
{
    return group_settings(group)->vm_isolation.enabled;
}

const char *group_isolation_file(const struct group *group)
{
    return group_is_isolated(group) ? group->isolation.file : NULL;
}

int group_take_isolation(struct group *group, struct error *err)
{
    const struct config_vm_isolation *settings = &group_settings(group)->vm_isolation;
    auto_ptr(secret_free) struct secret *key = NULL;
    autofree char *file = NULL;
    int r = 0;

    if (settings->enabled)
        r = vm_plugin_find(settings, group->supervisor->options.plugin_dirs, &file, err);
    if (r == 0 && settings->enabled && connector_read_key(&settings->connector, &key, err) < 0)
        r = error_wrap(err, -EINVAL, "vm_isolation");
    if (r < 0)
        return r;
    group_isolation_done(group);
    group->isolation.file = take_ptr(file);
    group->isolation.key = take_ptr(key);
    return 0;
}

void group_isolation_done(struct group *group)
{
    free(group->isolation.file);
    secret_free(group->isolation.key);
    group->isolation = (struct group_isolation) { 0 };
}

static json_t *base_frame(const struct group *group)
{
    json_t *frame = json_object_new_object(), *config = vm_plugin_config(group_settings(group));

    if (!frame || !config) {
        json_object_put(frame);
        json_object_put(config);
        return NULL;
    }
    (void) json_add_str(frame, "plugin", group_settings(group)->vm_isolation.plugin);
    (void) json_add(frame, "config", config);
    return frame;
}

/* Into the VM. Its host key was made with it, and the way to it is the instance's own. */
json_t *group_vm_connect(const struct group *group)
{
    const struct config_connector *connector = &group_settings(group)->vm_isolation.connector;
    json_t *connect = json_object_new_object();

    if (!connect)
        return NULL;
    (void) json_add_str(connect, "protocol", "ssh");
    (void) json_add_i64(connect, "port", connector->protocol_port);
    (void) json_add_str(connect, "username", connector->username);
    if (connector->password)
        (void) json_add_str(connect, "password", secret_reveal(connector->password));
    if (group->isolation.key)
        (void) json_add_str(connect, "key", secret_reveal(group->isolation.key));
    (void) json_add_i64(connect, "timeout_ms", connector->timeout_ms);
    (void) json_add_i64(connect, "keepalive_ms", connector->keepalive_ms);
    (void) json_add_str(connect, "host_key_policy", "accept");
    return connect;
}

json_t *group_isolation_for_job(const struct group *group)
{
    const struct config_instance *rules = &group->runner->instance;
    json_t *frame = base_frame(group), *images = json_object_new_array();

    for (size_t i = 0; images && i < rules->n_allowed_images; i++)
        (void) json_object_array_add(images, json_object_new_string(rules->allowed_images[i]));
    (void) json_add_str(frame, "image", group_settings(group)->vm_isolation.image);
    (void) json_add(frame, "allowed_images", images);
    (void) json_add(frame, "connect", group_vm_connect(group));
    return frame;
}

json_t *group_isolation_for_gate(const struct group *group, const char *instance)
{
    json_t *frame = base_frame(group);

    (void) json_add(frame, "keep", job_vms_on(group, instance));
    return frame;
}

/* Instances in doubt. */

void group_doubt(struct group *group, const char *id, const char *why)
{
    const struct fleet_instance *instance = fleet_find(group->fleet, id);

    if (!group_is_isolated(group) || !instance || instance->removing)
        return;
    /* It was told to leave alone what is in question now. */
    group_restart_gate(group, id);
    if (!instance->in_doubt && instance->ready_ms != 0)
        log_notice("instance %s of runner '%s': %s; it gets no jobs until its VMs have been looked "
                   "at",
                   id, group->runner->name, why);
    fleet_doubt(group->fleet, id);
    supervisor_evaluate_soon(group->supervisor);
}

void group_doubt_all(struct group *group)
{
    for (size_t i = 0; group_is_isolated(group) && i < fleet_instance_count(group->fleet); i++)
        fleet_doubt(group->fleet, fleet_instance_at(group->fleet, i)->id);
}

/* A plugin that cannot be used. */

void group_isolation_unable(struct group *group, const char *why)
{
    struct group_isolation *isolation = &group->isolation;

    if (str_cut(isolation->error, sizeof(isolation->error), why))
        log_error("runner '%s': no VM can be made: %s; it is tried again from time to time, and no "
                  "job is asked for meanwhile",
                  group->runner->name, isolation->error);
    isolation->backoff_ms = group_back_off(isolation->backoff_ms);
    isolation->again_mono = now_mono(group->supervisor) + isolation->backoff_ms;
}

void group_isolation_works(struct group *group)
{
    struct group_isolation *isolation = &group->isolation;

    if (*isolation->error)
        log_notice("runner '%s': VMs can be made again", group->runner->name);
    isolation->error[0] = '\0';
    isolation->backoff_ms = isolation->again_mono = 0;
}

bool group_isolation_waits(const struct group *group)
{
    return now_mono(group->supervisor) < group->isolation.again_mono;
}
