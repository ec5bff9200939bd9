/* core/exec/exec_config.h - the manager's configuration for one `flotilla exec`. */
#pragma once

#include "core/base/error.h"
#include "core/config/config.h"
#include "core/exec/vm_image.h"

/* Each job is to have a VM of the image, made by the daemon that listens at the socket. */
struct exec_vms {
    const struct vm_image *image;
    const char *socket; /* absolute */
};

/* `file` NULL: local instances, as many as there are cores; with `vms` (else NULL) one, with as many VMs. Else the
 * operator's. Findings are filled in all cases. */
int exec_config_load(const char *file, const struct exec_vms *vms, struct config **ret,
                     struct config_findings *findings, struct error *err);
/* From now on every runner takes its jobs from `url` with `token`. */
int exec_config_lead(struct config *config, const char *url, const char *token,
                     const char *cache_dir, struct error *err);
