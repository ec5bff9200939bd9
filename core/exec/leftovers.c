/* core/exec/leftovers.c - processes found in /proc by what gives them away.
 *
 * Our own ones inherit a variable. An instance's sshd has a path below WORK/state in its command line,
 * what its sessions start has one in HOME, and works there. Between the look and the kill a process id
 * could go to somebody else; ids are given out in turn, so that it does not. */
#include "core/exec/leftovers.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/base/buf.h"
#include "core/base/fs.h"
#include "core/base/mem.h"
#include "core/base/str.h"

#define MARK "FLOTILLA_EXEC"
#define FILE_MAX ((size_t) 4 << 20)
#define ROUNDS 50
#define PAUSE_MS 20

int leftovers_mark(const char *work_dir)
{
    return setenv(MARK, work_dir, 1) < 0 ? -errno : 0;
}

static bool holds(const char *pid, const char *name, const char *needle)
{
    autofree char *path = mem_printf("/proc/%s/%s", pid, name);
    autobuf struct buf text = BUF_INIT;

    return path && fs_read_file(AT_FDCWD, path, FILE_MAX, &text, NULL) == 0 && text.len > 0 &&
           memmem(text.data, text.len, needle, strlen(needle));
}

static bool works_below(const char *pid, const char *folder)
{
    autofree char *path = mem_printf("/proc/%s/cwd", pid);
    char cwd[PATH_MAX];
    ssize_t len = path ? readlink(path, cwd, sizeof(cwd) - 1) : -1;

    if (len < 0)
        return false;
    cwd[len] = '\0';
    return str_starts(cwd, folder);
}

/* How many there were. */
static unsigned kill_round(const char *mark, const char *instances)
{
    autoclosedir DIR *dir = opendir("/proc");
    const struct dirent *entry;
    unsigned count = 0;
    int64_t pid;

    while (dir && (entry = readdir(dir))) {
        const char *name = entry->d_name;

        if (parse_i64(name, 2, INT32_MAX, &pid) < 0 || pid == getpid())
            continue;
        if (holds(name, "environ", mark) || holds(name, "environ", instances) ||
            holds(name, "cmdline", instances) || works_below(name, instances))
            count += kill((pid_t) pid, SIGKILL) == 0;
    }
    return count;
}

void leftovers_kill(const char *work_dir)
{
    autofree char *mark = mem_printf(MARK "=%s", work_dir);
    autofree char *instances = mem_printf("%s/state/", work_dir);

    /* Until nothing is left: one that was just looked at may have made another. */
    for (int i = 0; mark && instances && i < ROUNDS && kill_round(mark, instances) > 0; i++)
        (void) poll(NULL, 0, PAUSE_MS);
}
