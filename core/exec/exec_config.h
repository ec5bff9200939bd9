/* core/exec/exec_config.h - the manager's configuration for one `flotilla exec`. */
#pragma once

#include "core/base/error.h"
#include "core/config/config.h"

/* `file` NULL: local instances, as many as there are cores. Else the operator's. Findings are filled
 * in both cases. */
int exec_config_load(const char *file, struct config **ret, struct config_findings *findings,
                     struct error *err);
/* From now on every runner takes its jobs from `url` with `token`. */
int exec_config_lead(struct config *config, const char *url, const char *token,
                     const char *cache_dir, struct error *err);
