/* core/provider/client_options.c - see the header. */
#include "core/provider/client_options.h"

#include <errno.h>
#include <stdlib.h>

#include "core/base/mem.h"
#include "core/base/secret.h"

void client_options_done(struct client_options *options)
{
    free(options->file);
    free(options->group);
    free(options->state_dir);
    free(options->manager);
    free(options->config_file);
    secret_wipe_str(options->plugin_config);
    free(options->plugin_config);
    secret_wipe_str(options->connector_config);
    free(options->connector_config);
    free(options->self_exe);
}

int client_options_copy(const struct provider_options *options, struct client_options *ret,
                        struct error *err)
{
    struct client_options copy = {
        .file = mem_strdup(options->file),
        .group = mem_strdup(options->group),
        .state_dir = mem_strdup(options->state_dir ? options->state_dir : ""),
        .manager = mem_strdup(options->manager ? options->manager : ""),
        .config_file = mem_strdup(options->config_file ? options->config_file : ""),
        .plugin_config = mem_strdup(options->plugin_config ? options->plugin_config : "{}"),
        .connector_config =
            mem_strdup(options->connector_config ? options->connector_config : "{}"),
        .self_exe = mem_strdup(options->self_exe ? options->self_exe : "/proc/self/exe"),
        .run_inline = options->run_inline,
    };

    if (copy.file && copy.group && copy.state_dir && copy.manager && copy.config_file &&
        copy.plugin_config && copy.connector_config && copy.self_exe) {
        *ret = copy;
        return 0;
    }
    client_options_done(&copy);
    return error_set(err, -ENOMEM, "provider: out of memory");
}
