/* nestingd/service.c - see service.h. */
#include "nestingd/service.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/mem.h"
#include "core/base/str.h"
#include "nesting.pb-c.h"
#include "nestingd/id.h"
#include "nestingd/settings.h"

#define LOG_TOPIC "service"
#include "core/base/log.h"

#define NOT_INITIALISED "not initialized"
#define ALREADY_INITIALISED "already initialized"

struct service {
    struct vms *vms;
    pthread_rwlock_t initialising; /* held for writing while Init works: other calls wait */
    bool is_initialised, is_started;
};

static int say(struct flt_grpc_answer *ret, int status, const char *text)
{
    ret->status = status;
    (void) snprintf(ret->message, sizeof(ret->message), "%s", text);
    return status;
}

static int failed(struct flt_grpc_answer *ret, const struct error *err)
{
    static const struct {
        int code, status;
    } statuses[] = { { -ECANCELED, FLT_GRPC_CANCELLED },
                     { -ETIMEDOUT, FLT_GRPC_DEADLINE_EXCEEDED },
                     { -EDQUOT, FLT_GRPC_RESOURCE_EXHAUSTED } };

    for (size_t i = 0; i < ARRAY_LEN(statuses); i++)
        if (statuses[i].code == err->code)
            return say(ret, statuses[i].status, err->message);
    return say(ret, FLT_GRPC_UNKNOWN, err->message);
}

/* As Go's daemon says it where a message can't be read. */
static void unreadable(struct flt_grpc_answer *ret, const char *why)
{
    (void) snprintf(ret->message, sizeof(ret->message), "grpc: error unmarshalling request: %s",
                    why);
    ret->status = FLT_GRPC_INTERNAL;
}

static void pack(const ProtobufCMessage *message, struct flt_grpc_answer *ret)
{
    ret->len = protobuf_c_message_get_packed_size(message);
    ret->data = mem_alloc(ret->len);
    if (ret->data)
        (void) protobuf_c_message_pack(message, ret->data);
    else
        (void) say(ret, FLT_GRPC_RESOURCE_EXHAUSTED, "out of memory");
}

static int initialise(struct service *service, const struct call *call,
                      const ProtobufCBinaryData *config, struct error *err)
{
    autojson json_t *settings = NULL;
    int r = settings_parse((const char *) config->data, config->len, &settings, err);

    if (r == 0 && settings)
        r = vms_configure(service->vms, settings, err);
    if (r < 0)
        return error_wrap(err, r, "invalid config");
    if (!service->is_started)
        r = vms_start(service->vms, call, err);
    if (r < 0)
        return r;
    service->is_started = true;
    service->is_initialised = true;
    return 0;
}

static void call_init(struct service *service, const void *data, size_t len,
                      const struct call *call, struct flt_grpc_answer *ret)
{
    Nesting__InitRequest *request = nesting__init_request__unpack(NULL, len, data);
    struct error err = { 0 };

    if (!request) {
        unreadable(ret, "it is no InitRequest");
        return;
    }
    (void) pthread_rwlock_wrlock(&service->initialising);
    if (service->is_initialised)
        (void) say(ret, FLT_GRPC_FAILED_PRECONDITION, ALREADY_INITIALISED);
    else if (initialise(service, call, &request->config, &err) < 0)
        (void) failed(ret, &err);
    (void) pthread_rwlock_unlock(&service->initialising);
    nesting__init_request__free_unpacked(request, NULL);
}

/* Upstream means "not initialized" and says otherwise; its clients know these words. */
static void call_shutdown(struct service *service, struct flt_grpc_answer *ret)
{
    (void) pthread_rwlock_wrlock(&service->initialising);
    if (!service->is_initialised)
        (void) say(ret, FLT_GRPC_FAILED_PRECONDITION, ALREADY_INITIALISED);
    service->is_initialised = false;
    (void) pthread_rwlock_unlock(&service->initialising);
}

static int require_initialised(struct service *service, struct flt_grpc_answer *ret)
{
    bool is_initialised;

    (void) pthread_rwlock_rdlock(&service->initialising);
    is_initialised = service->is_initialised;
    (void) pthread_rwlock_unlock(&service->initialising);
    return is_initialised ? 0 : say(ret, FLT_GRPC_FAILED_PRECONDITION, NOT_INITIALISED);
}

/* protobuf-c leaves a text without a limit of its own: the field's default stands for "". */
static void set_text(char **field, char *text)
{
    if (*text)
        *field = text;
}

static void set_vm(Nesting__VirtualMachine *message, struct vm *vm)
{
    set_text(&message->id, vm->id);
    set_text(&message->name, vm->name);
    set_text(&message->addr, vm->addr);
}

static void create(struct service *service, const struct call *call,
                   const Nesting__CreateRequest *request, const char *image,
                   struct flt_grpc_answer *ret)
{
    Nesting__VirtualMachine vm_message = NESTING__VIRTUAL_MACHINE__INIT;
    Nesting__CreateResponse response = NESTING__CREATE_RESPONSE__INIT;
    char stomped[VM_ID_SIZE] = "";
    struct vm vm = { 0 };
    struct error err = { 0 };

    if (!id_is_image(image)) {
        (void) say(
            ret, FLT_GRPC_INVALID_ARGUMENT,
            "the name of an image is 1 to 255 of the characters a-z, A-Z, 0-9 and ._/:@-, and "
            "begins with a letter or a digit");
        return;
    }
    if (vms_create(service->vms, call, image, request->has_slot ? &request->slot : NULL, &vm,
                   stomped, &err) < 0) {
        (void) failed(ret, &err);
        return;
    }
    set_vm(&vm_message, &vm);
    response.vm = &vm_message;
    set_text(&response.stompedvmid, stomped);
    pack(&response.base, ret);
}

