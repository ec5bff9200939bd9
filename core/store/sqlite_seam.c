/* core/store/sqlite_seam.c - lets tests make SQLite's own reads and writes fail, as those of our code
 * (core/base/io.h). Test builds alone hold it.
 *
 * SQLite's file system layer calls the system through a table that may be changed; reserve.c sees to
 * its writes. Its syncs are not in that table. */
#include "core/store/internal.h"

#ifdef FLOTILLA_FAULTS

#include "core/base/io.h"

static int seam_open(const char *path, int flags, int mode)
{
    return io_openat(AT_FDCWD, path, flags | O_CLOEXEC, (mode_t) mode);
}

void sqlite_seam_install(void)
{
    const struct {
        const char *name;
        sqlite3_syscall_ptr call;
    } seams[] = {
        { "open", (sqlite3_syscall_ptr) seam_open },
        { "pread", (sqlite3_syscall_ptr) io_pread },
        { "pread64", (sqlite3_syscall_ptr) io_pread },
        { "ftruncate", (sqlite3_syscall_ptr) io_ftruncate },
    };
    sqlite3_vfs *vfs = sqlite3_vfs_find(NULL);

    /* What this SQLite does not call is refused, and needs no seam. */
    for (size_t i = 0; vfs && i < sizeof(seams) / sizeof(seams[0]); i++)
        (void) vfs->xSetSystemCall(vfs, seams[i].name, seams[i].call);
}
#endif
