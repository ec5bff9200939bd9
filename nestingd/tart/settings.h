/* nestingd/tart/settings.h - how Tart is used, as the daemon's configuration or a client's Init says. Used by tart.c.
 *
 * Which program `tart` is, PATH alone says: a client must not choose what the daemon runs.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "core/base/error.h"
#include "core/base/json.h"

struct tart_settings {
    bool softnet;              /* else the network that macOS shares among guests */
    char resolver[8];          /* of addresses: "dhcp" or "agent" */
    int64_t address_timeout_s; /* how long a VM may boot */
    bool insecure;             /* the registry speaks HTTP */
    int64_t concurrency;       /* of a pull; 0 = Tart's own */
    int64_t prune_limit_gb;    /* that a pull may free; -1 = Tart's own */
};

void tart_settings_init(struct tart_settings *settings);
/* Lays what an object holds over them; -EINVAL and a sentence that names the key, and nothing changed. */
int tart_settings_read(struct tart_settings *settings, const json_t *object, struct error *err);
bool tart_settings_know(const char *key);
