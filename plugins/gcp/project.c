/* project.c - the project's metadata, which hold for an instance that says nothing of its own. They change rarely. */

#include "reach.h"

#include <stdio.h>

#include "sdk/lib/json.h"

#define AGAIN_MS (10 * 60 * 1000)

static void read_switches(struct reaches *known, struct json_object *project)
{
    metadata_switches(flt_json_find(project, "commonInstanceMetadata"), known->switches);
    for (size_t i = 0; i < SWITCHES; i++)
        if (known->switches[i] == METADATA_UNSAID)
            known->switches[i] = METADATA_OFF;
    known->switches_at_ms = flt_monotonic_ms();
}

static int32_t ask(struct flt_group *g)
{
    char path[GCP_PATH_SIZE], shown[GCP_PROJECT_MAX + 32];
    struct gcp_ask ask = { .path = path, .shown = shown };
    struct json_object *answer = NULL;
    struct flt_google_error error;
    int32_t code;

    (void) snprintf(path, sizeof(path), "/compute/v1/projects/%s", g->options.project);
    (void) snprintf(shown, sizeof(shown), "projects.get of %s", g->options.project);
    code = gcp_ask(g, &ask, &answer, &error);
    if (code == FLT_OK)
        read_switches(g->reaches, answer);
    json_object_put(answer);
    if (!gcp_is_denied(code, &error))
        return code == FLT_OK ? FLT_OK : gcp_refused(g, code, &error);
    gcp_note_denied(g, GCP_RIGHT_PROJECT, &error);
    return FLT_OK;
}

int32_t project_switch(struct flt_group *g, const struct reach *reach, enum metadata_switch which,
                       enum metadata_flag *ret)
{
    struct reaches *known = g->reaches;
    int32_t code = FLT_OK;

    *ret = reach->switches[which];
    if (*ret != METADATA_UNSAID)
        return FLT_OK;
    if (!g->denied[GCP_RIGHT_PROJECT] &&
        (known->switches_at_ms == 0 || flt_monotonic_ms() - known->switches_at_ms > AGAIN_MS))
        code = ask(g);
    *ret = known->switches[which];
    return code;
}
