/* core/job/helper_files.c - two places, the build's first: it is there only in a build folder. */
#include "core/job/helper_files.h"

#include <errno.h>
#include <limits.h>
#include <unistd.h>

#include "core/base/mem.h"
#include "core/base/str.h"

#define NAME "flotilla-helper-static"

static const char *const machines[] = { "x86_64", "aarch64" };

/* The name of another machine is no part of a path. */
static bool is_known(const char *machine)
{
    for (size_t i = 0; i < ARRAY_LEN(machines); i++)
        if (str_eq(machines[i], machine))
            return true;
    return false;
}

/* A build has the program in core/ and the helpers in helper/static/. */
static char *path_of_build(const char *program, const char *machine)
{
    autofree char *folder = mem_strdup(program);
    char *slash = NULL;

    for (int i = 0; folder && i < 2; i++) {
        slash = strrchr(folder, '/');
        if (!slash)
            return mem_strdup("");
        *slash = '\0';
    }
    return folder ? mem_printf("%s/helper/static/" NAME "-%s", folder, machine) : NULL;
}

int helper_files_find_for(const char *program, const char *machine, char **ret, struct error *err)
{
    autofree char *built = NULL, *installed = NULL;

    if (!is_known(machine))
        return error_set(err, -ENOENT, "there is no helper for machines of the kind '%s'", machine);
    built = path_of_build(program, machine);
    installed = mem_printf("%s/" NAME "-%s", FLOTILLA_LIBEXEC_DIR, machine);
    if (!built || !installed)
        return error_errno(err, -ENOMEM, "helper");
    if (access(built, R_OK) == 0)
        *ret = take_ptr(built);
    else if (access(installed, R_OK) == 0)
        *ret = take_ptr(installed);
    else
        return error_set(err, -ENOENT,
                         "the helper for %s is not installed: %s is missing, and so is the one of "
                         "a build folder",
                         machine, installed);
    return 0;
}

int helper_files_find(const char *machine, char **ret, struct error *err)
{
    char program[PATH_MAX];
    ssize_t len = readlink("/proc/self/exe", program, sizeof(program) - 1);

    program[MAX(len, 0)] = '\0';
    return helper_files_find_for(program, machine, ret, err);
}
