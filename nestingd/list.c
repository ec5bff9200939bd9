/* nestingd/list.c - `flotilla-nesting list`: prints the VMs there are. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "nesting.pb-c.h"
#include "nestingd/commands.h"

static int show(const struct flt_grpc_answer *answer)
{
    Nesting__ListResponse *response =
        nesting__list_response__unpack(NULL, answer->len, answer->data);
    struct error err;

    if (!response) {
        (void) error_set(&err, -EPROTO, "the daemon answered with bytes that are no list");
        return command_failed("list", &err);
    }
    for (size_t i = 0; i < response->n_vms; i++)
        (void) printf("%s %s %s\n", response->vms[i]->id, response->vms[i]->name,
                      response->vms[i]->addr);
    nesting__list_response__free_unpacked(response, NULL);
    return EXIT_SUCCESS;
}

int command_list(int argc, char **argv)
{
    struct flt_grpc_answer answer = { 0 };
    int status;

    if (argc != 1)
        return command_misused("list", "usage: flotilla-nesting list, and nothing else, not '%s'",
                               argv[1]);
    status = client_call("list", "List", NULL, &answer) < 0 ? EXIT_FAILED : show(&answer);
    free(answer.data);
    return status;
}
