/* metadata_set.c - changes one item of an instance's metadata. They are written as a whole, against the fingerprint of
 * what was read, so that nobody's change is lost. */

#include "reach.h"

#include <stdio.h>

#include "sdk/lib/json.h"
#include "sdk/lib/wipe.h"

#define TRIES 4
#define CONFLICT 412

/* Asked again when its answer is lost: if it was done, the fingerprint is another one. */
static int32_t set_once(struct flt_group *g, struct way *way, const char *key, const char *value,
                        struct flt_google_error *error)
{
    struct json_object *metadata = flt_json_find(way->instance, "metadata"), *answer = NULL;
    struct json_object *body = metadata_with(metadata, key, value);
    char path[GCP_PATH_SIZE + 16], shown[GCP_NAME_MAX + 32];
    struct gcp_ask ask = {
        .method = "POST", .path = path, .shown = shown, .body = body, .repeatable = true
    };
    int32_t code;

    (void) snprintf(path, sizeof(path), "%s/setMetadata", way->path);
    (void) snprintf(shown, sizeof(shown), "instances.setMetadata of %s", way->name);
    code = gcp_ask(g, &ask, &answer, error);
    json_object_put(answer);
    json_object_put(body);
    return code;
}

int32_t metadata_set(struct flt_group *g, struct way *way, const char *key, metadata_change change,
                     void *arg, struct flt_google_error *ret_denied)
{
    struct flt_google_error error = { .status = CONFLICT };
    int32_t code = way->instance ? FLT_OK : way_look(g, way);

    for (int i = 0; code == FLT_OK && i < TRIES; i++) {
        struct json_object *metadata = flt_json_find(way->instance, "metadata");
        FLT_WIPED char *value = change(arg, metadata_value(metadata, key));

        if (!value)
            return gcp_fail(g, FLT_E_INTERNAL, 0, "out of memory");
        code = set_once(g, way, key, value, &error);
        if (code == FLT_OK)
            return FLT_OK;
        *ret_denied = error;
        if (gcp_is_denied(code, &error))
            return code;
        if (error.status != CONFLICT)
            return gcp_refused(g, code, &error);
        code = way_look(g, way);
    }
    return code != FLT_OK ? code
                          : gcp_fail(g, FLT_E_NOT_READY, SOON_MS,
                                     "others keep changing the metadata of instance %s", way->id);
}
