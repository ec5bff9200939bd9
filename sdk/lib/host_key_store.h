/* sdk/lib/host_key_store.h - the host keys of a group's instances, in memory and on disk: what a cloud vouched for at an
 * instance's first boot holds for its life, also for the next process of its provider. By then what runs on the instance
 * could tell the cloud others. Used by plugins/aws and plugins/gcp.
 *
 *   {"INSTANCE": ["TYPE KEY", ...]}, an empty list where there are none
 */
#ifndef FLOTILLA_LIB_HOST_KEY_STORE_H
#define FLOTILLA_LIB_HOST_KEY_STORE_H

#include <json-c/json.h>
#include <stddef.h>

#include "sdk/lib/state_file.h"

struct flt_host_key_store {
    char path[FLT_STATE_PATH_MAX];
    struct json_object *keys; /* NULL = not opened */
};
/* With what the file holds; "" = in memory alone. Always usable; a file that is damaged leaves a sentence in `error`
 * (FLT_ERROR_MAX bytes, as below), otherwise "". */
void flt_host_key_store_open(struct flt_host_key_store *store, const char *path, char *error);
void flt_host_key_store_done(struct flt_host_key_store *store);

/* Borrowed; NULL when it is not known. */
struct json_object *flt_host_key_store_find(const struct flt_host_key_store *store, const char *id);

/* Who is there, of about so many. */
struct flt_host_key_owners {
    size_t n;
    int (*is_there)(void *arg, const char *id);
    void *arg;
};
/* Takes the keys over; those of instances that are gone make room (`owners` NULL: nobody knows which are). What cannot be
 * written holds until this process ends: FLT_E_INTERNAL with a sentence. */
int32_t flt_host_key_store_keep(struct flt_host_key_store *store, const char *id,
                                struct json_object *keys, const struct flt_host_key_owners *owners,
                                char *error);

#endif
