/* metadata_keys.c - the login by a key in the instance's metadata, from where Google's guest agent takes it: a new one
 * for each instance, or the public half of connector_config.key_path.
 *
 * What the metadata show is the truth: a key is given out when it is seen there, whoever has put it.
 */

#include "reach.h"

#include <string.h>
#include <time.h>

#include "sdk/lib/json.h"
#include "sdk/lib/ssh_key.h"

#define ASKS 30 /* a change that is not seen by then, at one a second, has failed */

struct key_change {
    const char *user, *public_line;
    int64_t until_s, now_s;
};

static char *with_key(void *arg, const char *value)
{
    const struct key_change *change = arg;

    return ssh_keys_with(value, change->user, change->public_line, change->until_s, change->now_s);
}

static int32_t denied(struct flt_group *g, int32_t code, const struct flt_google_error *error)
{
    if (g->options.connector.key) {
        gcp_note_denied(g, GCP_RIGHT_KEYS, error);
        return FLT_OK;
    }
    return gcp_fail(g, code, 0,
                    "the account needs compute.instances.setMetadata, and the role "
                    "iam.serviceAccountUser on the instances' service account if they have one "
                    "(" FLOTILLA_DOCS
                    "/gcp-role.yaml), or set connector_config.key_path to a key that the "
                    "instances know: %s",
                    error->text);
}

static int32_t send_key(struct flt_group *g, struct way *way)
{
    int64_t now_s = (int64_t) time(NULL);
    struct key_change change = { way->info.username, way->reach->public_line, now_s + KEY_LIFE_S,
                                 now_s };
    struct flt_google_error error = { 0 };
    int32_t code = metadata_set(g, way, "ssh-keys", with_key, &change, &error);

    if (gcp_is_denied(code, &error))
        return denied(g, code, &error);
    if (code != FLT_OK)
        return code;
    way->reach->key_asks = 1;
    return FLT_OK;
}

/* Of the key that is given, or a new one. NULL when it is of a kind that is not sent. */
static int32_t make_key(struct flt_group *g, struct reach *reach)
{
    if (reach->public_line)
        return FLT_OK;
    if (g->options.connector.key)
        reach->public_line = flt_key_public_line(g->options.connector.key);
    else if (flt_key_generate(&reach->key, &reach->public_line) < 0)
        return gcp_fail(g, FLT_E_INTERNAL, 0, "no key could be made");
    return FLT_OK;
}

/* Sent, and looked for not too often yet. */
static bool is_on_its_way(struct reach *reach)
{
    return reach->key_asks > 0 && reach->key_asks++ < ASKS;
}

/* By the metadata, if this call has asked for them. */
static bool holds_for_long(struct way *way)
{
    struct json_object *metadata = flt_json_find(way->instance, "metadata");
    struct reach *reach = way->reach;

    if (way->instance)
        reach->key_until_s = ssh_keys_until(metadata_value(metadata, "ssh-keys"),
                                            way->info.username, reach->public_line);
    if (reach->key_until_s - (int64_t) time(NULL) <= KEY_LIFE_S / 2)
        return false;
    reach->key_asks = 0;
    return true;
}

static int32_t bring_key(struct flt_group *g, struct way *way)
{
    struct reach *reach = way->reach;
    int32_t code = FLT_OK;

    if (holds_for_long(way))
        return FLT_OK;
    if (!is_on_its_way(reach)) {
        if (!way->instance)
            code = way_look(g, way);
        if (code == FLT_OK && !holds_for_long(way))
            code = send_key(g, way);
    }
    if (code != FLT_OK || reach->key_until_s > (int64_t) time(NULL) || g->denied[GCP_RIGHT_KEYS])
        return code;
    reach->asked_at_ms = 0; /* the next call looks for it */
    return gcp_fail(g, FLT_E_NOT_READY, SOON_MS, "instance %s is being told the key", way->id);
}

int32_t metadata_key_login(struct flt_group *g, struct way *way)
{
    int32_t code = make_key(g, way->reach);

    if (strpbrk(way->info.username, ": \t"))
        return gcp_fail(g, FLT_E_INVALID, 0,
                        "connector_config.username '%.64s' is no user that the guest agent can "
                        "make: no colon and no blank",
                        way->info.username);
    if (code == FLT_OK && way->reach->public_line && !g->denied[GCP_RIGHT_KEYS])
        code = bring_key(g, way);
    way->info.key = way->reach->key;
    if (way->reach->key_until_s > 0 && way->reach->key_until_s < INT64_MAX)
        way->info.expires_ms = way->reach->key_until_s * 1000;
    return code;
}
