/* sdk/check/contract_process.c - what the plugin does to the process that it is a guest in:
 * descriptors, memory, output, signals, children. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <locale.h>
#include <malloc.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "core/base/str.h"
#include "sdk/check/kit.h"

#define LISTS 50
#define LIVES 10
#define LEAK_PER_ROUND 64 /* bytes; an allocator's own books may grow a little */
#define LEAK_TIMES 4
#define FDS_MAX 1024
#define SIGNALS 32

struct kit_process {
    char directory[PATH_MAX], locale[256];
    mode_t mask;
    struct sigaction actions[SIGNALS];
    bool fds[FDS_MAX];
};

static size_t each_fd(bool *ret_fds)
{
    autoclosedir DIR *dir = opendir("/proc/self/fd");
    const struct dirent *entry;
    size_t n = 0;

    while (dir && (entry = readdir(dir))) {
        int64_t fd;

        if (parse_i64(entry->d_name, 0, FDS_MAX - 1, &fd) < 0 || fd == dirfd(dir))
            continue;
        n++;
        if (ret_fds)
            ret_fds[fd] = true;
    }
    return n;
}

struct kit_process *process_remember(void)
{
    struct kit_process *process = kit_alloc(sizeof(*process));
    const char *locale = setlocale(LC_ALL, NULL);

    if (!getcwd(process->directory, sizeof(process->directory)))
        process->directory[0] = '\0';
    (void) snprintf(process->locale, sizeof(process->locale), "%s", locale ? locale : "");
    process->mask = umask(077);
    (void) umask(process->mask);
    for (int i = 1; i < SIGNALS; i++)
        (void) sigaction(i, NULL, &process->actions[i]);
    (void) each_fd(process->fds);
    return process;
}

/* Of malloc: the arenas, and what is too large for them. */
static size_t heap_bytes(void)
{
    struct mallinfo2 info = mallinfo2();

    return info.uordblks + info.hblkhd;
}

/* Whether descriptors or memory grew over so many rounds; says how much. */
static bool grows(struct kit *kit, int rounds, void (*round)(struct kit *kit), size_t *ret_fds,
                  size_t *ret_bytes)
{
    size_t fds = each_fd(NULL), bytes = heap_bytes(), fds_after, bytes_after;

    for (int i = 0; i < rounds && !kit_failed(kit); i++)
        round(kit);
    bytes_after = heap_bytes();
    fds_after = each_fd(NULL);
    *ret_fds = fds_after > fds ? fds_after - fds : 0;
    *ret_bytes = bytes_after > bytes ? bytes_after - bytes : 0;
    return *ret_fds > 0 || *ret_bytes > (size_t) LEAK_PER_ROUND * (size_t) rounds;
}

/* Caches fill up at first: what grew once may be that, a leak grows each time. */
void check_leaks(struct kit *kit, const char *what, int rounds, void (*round)(struct kit *kit))
{
    size_t fds = 0, bytes = 0;
    int times = 0;

    for (int i = 0; i < rounds / 5 && !kit_failed(kit); i++)
        round(kit);
    while (times < LEAK_TIMES && grows(kit, rounds, round, &fds, &bytes))
        times++;
    if (times < LEAK_TIMES)
        return;
    if (fds > 0)
        kit_fail(kit, "%zu descriptors more after %d %s", fds, rounds, what);
    else
        kit_fail(kit, "%zu bytes more after %d %s", bytes, rounds, what);
}

static void check_list(struct kit *kit)
{
    check_leaks(kit, "lists", LISTS, kit_list_once);
}

static void check_close(struct kit *kit)
{
    kit_close(kit);
    check_leaks(kit, "times of open, list and close", LIVES, kit_live);
}

static void check_inheritance(struct kit *kit)
{
    bool fds[FDS_MAX] = { false };

    (void) each_fd(fds);
    for (int fd = 0; fd < FDS_MAX; fd++) {
        int flags = fds[fd] && !kit->process->fds[fd] ? fcntl(fd, F_GETFD) : FD_CLOEXEC;

        if (flags >= 0 && !(flags & FD_CLOEXEC))
            kit_fail(kit, "descriptor %d is not close-on-exec", fd);
    }
}

static bool same_action(const struct sigaction *a, const struct sigaction *b)
{
    return a->sa_handler == b->sa_handler && a->sa_flags == b->sa_flags;
}

static void check_manners(struct kit *kit)
{
    struct kit_process *now = process_remember();

    if (!str_eq(now->directory, kit->process->directory))
        kit_fail(kit, "it changed the working directory to %s", now->directory);
    if (now->mask != kit->process->mask)
        kit_fail(kit, "it changed the umask to %03o", (unsigned) now->mask);
    if (!str_eq(now->locale, kit->process->locale))
        kit_fail(kit, "it changed the locale to %s", now->locale);
    for (int i = 1; i < SIGNALS; i++)
        if (!same_action(&now->actions[i], &kit->process->actions[i]))
            kit_fail(kit, "it changed what signal %d does", i);
    if (waitid(P_ALL, 0, &(siginfo_t) { 0 }, WEXITED | WNOHANG | WNOWAIT) == 0 || errno != ECHILD)
        kit_fail(kit, "it started a process of its own; programs are run by host->run()");
}

static void check_output(struct kit *kit)
{
    struct stat st;

    (void) fflush(stdout);
    if (fstat(kit->stdout_fd, &st) < 0 || st.st_size > 0)
        kit_fail(kit, "it wrote %lld bytes to standard output", (long long) st.st_size);
}

const struct kit_check kit_checks_process[] = {
    { "50 lists leak nothing", check_list, false },
    { "close gives everything back", check_close, false },
    { NULL, NULL, false },
};

const struct kit_check kit_checks_manners[] = {
    { "descriptors are close-on-exec", check_inheritance, false },
    { "the process is left as it was", check_manners, false },
    { "standard output stays empty", check_output, false },
    { NULL, NULL, false },
};
