/* helper/cache_init.c - the command `cache-init`: makes folders writable for every user of a container. */
#include <errno.h>
#include <string.h>
#include <sys/stat.h>

#include "helper/commands.h"
#include "helper/options.h"
#include "helper/say.h"

int run_cache_init(int argc, char **argv)
{
    auto_options const struct option_set sets[] = { { 0 } };
    int at = argc;
    enum options_next next = options_read(sets, argc, argv, &at);

    if (next != OPTIONS_RUN)
        return next == OPTIONS_HELP_SHOWN ? 0 : 1;
    if (at == argc)
        return say_fatal("No arguments passed, at least one path is required.");
    for (; at < argc; at++)
        if (chmod(argv[at], 0777) < 0)
            say(SAY_ERROR, "failed to chmod path: '%s': %s", argv[at], strerror(errno));
    return 0;
}
