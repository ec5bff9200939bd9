/* core/job/connect/target.h - the `connect` object of a start frame (docs/design/processes.md) as a
 * connection's options. For jobs and probes. */
#pragma once

#include "core/base/json.h"
#include "core/job/connect/remote.h"

uint16_t target_port(json_t *connect);
/* Address, credentials and times; the texts are borrowed. Refuses what cannot be connected to. */
int target_options(json_t *connect, struct remote_options *ret, struct error *err);
/* Whether the key is among those that the provider gave. */
bool target_vouched_for(json_t *connect, const char *type, const char *key_base64);
