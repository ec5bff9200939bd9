/* helper/main.c - flotilla-helper: a table of commands, called as `gitlab-runner COMMAND` is on an
 * instance.
 */
#include <stdio.h>

#include "core/base/fs.h"
#include "core/base/str.h"
#include "helper/command.h"

/* Sorted by name; ends with an empty row. */
static const struct command commands[] = {
    { NULL, NULL, NULL },
};

static void usage(FILE *out)
{
    (void) fprintf(out, "Usage: flotilla-helper COMMAND [OPTIONS]\n\n");
    for (const struct command *command = commands; command->name; command++)
        (void) fprintf(out, "  %-20s  %s\n", command->name, command->what);
    (void) fprintf(out, "\n`flotilla-helper --version` names this one.\n");
}

int main(int argc, char **argv)
{
    if (fs_open_std_null() < 0)
        return 1;
    if (argc < 2 || str_eq(argv[1], "--help")) {
        usage(argc < 2 ? stderr : stdout);
        return argc < 2 ? 1 : 0;
    }
    if (str_eq(argv[1], "--version")) {
        (void) printf("flotilla-helper %s\n", FLOTILLA_VERSION);
        return 0;
    }
    for (const struct command *command = commands; command->name; command++)
        if (str_eq(argv[1], command->name))
            return command->run(argc - 1, argv + 1);
    (void) fprintf(stderr,
                   "flotilla-helper: there is no command '%s'; `flotilla-helper --help` "
                   "lists them\n",
                   argv[1]);
    return 1;
}
