/* static.h - what the parts of the static provider share: the group and one machine of it.
 *
 * The group's machines exist already and are listed in plugin_config. Growing claims one of them,
 * shrinking gives it back; what is claimed is an instance, under the machine's name. Read provider.c
 * first (the slots), then options.c (plugin_config), claims.c (what lies on disk).
 */
#pragma once

#include <json-c/json.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <flotilla/provider.h>

#define STATIC_PATH_MAX 512
#define STATIC_HOST_KEYS_MAX 8

/* Strings are those of the group's configuration, or cut out of them; NULL where nothing is said. */
struct static_machine {
    const char *id;
    const char *os, *arch, *protocol, *username, *password, *key, *key_path;
    const char *internal, *external; /* without their ports */
    uint32_t port; /* of the address that the host will take; 0 = the protocol's own */
    struct flt_host_key host_keys[STATIC_HOST_KEYS_MAX];
    uint32_t n_host_keys;
};

/* The handle of an opened group. */
struct flt_group {
    const struct flt_host *host;
    struct json_object *config; /* parsed plugin_config, which the machines' strings are part of */
    struct json_object *kept;   /* an array of what was cut out of them */
    const char *name;
    struct static_machine *machines;
    uint32_t n_machines;
    bool use_external;
    char dir[STATIC_PATH_MAX];
    int dir_fd;
};

/* options.c */
int32_t options_parse(struct flt_group *g, flt_call *call, const char *plugin_config_json,
                      const char *connector_config_json);
void options_done(struct flt_group *g);
int32_t options_describe(flt_key_sink sink, void *arg);
const struct static_machine *find_machine(const struct flt_group *g, const char *id);

/* claims.c */
int32_t claims_open(struct flt_group *g, flt_call *call);
void claims_close(struct flt_group *g);
/* Which machines are claimed, by which request: an object of id -> request id, the caller's. */
int32_t claims_read(struct flt_group *g, flt_call *call, struct json_object **ret);
/* One change: the lock is taken, an older epoch is refused, `change` is asked, what it left of the
 * claims is stored. It stores nothing when `change` fails. */
int32_t claims_change(struct flt_group *g, flt_call *call,
                      int32_t (*change)(struct flt_group *g, flt_call *call,
                                        struct json_object *claims, void *arg),
                      void *arg);
