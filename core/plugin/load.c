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

/* Opens the library of the descriptor, which stays open with it: its number names the library to the loader, and a
 * second load through the same number would give the first library again. */
static void *open_library(const char *file, int *fd, struct error *err)
{
    autofree char *path = mem_printf("/proc/self/fd/%d", *fd);
    void *handle;

    if (!path) {
        (void) error_set(err, -ENOMEM, "%s: out of memory", file);
        return NULL;
    }
    handle = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    if (!handle)
        (void) error_set(err, FLT_E_ABI, "%s: cannot be loaded: %s", file, dlerror());
    else
        (void) take_fd(fd);
    return handle;
}

/* The address of the file's entry function, of the checked file and no other; NULL with the reason's code. */
static void *load_entry(const char *file, const char *entry, int *ret_code, struct error *err)
{
    autoclose int fd = -1;
    void *handle, *symbol;

    *ret_code = plugin_open_file(file, &fd, err);
    if (*ret_code < 0)
        return NULL;
    *ret_code = plugin_check_elf(fd, entry, err);
    if (*ret_code < 0) {
        (void) error_wrap(err, *ret_code, "%s", file);
        return NULL;
    }
    *ret_code = FLT_E_ABI;
    handle = open_library(file, &fd, err);
    symbol = handle ? dlsym(handle, entry) : NULL;
    if (handle && !symbol)
        (void) error_set(err, FLT_E_ABI, "%s: %s", file, dlerror());
    return symbol;
}

int plugin_load_provider(const char *file, struct flt_provider *ret, struct error *err)
{
    const struct flt_provider *(*entry)(void);
    int r;

    *(void **) (&entry) = load_entry(file, FLT_PROVIDER_ENTRY, &r, err);
    if (!entry)
        return r;
    r = plugin_admit_provider(entry(), ret, err);
    return r < 0 ? error_wrap(err, r, "%s", file) : 0;
}

int plugin_load_isolation(const char *file, struct flt_isolation *ret, struct error *err)
{
    const struct flt_isolation *(*entry)(void);
    int r;

    *(void **) (&entry) = load_entry(file, FLT_ISOLATION_ENTRY, &r, err);
    if (!entry)
        return r;
    r = plugin_admit_isolation(entry(), ret, err);
    return r < 0 ? error_wrap(err, r, "%s", file) : 0;
}

static void note_isolation(void *arg, const char *symbol)
{
    if (str_eq(symbol, FLT_ISOLATION_ENTRY))
        *(enum plugin_kind *) arg = PLUGIN_ISOLATION;
}

int plugin_find_kind(const char *file, enum plugin_kind *ret, struct error *err)
{
    enum plugin_kind kind = PLUGIN_PROVIDER;
    autoclose int fd = -1;
    int r = plugin_open_file(file, &fd, err);

    if (r < 0)
        return r;
    r = plugin_each_export(fd, note_isolation, &kind, err);
    if (r < 0)
        return error_wrap(err, r, "%s", file);
    *ret = kind;
    return 0;
}
