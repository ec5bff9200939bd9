/* host_keys.c - the host keys of an instance, which cloud-init prints to its console at the first boot, where AWS reads
 * them: a way that no stranger on the network is on. */

#include "aws.h"

#include <json-c/json.h>
#include <stdlib.h>
#include <string.h>

#include "sdk/lib/aws_xml.h"

#define BEGIN "-----BEGIN SSH HOST KEY KEYS-----"
#define END "-----END SSH HOST KEY KEYS-----"
#define BASE64 "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/="

static const char *const types[] = {
    "ssh-ed25519", "ecdsa-sha2-nistp256", "ecdsa-sha2-nistp384", "ecdsa-sha2-nistp521", "ssh-rsa",
};

/* "TYPE KEY" out of a line that may have a time or a program's name in front. */
static struct json_object *read_line(const char *line, size_t len)
{
    for (size_t i = 0; i < COUNT(types); i++) {
        size_t type_len = strlen(types[i]);
        const char *at = memmem(line, len, types[i], type_len);
        size_t left = at ? len - (size_t) (at - line) : 0, key_len;

        if (left <= type_len + 1 || at[type_len] != ' ' || (at > line && at[-1] != ' '))
            continue;
        key_len = strspn(at + type_len + 1, BASE64);
        if (key_len < 40 || type_len + 1 + key_len > left)
            return NULL;
        return json_object_new_string_len(at, (int) (type_len + 1 + key_len));
    }
    return NULL;
}

struct json_object *host_keys_find(const char *console, size_t len)
{
    struct json_object *keys = json_object_new_array(), *key;
    const char *at = memmem(console, len, BEGIN, strlen(BEGIN));
    const char *end = at ? memmem(at, len - (size_t) (at - console), END, strlen(END)) : NULL;

    /* Half a block may lack the key that the instance shows. */
    while (end && at && at < end && json_object_array_length(keys) < AWS_HOST_KEYS_MAX) {
        const char *stop = memchr(at, '\n', (size_t) (end - at));

        key = read_line(at, (size_t) ((stop ? stop : end) - at));
        if (key)
            (void) json_object_array_add(keys, key);
        at = stop ? stop + 1 : NULL;
    }
    return keys;
}

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
    struct json_object_iter at;

    if (!g->host_keys || (size_t) json_object_object_length(g->host_keys) <= 2 * g->n_members + 16)
        return;
    json_object_object_foreachC(g->host_keys, at)
    {
        if (!find_member(g->members, g->n_members, at.key))
            json_object_object_del(g->host_keys, at.key);
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
    console = base64_read(text_at(flt_xml_root(doc), "output"), &len);
    keys = host_keys_find(console ? console : "", len);
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
