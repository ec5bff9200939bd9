/* core/transfer/process.h - the transfer process of the manager, and what confines it
 * (docs/design/transfers.md "The transfer process").
 */
#pragma once

#include "core/transfer/outcome.h"

/* Hidden subcommand `transfer`: its link on descriptor 3, its stream on 4. */
int transfer_main(void);

/* For good: no more rights, few descriptors, no file but what names and certificates are looked up with,
 * and those of `tls`. Negative errno. */
int transfer_confine(const struct outcome_tls *tls);
