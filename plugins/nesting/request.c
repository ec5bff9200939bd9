/* request.c - what is asked of the daemon, as protobuf. */
#include "nesting.h"

#include <stdlib.h>
#include <string.h>

#include "nesting.pb-c.h"

/* What protobuf-c reads alone is not const in its structures. */
static ProtobufCBinaryData bytes_of(const char *text)
{
    return (ProtobufCBinaryData) { strlen(text), (uint8_t *) (uintptr_t) text };
}

static unsigned char *pack(const ProtobufCMessage *message, size_t *ret_len)
{
    unsigned char *data;

    *ret_len = protobuf_c_message_get_packed_size(message);
    data = malloc(*ret_len + 1);
    if (data)
        (void) protobuf_c_message_pack(message, data);
    return data;
}

unsigned char *request_init(const char *config_json, size_t *ret_len)
{
    Nesting__InitRequest request = NESTING__INIT_REQUEST__INIT;

    request.has_config = true;
    request.config = bytes_of(config_json);
    return pack(&request.base, ret_len);
}

unsigned char *request_create(const char *image, int32_t slot, size_t *ret_len)
{
    Nesting__CreateRequest request = NESTING__CREATE_REQUEST__INIT;

    request.has_name = true;
    request.name = bytes_of(image);
    request.has_slot = slot != FLT_SLOT_NONE;
    request.slot = slot;
    return pack(&request.base, ret_len);
}

unsigned char *request_delete(const char *id, size_t *ret_len)
{
    Nesting__DeleteRequest request = NESTING__DELETE_REQUEST__INIT;

    request.has_id = true;
    request.id = bytes_of(id);
    return pack(&request.base, ret_len);
}
