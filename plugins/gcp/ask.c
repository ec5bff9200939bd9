/* ask.c - a call to Google Cloud, and what becomes of its refusal: the sentence, and rights that are missing. */

#include "gcp.h"

#define ANSWER_MAX ((size_t) 32 << 20) /* a list of 10,000 members in one piece */

int32_t gcp_ask(struct flt_group *g, const struct gcp_ask *ask, struct json_object **ret,
                struct flt_google_error *error)
{
    struct flt_google_call call = { .service = ask->service ? ask->service : "compute",
                                    .method = ask->method ? ask->method : "GET",
                                    .path = ask->path,
                                    .shown = ask->shown,
                                    .params = ask->params,
                                    .n_params = ask->n_params,
                                    .body = ask->body,
                                    .repeatable = ask->repeatable || !ask->method,
                                    .max_bytes = ANSWER_MAX };

    *error = (struct flt_google_error) { 0 };
    *ret = NULL;
    return flt_google_do(g->client, &call, &g->watch, ret, error);
}

bool gcp_is_denied(int32_t code, const struct flt_google_error *error)
{
    return code == FLT_E_AUTH && error->status == 403;
}

int32_t gcp_refused(struct flt_group *g, int32_t code, const struct flt_google_error *error)
{
    return gcp_fail(g, code, error->retry_after_ms, "%s%s", error->text,
                    gcp_is_denied(code, error) ? " (" FLOTILLA_DOCS "/gcp-role.yaml has the rights)"
                                               : "");
}

void gcp_note_denied(struct flt_group *g, enum gcp_right right,
                     const struct flt_google_error *error)
{
    static const char *const without[] = {
        [GCP_RIGHT_CREATE] = "compute.instances.create: the group is grown by its size, and its "
                             "instances get names that tell no other manager who ordered them",
        [GCP_RIGHT_INSTANCES] = "compute.instances.list: host maintenance and the end of an "
                                "instance's time are not seen before they happen",
        [GCP_RIGHT_OPERATIONS] = "compute.zoneOperations.get, compute.regionOperations.get: "
                                 "nobody hears how a change ended that Google had accepted",
        [GCP_RIGHT_HOST_KEYS] = "compute.instances.getGuestAttributes: the first host key an "
                                "instance shows is trusted",
        [GCP_RIGHT_PROJECT] = "compute.projects.get: that instances use OS Login, or publish "
                              "host keys, is known from their own metadata only",
        [GCP_RIGHT_KEYS] = "compute.instances.setMetadata: instances must know the key of "
                           "connector_config.key_path already",
    };

    if (g->denied[right])
        return;
    g->denied[right] = true;
    gcp_log(g, FLT_LOG_WARNING, "missing permission %s (%s)", without[right], error->text);
}

int32_t gcp_unreadable(struct flt_group *g, const char *error)
{
    return gcp_fail(g, FLT_E_INTERNAL, 0, "the answer of Google cannot be read: %s", error);
}
