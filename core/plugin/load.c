/* core/plugin/load.c - the file itself: who can have written it, dlopen of the checked descriptor.
 */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <string.h>
#include <sys/stat.h>

#include "core/base/autoclean.h"
#include "core/base/fs.h"
#include "core/base/mem.h"
#include "core/base/str.h"
#include "core/plugin/plugin.h"

/* A link may only name a file of its own directory, as in libx.so -> libx.so.1. */
static int check_link(const char *file, const char *resolved, struct error *err)
{
    autofree char *dir = mem_strdup(file), *real_dir = NULL;
    const char *slash;

    if (!dir)
        return error_set(err, -ENOMEM, "%s: out of memory", file);
    real_dir = realpath(dirname(dir), NULL);
    slash = strrchr(resolved, '/');
    if (!real_dir || !slash || strlen(real_dir) != (size_t) (slash - resolved) ||
        strncmp(real_dir, resolved, strlen(real_dir)) != 0)
        return error_set(err, -EACCES, "%s is a link that leaves its directory, to %s", file,
                         resolved);
    return 0;
}

int plugin_open_file(const char *file, int *ret_fd, struct error *err)
{
    autofree char *resolved = realpath(file, NULL);
    autoclose int fd = -1;
    struct stat st;
    int r;

    if (!resolved)
        return error_errno(err, -errno, "%s", file);
    r = check_link(file, resolved, err);
    if (r < 0)
        return r;
    fd = open(resolved, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
    if (fd < 0 || fstat(fd, &st) < 0)
        return error_errno(err, -errno, "%s", file);
    if (!S_ISREG(st.st_mode))
        return error_set(err, -EINVAL, "%s is no regular file", file);
    /* Whoever can write the file or its directory decides what our process runs. */
    r = fs_check_writers(&st, file, true, err);
    if (r == 0)
        r = fs_check_parents(resolved, true, err);
    if (r < 0)
        return r;
    *ret_fd = take_fd(&fd);
    return 0;
}

typedef const struct flt_provider *(*provider_entry)(void);

int plugin_load_provider(const char *file, struct flt_provider *ret, struct error *err)
{
    autofree char *path = NULL;
    autoclose int fd = -1;
    provider_entry entry;
    void *handle;
    int r;

    r = plugin_open_file(file, &fd, err);
    if (r < 0)
        return r;
    r = plugin_check_elf(fd, FLT_PROVIDER_ENTRY, err);
    if (r < 0)
        return error_wrap(err, r, "%s", file);
    path = mem_printf("/proc/self/fd/%d", fd);
    if (!path)
        return error_set(err, -ENOMEM, "%s: out of memory", file);
    handle = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    if (!handle)
        return error_set(err, FLT_E_ABI, "%s: cannot be loaded: %s", file, dlerror());
    /* The descriptor's number names the library to the loader: a second load through the same
     * number would give the first library again. It stays open with the library. */
    (void) take_fd(&fd);
    *(void **) (&entry) = dlsym(handle, FLT_PROVIDER_ENTRY);
    if (!entry)
        return error_set(err, FLT_E_ABI, "%s: %s", file, dlerror());
    r = plugin_admit_provider(entry(), ret, err);
    if (r < 0)
        return error_wrap(err, r, "%s", file);
    return 0;
}
