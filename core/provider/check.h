/* core/provider/check.h - what a provider may say besides ids (core/plugin/plugin.h): texts, addresses (hardening.md V12, V13,
 * §9). */
#pragma once

#include <flotilla/provider.h>
#include <stdbool.h>

#include "core/base/json.h"

bool provider_text_valid(const char *text); /* at most 4 KiB of UTF-8; false for NULL */
/* A literal address or a DNS name; loopback, link-local and this machine's own only with
 * `this_machine`. */
int provider_check_address(const char *address, bool this_machine, struct error *err);

/* The `connect` object of a reply, everything checked; the addresses by the provider's FLT_CAP_*.
 * New reference in *ret. */
int provider_connect_json(const struct flt_connect_info *info, uint64_t capabilities, json_t **ret,
                          struct error *err);
