/* core/cli/plugin_try.h - `flotilla plugin try`, once its command line and configuration are read. */
#pragma once

#include "core/config/config.h"

struct try_options {
    const struct config *config;
    const char *plugin_dirs;
    int64_t patience_ms; /* for an instance to come, and to go */
};

/* The exit status. */
int plugin_try(const struct try_options *options, const struct config_runner *runner);
