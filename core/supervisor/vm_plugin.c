/* core/supervisor/vm_plugin.c - see the header. */
#include "core/supervisor/vm_plugin.h"

#include <errno.h>

#include "core/base/str.h"
#include "core/plugin/plugin.h"

/* Its code runs in workers alone; whether it is one can be seen from outside. */
int vm_plugin_find(const struct config_vm_isolation *settings, const char *dirs, char **ret_file,
                   struct error *err)
{
    autofree char *file = NULL;
    autoclose int fd = -1;
    enum plugin_kind kind;
    int r = plugin_find(settings->plugin, dirs, &file, NULL, err);

    if (r == 0)
        r = plugin_open_file(file, &fd, err);
    if (r == 0)
        r = plugin_find_kind(file, &kind, err);
    if (r == 0 && kind != PLUGIN_ISOLATION)
        r = error_set(err, -ENOEXEC, "plugin '%s' makes instances and no VMs", settings->plugin);
    if (r < 0)
        return error_wrap(err, r, "vm_isolation");
    *ret_file = take_ptr(file);
    return 0;
}

json_t *vm_plugin_config(const struct config_autoscaler *settings)
{
    static const char *const ours[] = { "enabled", "plugin", "image", "connector_config" };
    json_t *config = NULL;

    if (json_object_deep_copy(settings->isolation_table, &config, NULL) < 0)
        return NULL;
    for (size_t i = 0; i < ARRAY_LEN(ours); i++)
        json_object_object_del(config, ours[i]);
    return config;
}