/* The text of a request, NUL-terminated, which the caller frees; NULL and the answer where it is none. */
static char *read_text(const ProtobufCBinaryData *bytes, const char *wrong,
                       struct flt_grpc_answer *ret)
{
    const char *data = bytes->data ? (const char *) bytes->data : "";
    char *text = NULL;

    if (!utf8_valid(data, bytes->len)) {
        unreadable(ret, wrong);
    } else if (memchr(data, '\0', bytes->len)) {
        (void) say(ret, FLT_GRPC_INVALID_ARGUMENT, "no name has a NUL in it");
    } else {
        text = mem_strndup(data, bytes->len);
        if (!text)
            (void) say(ret, FLT_GRPC_RESOURCE_EXHAUSTED, "out of memory");
    }
    return text;
}

static void call_create(struct service *service, const void *data, size_t len,
                        const struct call *call, struct flt_grpc_answer *ret)
{
    Nesting__CreateRequest *request = nesting__create_request__unpack(NULL, len, data);
    autofree char *image = NULL;

    if (!request)
        unreadable(ret, "it is no CreateRequest");
    else
        image = read_text(&request->name, "its name is no UTF-8", ret);
    if (image && require_initialised(service, ret) == 0)
        create(service, call, request, image, ret);
    nesting__create_request__free_unpacked(request, NULL);
}

static void remove_vm(struct service *service, const struct call *call, const char *id,
                      struct flt_grpc_answer *ret)
{
    struct error err = { 0 };

    if (!id_is_vm(id)) {
        (void) error_set(&err, -ENOENT, "no vm (%.255s) found", id);
        (void) failed(ret, &err);
        return;
    }
    if (vms_remove(service->vms, call, id, &err) < 0)
        (void) failed(ret, &err);
}

static void call_delete(struct service *service, const void *data, size_t len,
                        const struct call *call, struct flt_grpc_answer *ret)
{
    Nesting__DeleteRequest *request = nesting__delete_request__unpack(NULL, len, data);
    autofree char *id = NULL;

    if (!request)
        unreadable(ret, "it is no DeleteRequest");
    else
        id = read_text(&request->id, "its id is no UTF-8", ret);
    if (id && require_initialised(service, ret) == 0)
        remove_vm(service, call, id, ret);
    nesting__delete_request__free_unpacked(request, NULL);
}

/* What a list has come to; the messages point into the VMs beside them. */
struct listing {
    struct entry {
        struct vm vm;
        Nesting__VirtualMachine message;
    } * *entries;
    size_t n;
};

static int add_entry(void *arg, const struct vm *vm)
{
    struct listing *listing = arg;
    struct entry **grown = mem_resize(listing->entries, listing->n + 1, sizeof(*listing->entries));
    struct entry *entry = mem_zero(sizeof(*entry));

    if (grown)
        listing->entries = grown;
    if (!grown || !entry) {
        free(entry);
        return -ENOMEM;
    }
    entry->vm = *vm;
    nesting__virtual_machine__init(&entry->message);
    set_vm(&entry->message, &entry->vm);
    listing->entries[listing->n++] = entry;
    return 0;
}

static void pack_listing(const struct listing *listing, struct flt_grpc_answer *ret)
{
    Nesting__ListResponse response = NESTING__LIST_RESPONSE__INIT;
    autofree Nesting__VirtualMachine **messages = mem_array(listing->n + 1, sizeof(*messages));

    if (!messages) {
        (void) say(ret, FLT_GRPC_RESOURCE_EXHAUSTED, "out of memory");
        return;
    }
    for (size_t i = 0; i < listing->n; i++)
        messages[i] = &listing->entries[i]->message;
    response.vms = messages;
    response.n_vms = listing->n;
    pack(&response.base, ret);
}

static void call_list(struct service *service, const struct call *call, struct flt_grpc_answer *ret)
{
    struct listing listing = { 0 };
    struct error err = { 0 };

    if (require_initialised(service, ret) != 0)
        return;
    if (vms_list(service->vms, call, add_entry, &listing, &err) < 0)
        (void) failed(ret, &err);
    else
        pack_listing(&listing, ret);
    for (size_t i = 0; i < listing.n; i++)
        free(listing.entries[i]);
    free(listing.entries);
}

void service_call(void *arg, enum method method, const void *data, size_t len,
                  const struct call *call, struct flt_grpc_answer *ret)
{
    struct service *service = arg;

    switch (method) {
    case METHOD_INIT:
        call_init(service, data, len, call, ret);
        break;
    case METHOD_CREATE:
        call_create(service, data, len, call, ret);
        break;
    case METHOD_DELETE:
        call_delete(service, data, len, call, ret);
        break;
    case METHOD_LIST:
        call_list(service, call, ret);
        break;
    case METHOD_SHUTDOWN:
        call_shutdown(service, ret);
        break;
    }
    if (ret->status != FLT_GRPC_OK && ret->status != FLT_GRPC_FAILED_PRECONDITION)
        log_warning("a call failed: %s", ret->message);
}

int service_new(struct vms *vms, struct service **ret, struct error *err)
{
    struct service *service = mem_zero(sizeof(*service));

    if (!service)
        return error_set(err, -ENOMEM, "out of memory");
    service->vms = vms;
    (void) pthread_rwlock_init(&service->initialising, NULL);
    *ret = service;
    return 0;
}

void service_free(struct service *service)
{
    if (!service)
        return;
    (void) pthread_rwlock_destroy(&service->initialising);
    free(service);
}
