/* core/supervisor/vm_plugin.h - the plugin that makes VMs, by a runner entry's vm_isolation: where it is, and what it is
 * told. For groups, reloads and `flotilla plugin try`. */
#pragma once

#include "core/config/config.h"

/* Its file, looked for as any plugin's (core/plugin/plugin.h); nothing of it runs. The caller frees. */
int vm_plugin_find(const struct config_vm_isolation *settings, const char *dirs, char **ret_file,
                   struct error *err);
/* What it is opened with: the table less what is ours. NULL when memory is short. */
json_t *vm_plugin_config(const struct config_autoscaler *settings);
