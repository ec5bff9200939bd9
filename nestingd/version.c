/* nestingd/version.c - `flotilla-nesting version`: what this program is. */
#include <stdio.h>
#include <stdlib.h>
#include <sys/utsname.h>

#include "nestingd/backends.h"
#include "nestingd/commands.h"

int command_version(int argc, char **argv)
{
    struct utsname machine;

    if (argc != 1)
        return command_misused(
            "version", "usage: flotilla-nesting version, and nothing else, not '%s'", argv[1]);
    (void) printf("Name:        flotilla-nesting\nVersion:     %s\nCompiler:    %s\n",
                  FLOTILLA_VERSION, __VERSION__);
    (void) printf("Hypervisors:");
    for (size_t i = 0; i < n_backends; i++)
        (void) printf(" %s", backends[i]->name);
    if (uname(&machine) == 0)
        (void) printf("\nOS/Arch:     %s/%s", machine.sysname, machine.machine);
    (void) printf("\n");
    return EXIT_SUCCESS;
}
