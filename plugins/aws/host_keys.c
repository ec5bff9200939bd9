/* host_keys.c - the host keys of an instance, which cloud-init prints to its console at the first boot, where AWS reads
 * them: a way that no stranger on the network is on. */

#include "aws.h"

#include <json-c/json.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "sdk/lib/base64.h"
#include "sdk/lib/xml.h"

/* A console that shows none after that shows none at all. */
#define TRIES 3
#define SHOWN_BY_MS (INT64_C(10) * 60 * 1000)
#define PAUSE_MS INT64_C(2000)

static int32_t ask_console(struct flt_group *g, const char *id, bool latest, xmlDocPtr *ret,
                           struct flt_aws_error *error)
{
    struct flt_aws_param params[] = { { "InstanceId", id }, { "Latest", "true" } };
    struct aws_ask ask = { .service = "ec2",
                           .action = "GetConsoleOutput",
                           .params = params,
                           .n_params = latest ? 2 : 1,
                           .repeatable = true };

    return aws_ask(g, &ask, ret, error);
}

/* With what an earlier process has kept. */
static void open_store(struct flt_group *g)
{
    char path[FLT_STATE_PATH_MAX + 16], error[FLT_ERROR_MAX];

    if (g->host_keys.keys)
        return;
    (void) snprintf(path, sizeof(path), "%.*s.keys.json", (int) (strlen(g->file) - strlen(".json")),
                    g->file);
    flt_host_key_store_open(&g->host_keys, path, error);
    if (*error)
        aws_log(g, FLT_LOG_WARNING, "%s; the host keys of instances are read from consoles anew",
                error);
}

static int is_there(void *arg, const char *id)
{
    const struct flt_group *g = arg;

    return find_member(g->members, g->n_members, id) != NULL;
}

/* For the life of the instance. Which others are gone a complete look has to show. */
static void keep(struct flt_group *g, const char *id, struct json_object *keys)
{
    const struct flt_host_key_owners owners = { g->n_members, is_there, g };
    char error[FLT_ERROR_MAX];

    if (flt_host_key_store_keep(&g->host_keys, id, keys, g->members_at_ms != 0 ? &owners : NULL,
                                error) != FLT_OK)
        aws_log(g, FLT_LOG_WARNING, "host keys are not kept for the next start: %s", error);
}

/* It grows: a console that shows none for long is likely to show none at all. */
static bool is_too_early(const struct aws_machine *machine)
{
    int64_t pause_ms = machine->consoles == 0
                           ? 0
                           : PAUSE_MS << (machine->consoles < 5 ? machine->consoles - 1 : 4);

    return flt_monotonic_ms() - machine->console_ms < pause_ms;
}

/* NULL when the console could not be read. */
static struct json_object *read_console(struct flt_group *g, const char *id, int32_t *ret_code)
{
    struct flt_aws_error error;
    struct json_object *keys;
    xmlDocPtr doc = NULL;
    size_t len = 0;
    char *console;

    *ret_code = ask_console(g, id, true, &doc, &error);
    if (*ret_code != FLT_OK && strstr(error.code, "Unsupported")) /* by older kinds of instances */
        *ret_code = ask_console(g, id, false, &doc, &error);
    if (aws_is_denied(*ret_code, &error))
        aws_note_denied(g, AWS_RIGHT_CONSOLE, &error);
    if (*ret_code == FLT_E_CANCELLED || *ret_code == FLT_E_TIMEOUT)
        *ret_code = aws_refused(g, *ret_code, &error);
    if (*ret_code != FLT_OK)
        return NULL;
    console = flt_base64_read(text_at(flt_xml_root(doc), "output"), &len);
    keys = console_host_keys(console ? console : "", len);
    free(console);
    xmlFreeDoc(doc);
    return keys;
}

int32_t host_keys_ask(struct flt_group *g, struct aws_machine *machine, int64_t age_ms,
                      struct json_object **ret)
{
    struct json_object *keys;
    int32_t code;

    *ret = NULL;
    if (!g->options.host_keys || g->denied[AWS_RIGHT_CONSOLE])
        return FLT_OK;
    open_store(g);
    *ret = flt_host_key_store_find(&g->host_keys, machine->id);
    if (*ret || is_too_early(machine))
        return FLT_OK;
    keys = read_console(g, machine->id, &code);
    if (code == FLT_E_CANCELLED || code == FLT_E_TIMEOUT)
        return code;
    machine->consoles++;
    machine->console_ms = flt_monotonic_ms();
    if ((keys && json_object_array_length(keys) > 0) ||
        (keys && machine->consoles >= TRIES && age_ms >= SHOWN_BY_MS)) {
        keep(g, machine->id, keys);
        *ret = keys;
    } else {
        json_object_put(keys); /* the first key that it shows does as well */
    }
    return FLT_OK;
}
