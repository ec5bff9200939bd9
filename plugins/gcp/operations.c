/* operations.c - what becomes of changes that Google has accepted: each answers with an operation, which is asked for by
 * its name in later calls until it is done. Nothing waits for one. One that failed is told with the signals: growth as such,
 * the rest in the log, as the host sends it again.
 *
 * They are not kept over a restart: what an order did not bring shows in the list and in its errors (failures.c). */

#include "gcp.h"

#include <stdio.h>
#include <string.h>

#include "sdk/lib/json.h"

static void forget(struct flt_group *g, size_t i)
{
    g->n_operations--;
    memmove(&g->operations[i], &g->operations[i + 1],
            (g->n_operations - i) * sizeof(*g->operations));
}

void operations_follow(struct flt_group *g, struct json_object *operation, const char *verb,
                       uint32_t n)
{
    const char *name = gcp_text(operation, "name");
    struct gcp_operation *at;

    if (!*name || strlen(name) >= sizeof(at->name) || strpbrk(name, "/?#%"))
        return; /* none that could be asked for */
    if (g->n_operations == GCP_OPERATIONS_MAX)
        forget(g, 0);
    at = &g->operations[g->n_operations++];
    *at = (struct gcp_operation) { .n = n };
    (void) snprintf(at->name, sizeof(at->name), "%s", name);
    (void) snprintf(at->verb, sizeof(at->verb), "%s", verb);
}

static bool is_growth(const struct gcp_operation *operation)
{
    return strcmp(operation->verb, "createInstances") == 0 ||
           strcmp(operation->verb, "resize") == 0;
}

static void tell_failure(struct flt_group *g, const struct gcp_operation *operation,
                         struct json_object *answer, struct flt_signal_list *ret)
{
    struct json_object *errors = flt_json_find(answer, "error.errors"), *first = NULL;
    char text[512];

    if (json_object_is_type(errors, json_type_array))
        first = json_object_array_get_idx(errors, 0);
    if (!first)
        return;
    (void) snprintf(text, sizeof(text), "Google could not do %s of %u: %s: %s", operation->verb,
                    operation->n, gcp_text(first, "code"), gcp_text(first, "message"));
    if (is_growth(operation))
        flt_signal_list_add(ret, "", gcp_time(gcp_text(answer, "endTime")), text);
    else
        gcp_log(g, FLT_LOG_WARNING, "%s, retrying", text);
}

static int32_t ask(struct flt_group *g, const struct gcp_operation *operation,
                   struct json_object **ret, struct flt_google_error *error)
{
    char path[GCP_PATH_SIZE + sizeof(operation->name)], shown[GCP_PATH_SIZE];
    struct gcp_ask question = { .path = path, .shown = shown };

    (void) snprintf(path, sizeof(path), "%s/operations/%s", g->place, operation->name);
    (void) snprintf(shown, sizeof(shown), "%s.get",
                    g->options.zone ? "zoneOperations" : "regionOperations");
    return gcp_ask(g, &question, ret, error);
}

/* FLT_OK and `done`, when it need not be asked for again. */
static int32_t read_one(struct flt_group *g, const struct gcp_operation *operation,
                        struct flt_signal_list *ret, bool *done)
{
    struct flt_google_error error;
    struct json_object *answer;
    int32_t code = ask(g, operation, &answer, &error);

    *done = code == FLT_E_NOT_FOUND || gcp_is_denied(code, &error);
    if (gcp_is_denied(code, &error))
        gcp_note_denied(g, GCP_RIGHT_OPERATIONS, &error);
    if (code == FLT_OK && strcmp(gcp_text(answer, "status"), "DONE") == 0) {
        tell_failure(g, operation, answer, ret);
        *done = true;
    }
    json_object_put(answer);
    return *done || code == FLT_OK ? FLT_OK : gcp_refused(g, code, &error);
}

int32_t operations_read(struct flt_group *g, struct flt_signal_list *ret)
{
    int32_t code = FLT_OK;

    if (g->denied[GCP_RIGHT_OPERATIONS])
        g->n_operations = 0;
    for (size_t i = 0; code == FLT_OK && i < g->n_operations;) {
        bool done = false;

        code = read_one(g, &g->operations[i], ret, &done);
        if (done)
            forget(g, i);
        else
            i++;
    }
    return code;
}
