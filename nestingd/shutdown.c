/* nestingd/shutdown.c - `flotilla-nesting shutdown`: the daemon takes no more calls until it is initialised again. */
#include <stdlib.h>

#include "nestingd/commands.h"

int command_shutdown(int argc, char **argv)
{
    struct flt_grpc_answer answer = { 0 };
    int r;

    if (argc != 1)
        return command_misused(
            "shutdown", "usage: flotilla-nesting shutdown, and nothing else, not '%s'", argv[1]);
    r = client_call("shutdown", "Shutdown", NULL, &answer);
    free(answer.data);
    return r < 0 ? EXIT_FAILED : EXIT_SUCCESS;
}
