/* host_keys.c - the host keys of an instance, which Google's guest agent publishes in its guest attributes at the first
 * boot: a way that no stranger on the network is on. What runs on the instance may write there, too; so they are read
 * before the first job, and remembered. */

#include "reach.h"

#include <stdio.h>
#include <string.h>

#define AGAIN_MS INT64_C(2000)
#define AGAIN_MAX_MS INT64_C(10000)
/* They come early in a boot, before the SSH server starts: an image that has shown none by then has no guest agent. */
#define WAIT_MS 120000
#define NEEDS                                                                                      \
    "; that takes enable-guest-attributes=TRUE in its template's metadata, an image with "         \
    "Google's "                                                                                    \
    "guest agent, and the permission compute.instances.getGuestAttributes"

/* With what an earlier process has kept. */
static void open_store(struct flt_group *g)
{
    char path[FLT_STATE_PATH_MAX] = "", error[FLT_ERROR_MAX];

    if (g->reaches->host_keys.keys)
        return;
    if (group_state_path(g, "keys.json", path, error) != FLT_OK)
        gcp_log(g, FLT_LOG_WARNING, "host keys are not kept for the next start: %s", error);
    flt_host_key_store_open(&g->reaches->host_keys, path, error);
    if (*error)
        gcp_log(g, FLT_LOG_WARNING, "%s; the host keys of instances are read anew", error);
}

static int is_there(void *arg, const char *id)
{
    const struct flt_group *g = arg;

    return find_member(&g->seen, id) != NULL;
}

/* For the life of the instance. */
static void keep(struct flt_group *g, const char *id, struct json_object *keys)
{
    const struct flt_host_key_owners owners = { g->seen.n, is_there, g };
    char error[FLT_ERROR_MAX];

    if (flt_host_key_store_keep(&g->reaches->host_keys, id, keys, &owners, error) != FLT_OK)
        gcp_log(g, FLT_LOG_WARNING, "host keys are not kept for the next start: %s", error);
}

/* Nothing is published: 404. Where guest attributes are off, they are refused as if a right were missing. */
static bool is_none(int32_t code, const struct flt_google_error *error)
{
    return code == FLT_E_NOT_FOUND ||
           (gcp_is_denied(code, error) && !strstr(error->text, "permission"));
}

/* *ret = NULL: none are there. */
static int32_t ask(struct flt_group *g, const struct way *way, struct json_object **ret)
{
    struct flt_google_param params[] = { { "queryPath", GUEST_KEYS "/" } };
    char path[GCP_PATH_SIZE + 32], shown[GCP_NAME_MAX + 48];
    struct gcp_ask ask = {
        .path = path, .shown = shown, .params = params, .n_params = COUNT(params)
    };
    struct json_object *answer = NULL;
    struct flt_google_error error;
    int32_t code;

    (void) snprintf(path, sizeof(path), "%s/getGuestAttributes", way->path);
    (void) snprintf(shown, sizeof(shown), "instances.getGuestAttributes of %s", way->name);
    code = gcp_ask(g, &ask, &answer, &error);
    if (code != FLT_OK && !is_none(code, &error)) {
        if (!gcp_is_denied(code, &error))
            return gcp_refused(g, code, &error);
        gcp_note_denied(g, GCP_RIGHT_HOST_KEYS, &error);
    }
    *ret = guest_keys_read(answer);
    json_object_put(answer);
    if (json_object_array_length(*ret) > 0)
        return FLT_OK;
    json_object_put(*ret);
    *ret = NULL;
    return FLT_OK;
}

/* Whether it is worth asking; METADATA_UNSAID = it is not known whether the instance publishes any. */
static int32_t is_published(struct flt_group *g, const struct way *way, enum metadata_flag *ret)
{
    *ret = METADATA_OFF;
    if (!g->options.host_keys || g->denied[GCP_RIGHT_HOST_KEYS] ||
        strcmp(way->info.protocol, "ssh") != 0)
        return FLT_OK;
    return project_switch(g, way->reach, GUEST_ATTRIBUTES, ret);
}

static int64_t age_of(const struct way *way)
{
    return flt_wall_ms() - way->reach->made_ms;
}

/* Many may boot at once, and all requests of a project count together: who boots for long is asked more seldom. */
static int64_t pause_of(const struct way *way)
{
    int64_t pause_ms = age_of(way) / 4;

    return pause_ms < AGAIN_MS ? AGAIN_MS : pause_ms > AGAIN_MAX_MS ? AGAIN_MAX_MS : pause_ms;
}

/* Whether an instance that publishes them still may: its image may have no guest agent that does. */
static bool may_come(struct flt_group *g, const struct way *way)
{
    if (g->denied[GCP_RIGHT_HOST_KEYS] || g->reaches->without_host_keys)
        return false;
    if (age_of(way) < WAIT_MS)
        return true;
    g->reaches->without_host_keys = true;
    gcp_log(g, FLT_LOG_WARNING,
            "instance %s has published no host keys for %d minutes, although "
            "enable-guest-attributes is TRUE: its image has no guest agent that does; the first "
            "key an instance shows is trusted",
            way->id, WAIT_MS / 60000);
    return false;
}

static int32_t wait_for_keys(struct flt_group *g, const struct way *way,
                             enum metadata_flag published)
{
    const char *policy = g->options.connector.host_key_policy;
    bool pin = policy && strcmp(policy, "pin") == 0;

    if (pin)
        return gcp_fail(g, FLT_E_NOT_READY, pause_of(way),
                        "host_key_policy is \"pin\", and instance %s has published no host keys%s",
                        way->id, published == METADATA_ON ? " yet" : NEEDS);
    return published == METADATA_ON && may_come(g, way)
               ? gcp_fail(g, FLT_E_NOT_READY, pause_of(way),
                          "instance %s has published no host keys yet", way->id)
               : FLT_OK;
}

/* *ret = NULL: nobody knows. */
static int32_t learn(struct flt_group *g, const struct way *way, struct json_object **ret)
{
    enum metadata_flag published;
    int32_t code = is_published(g, way, &published);

    *ret = NULL;
    if (code == FLT_OK && published != METADATA_OFF)
        code = ask(g, way, ret);
    if (code == FLT_OK && !*ret)
        code = wait_for_keys(g, way, published);
    if (code != FLT_OK || published == METADATA_OFF || g->denied[GCP_RIGHT_HOST_KEYS])
        return code;
    if (!*ret)
        *ret = json_object_new_array(); /* who publishes some later is a job */
    keep(g, way->id, *ret);
    return FLT_OK;
}

int32_t host_keys_find(struct flt_group *g, struct way *way)
{
    struct json_object *keys;
    int32_t code = FLT_OK;

    open_store(g);
    keys = flt_host_key_store_find(&g->reaches->host_keys, way->id);
    if (!keys)
        code = learn(g, way, &keys);
    if (code == FLT_OK)
        flt_host_keys_show(keys, &way->host_keys, &way->info);
    return code;
}
