/* core/cli/paths.c - where commands look when nothing is said: the configuration and our own
 * binary. */
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "core/base/str.h"
#include "core/cli/cli.h"

const char *cli_default_config(void)
{
    static char path[PATH_MAX];
    const char *home = getenv("HOME");

    if (geteuid() == 0 || str_empty(home))
        return "/etc/flotilla/config.toml";
    (void) snprintf(path, sizeof(path), "%s/.flotilla/config.toml", home);
    return path;
}

/* The path is resolved once, so that an upgrade in place is used for the next process. */
const char *cli_self_exe(void)
{
    static char path[PATH_MAX];
    ssize_t n;

    if (*path)
        return path;
    n = readlink("/proc/self/exe", path, sizeof(path) - 1);
    if (n <= 0)
        return "/proc/self/exe";
    path[n] = '\0';
    return path;
}
