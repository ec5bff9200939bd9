/* core/supervisor/connector.h - how instances of a runner entry are reached: its connector_config,
 * the key file, and what the provider says. For groups and for `flotilla plugin try`. */
#pragma once

#include "core/base/buf.h"
#include "core/config/config.h"

/* The text of key_path, or NULL where none is named. */
int connector_read_key(const struct config_connector *connector, struct secret **ret,
                       struct error *err);
/* connector_config as the provider gets it: the table as written, with the key's text. */
int connector_text(const struct config_autoscaler *settings, const struct secret *key,
                   struct buf *out);
/* The worker's `connect` (docs/design/processes.md), from the provider's reply to connect_info: what
 * the provider leaves open is filled in; with use_static_credentials its credentials are not used.
 * NULL when memory is short. */
json_t *connector_connect(const struct config_autoscaler *settings, const struct secret *key,
                          json_t *reply);
/* How long a provider may say that there is nothing to connect to yet (FLT_E_NOT_READY): the connector's own
 * timeout begins when there is. */
int64_t connector_patience_ms(const struct config_connector *connector);
