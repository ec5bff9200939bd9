/* core/cli/plugin_try.h - `flotilla plugin try`, once its command line and configuration are read; and the part of it that
 * changes nothing, for `flotilla doctor`. */
#pragma once

#include "core/config/config.h"

struct try_options {
    const struct config *config;
    const char *plugin_dirs;
    int64_t patience_ms; /* for an instance to come, and to go */
    /* Hears how each step went; NULL: it is printed. */
    void (*on_step)(void *arg, const char *name, bool well, const char *text);
    void *arg;
};

/* The exit status. */
int plugin_try(const struct try_options *options, const struct config_runner *runner);
/* Up to the list; and an instance that runs already is greeted. */
void plugin_look(const struct try_options *options, const struct config_runner *runner);
