/* nestingd/create.c - `flotilla-nesting create`: has a VM made, and prints it. */
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>

#include "core/base/str.h"
#include "nesting.pb-c.h"
#include "nestingd/commands.h"

static int show(const struct flt_grpc_answer *answer)
{
    Nesting__CreateResponse *response =
        nesting__create_response__unpack(NULL, answer->len, answer->data);
    struct error err;

    if (!response || !response->vm) {
        nesting__create_response__free_unpacked(response, NULL);
        (void) error_set(&err, -EPROTO, "the daemon answered without a VM");
        return command_failed("create", &err);
    }
    (void) printf("%s %s %s\n", response->vm->id, response->vm->name, response->vm->addr);
    if (*response->stompedvmid)
        (void) printf("stomped vm id \"%s\"\n", response->stompedvmid);
    nesting__create_response__free_unpacked(response, NULL);
    return EXIT_SUCCESS;
}

int command_create(int argc, char **argv)
{
    Nesting__CreateRequest request = NESTING__CREATE_REQUEST__INIT;
    struct flt_grpc_answer answer = { 0 };
    int64_t slot = 0;
    int status;

    if (argc < 2 || argc > 3)
        return command_misused("create", "usage: flotilla-nesting create IMAGE [SLOT]");
    if (argc == 3 && parse_i64(argv[2], INT32_MIN, INT32_MAX, &slot) < 0)
        return command_misused("create", "SLOT is a whole number of 32 bits, not '%s'", argv[2]);
    request.has_name = true;
    request.name = (ProtobufCBinaryData) { strlen(argv[1]), (uint8_t *) argv[1] };
    request.has_slot = argc == 3;
    request.slot = (int32_t) slot;
    status =
        client_call("create", "Create", &request.base, &answer) < 0 ? EXIT_FAILED : show(&answer);
    free(answer.data);
    return status;
}
