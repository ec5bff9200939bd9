/* nestingd/delete.c - `flotilla-nesting delete`: has a VM removed. */
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "nesting.pb-c.h"
#include "nestingd/commands.h"

int command_delete(int argc, char **argv)
{
    Nesting__DeleteRequest request = NESTING__DELETE_REQUEST__INIT;
    struct flt_grpc_answer answer = { 0 };
    int r;

    if (argc != 2)
        return command_misused("delete", "usage: flotilla-nesting delete ID, of a VM");
    request.has_id = true;
    request.id = (ProtobufCBinaryData) { strlen(argv[1]), (uint8_t *) argv[1] };
    r = client_call("delete", "Delete", &request.base, &answer);
    free(answer.data);
    return r < 0 ? EXIT_FAILED : EXIT_SUCCESS;
}
