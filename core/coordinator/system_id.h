/* core/coordinator/system_id.h - who this manager is for GitLab: `.runner_system_id` beside the configuration
 * (coordinator-protocol.md 1.13). For the manager and the commands that talk to GitLab in its name. */
#pragma once

#include "core/base/error.h"

#define SYSTEM_ID_SIZE 15

/* Reads the file, or makes it: from `system_id` in the state directory `state_fd` (-1 = none), where managers once had
 * it and have it still when the configuration's directory cannot be written; else anew. Without a configuration file
 * (NULL) it is made anew each time. 0; 1 when it could not be kept, with the reason in err; negative when the file is
 * there and cannot be read. */
int system_id_load(const char *config_file, int state_fd, char dst[SYSTEM_ID_SIZE],
                   struct error *err);
