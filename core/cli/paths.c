/* core/cli/paths.c - where commands look when nothing is said: the configuration and our own
 * binary. */
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "core/base/str.h"
#include "core/cli/cli.h"

/* As GitLab Runner has it: of the system for root, else of the user. */
static void default_path(char *path, size_t size, const char *program)
{
    const char *home = getenv("HOME");

    if (geteuid() == 0 || str_empty(home))
        (void) snprintf(path, size, "/etc/%s/config.toml", program);
    else
        (void) snprintf(path, size, "%s/.%s/config.toml", home, program);
}

const char *cli_default_config(void)
{
    static char own[PATH_MAX], runners[PATH_MAX];
    const char *named = getenv("CONFIG_FILE");

    if (!str_empty(named))
        return named;
    default_path(own, sizeof(own), "flotilla");
    default_path(runners, sizeof(runners), "gitlab-runner");
    return access(own, F_OK) < 0 && access(runners, F_OK) == 0 ? runners : own;
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
