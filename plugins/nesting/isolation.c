/* isolation.c - the slots of the isolation for nesting daemons, and its one exported symbol. */
#include "nesting.h"

#include <stdlib.h>
#include <string.h>

#include "sdk/lib/json.h"

#define REMOVE_LIMIT_MS 60000 /* a daemon that hangs must not hold up a job's end */

static int32_t wrong(const struct flt_isolation_host *host, flt_call *call, const char *text)
{
    return host->fail(call, FLT_E_INVALID, 0, text);
}

static int32_t read_config(flt_vms *vms, flt_call *call, struct json_object *config)
{
    char why[FLT_ERROR_MAX], sentence[FLT_ERROR_MAX + 32];
    struct json_object *nesting_config = flt_json_find(config, "nesting_config");
    const char *nesting_host = NULL;

    if (flt_json_opt_text(config, "nesting_host", &nesting_host, why) < 0) {
        (void) snprintf(sentence, sizeof(sentence), "vm_isolation.%s", why);
        return wrong(vms->host, call, sentence);
    }
    if (target_parse(nesting_host, vms->target, why) < 0)
        return wrong(vms->host, call, why);
    if (nesting_config && !json_object_is_type(nesting_config, json_type_object))
        return wrong(vms->host, call, "vm_isolation.nesting_config must be a table");
    vms->config = json_object_get(nesting_config);
    return FLT_OK;
}

static void nesting_close(flt_vms *vms)
{
    if (!vms)
        return;
    json_object_put(vms->config);
    free(vms);
}

static int32_t nesting_open(const struct flt_isolation_host *host, flt_call *call,
                            const char *config_json, flt_vms **ret_vms)
{
    struct json_object *config = NULL;
    char why[FLT_ERROR_MAX];
    flt_vms *vms;
    int32_t code;

    if (flt_json_parse(config_json, strlen(config_json), &config, why) < 0)
        return wrong(host, call, "vm_isolation is no JSON");
    vms = calloc(1, sizeof(*vms));
    if (!vms) {
        json_object_put(config);
        return host->fail(call, FLT_E_INTERNAL, 0, "out of memory");
    }
    vms->host = host;
    code = json_object_is_type(config, json_type_object)
               ? read_config(vms, call, config)
               : wrong(host, call, "vm_isolation must be a table");
    json_object_put(config);
    if (code == FLT_OK)
        *ret_vms = vms;
    else
        nesting_close(vms);
    return code;
}

/* The daemon's answer goes to the sink; what is wrong with it is told. */
static int32_t hand_over(flt_vms *vms, flt_call *call, const char *verb,
                         struct flt_grpc_answer *answer,
                         int32_t (*read)(const unsigned char *, size_t, flt_vm_sink, void *,
                                         char *),
                         flt_vm_sink sink, void *arg)
{
    char why[FLT_ERROR_MAX];
    int32_t code;

    if (answer->status != FLT_GRPC_OK)
        return call_failed(vms, call, verb, answer);
    code = read(answer->data, answer->len, sink, arg, why);
    free(answer->data);
    return code == FLT_E_INTERNAL ? call_because(vms, call, code, verb, why) : code;
}

static int32_t nesting_create(flt_vms *vms, flt_call *call, const char *image, int32_t slot,
                              flt_vm_sink sink, void *arg)
{
    struct flt_grpc_answer answer = { 0 };
    unsigned char *message;
    size_t len = 0;
    int32_t code;

    /* The daemon hands it to a program as a word of its own. */
    if (!*image || *image == '-')
        return wrong(vms->host, call, "the image of a VM is empty or begins with '-'");
    message = request_create(image, slot, &len);
    if (!message)
        return vms->host->fail(call, FLT_E_INTERNAL, 0, "out of memory");
    code = call_daemon(vms, call, "Create", message, len, 0, &answer);
    free(message);
    return code == FLT_OK ? hand_over(vms, call, "Create", &answer, answer_create, sink, arg)
                          : code;
}

static int32_t nesting_remove(flt_vms *vms, flt_call *call, const char *id)
{
    struct flt_grpc_answer answer = { 0 };
    size_t len = 0;
    unsigned char *message = request_delete(id, &len);
    int32_t code;

    if (!message)
        return vms->host->fail(call, FLT_E_INTERNAL, 0, "out of memory");
    code = call_daemon(vms, call, "Delete", message, len, REMOVE_LIMIT_MS, &answer);
    free(message);
    if (code != FLT_OK)
        return code;
    if (answer.status != FLT_GRPC_OK && !answer_is_missing(&answer))
        return call_failed(vms, call, "Delete", &answer);
    free(answer.data);
    return FLT_OK;
}

static int32_t nesting_list(flt_vms *vms, flt_call *call, flt_vm_sink sink, void *arg)
{
    struct flt_grpc_answer answer = { 0 };
    int32_t code = call_daemon(vms, call, "List", NULL, 0, 0, &answer);

    return code == FLT_OK ? hand_over(vms, call, "List", &answer, answer_list, sink, arg) : code;
}

static const struct flt_isolation nesting = {
    .magic = FLT_ISOLATION_MAGIC,
    .struct_size = sizeof(struct flt_isolation),
    .abi_minor = FLT_ISOLATION_MINOR,
    .abi_minor_needed = 0,
    .name = "nesting",
    .version = FLOTILLA_VERSION,
    .open = nesting_open,
    .close = nesting_close,
    .create = nesting_create,
    .remove = nesting_remove,
    .list = nesting_list,
};

const struct flt_isolation *flotilla_isolation_v1(void)
{
    return &nesting;
}
