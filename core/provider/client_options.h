/* core/provider/client_options.h - a client's own copy of what its plugin is opened with: it is asked for
 * again at each restart. For client.c alone. */
#pragma once

#include "core/provider/client.h"

struct client_options {
    char *file, *group, *state_dir, *manager, *config_file, *plugin_config, *connector_config,
        *self_exe;
    bool run_inline;
};

int client_options_copy(const struct provider_options *options, struct client_options *ret,
                        struct error *err);
void client_options_done(struct client_options *options); /* wipes what may be secret */
