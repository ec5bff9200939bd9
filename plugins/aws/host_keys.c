/* host_keys.c - the host keys of an instance, which cloud-init prints to its console at the first boot, where AWS reads
 * them: a way that no stranger on the network is on. */

#include "aws.h"

#include <json-c/json.h>
#include <stdlib.h>
#include <string.h>

#include "sdk/lib/aws_xml.h"
#include "sdk/lib/base64.h"

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

static void keep(struct flt_group *g, const char *id, struct json_object *keys)
{
    if (!g->host_keys)
        g->host_keys = json_object_new_object();
    (void) json_object_object_add(g->host_keys, id, keys);
}

/* Those of instances that are gone. */
static void drop_old(struct flt_group *g)
{
    if (!g->host_keys || (size_t) json_object_object_length(g->host_keys) <= 2 * g->n_members + 16)
        return;
    json_object_object_foreach(g->host_keys, id, keys)
    {
        (void) keys;
        if (!find_member(g->members, g->n_members, id))
            json_object_object_del(g->host_keys, id);
    }
}

int32_t host_keys_ask(struct flt_group *g, const char *id, struct json_object **ret)
{
    struct flt_aws_error error;
    struct json_object *keys;
    xmlDocPtr doc = NULL;
    size_t len = 0;
    char *console;
    int32_t code;

    *ret = NULL;
    if (!g->options.host_keys || g->denied[AWS_RIGHT_CONSOLE] ||
        json_object_object_get_ex(g->host_keys, id, ret))
        return FLT_OK;
    code = ask_console(g, id, true, &doc, &error);
    if (code != FLT_OK && strstr(error.code, "Unsupported")) /* by older kinds of instances */
        code = ask_console(g, id, false, &doc, &error);
    if (aws_is_denied(code, &error))
        aws_note_denied(g, AWS_RIGHT_CONSOLE, &error);
    if (code != FLT_OK) /* the first key that it shows does as well */
        return code == FLT_E_CANCELLED || code == FLT_E_TIMEOUT ? aws_refused(g, code, &error)
                                                                : FLT_OK;
    console = flt_base64_read(text_at(flt_xml_root(doc), "output"), &len);
    keys = console_host_keys(console ? console : "", len);
    free(console);
    xmlFreeDoc(doc);
    if (json_object_array_length(keys) == 0) {
        json_object_put(keys);
        return FLT_OK;
    }
    drop_old(g);
    keep(g, id, keys);
    *ret = keys;
    return FLT_OK;
}
