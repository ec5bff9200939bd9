/* sdk/lib/host_keys.h - host keys that a cloud vouches for. Used by plugins/aws and plugins/gcp.
 */
#ifndef FLOTILLA_LIB_HOST_KEYS_H
#define FLOTILLA_LIB_HOST_KEYS_H

#include <flotilla/provider.h>
#include <json-c/json.h>

#define FLT_HOST_KEYS_MAX 8
#define FLT_HOST_KEY_TYPE_SIZE 32

/* The types that are taken; NULL at the end. */
extern const char *const flt_host_key_types[];

/* Keys as the ABI hands them out. */
struct flt_host_keys {
    struct flt_host_key items[FLT_HOST_KEYS_MAX];
    char types[FLT_HOST_KEYS_MAX][FLT_HOST_KEY_TYPE_SIZE];
};
/* Adds "TYPE KEY" to an array when both are in order and there is room. */
void flt_host_keys_add(struct json_object *lines, const char *type, const char *key);
/* Shows them in `info`; both borrow from the lines. NULL = there are none. */
void flt_host_keys_show(struct json_object *lines, struct flt_host_keys *keys,
                        struct flt_connect_info *info);

#endif
