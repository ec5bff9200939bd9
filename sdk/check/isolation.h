/* sdk/check/isolation.h - the conformance kit for isolations: their slots, called as kit.h calls a provider's.
 *
 * isolation_calls.c takes what the plugin emits, isolation_host.c is its host: the instance is this
 * machine. contract_isolation.c is the checks.
 */
#pragma once

#include "sdk/check/kit.h"

extern const struct flt_isolation_host kit_isolation_host;

int32_t vms_open(struct kit *kit, struct kit_how how, const char *config,
                 struct kit_call **ret_call);
void vms_close(struct kit *kit);
int32_t vms_create(struct kit *kit, struct kit_how how, const char *image, int32_t slot,
                   struct kit_call **ret_call);
int32_t vms_remove(struct kit *kit, struct kit_how how, const char *id, struct kit_call **ret_call);
int32_t vms_list(struct kit *kit, struct kit_how how, struct kit_call **ret_call);
